"""Functions that ask for a value's type or change it, and those that choose or look closer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from plugin.snake.classads import operators
from plugin.snake.classads.evaluate import ListValue, Scope, evaluate
from plugin.snake.classads.functions.registry import as_text, eager, lazy
from plugin.snake.classads.nodes import Expression, Reference
from plugin.snake.classads.parser import parse_expression
from plugin.snake.classads.unparse import new_text
from plugin.snake.classads.values import (
    ERROR,
    INTEGER_MAX,
    INTEGER_MIN,
    UNDEFINED,
    AbsoluteTime,
    ClassAdException,
    RelativeTime,
    Value,
)

_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WHOLE = re.compile(r"\s*[-+]?\d+")

_QUESTIONS: dict[str, Callable[[Any], bool]] = {
    "isUndefined": lambda value: value is UNDEFINED,
    "isError": lambda value: value is ERROR,
    "isString": lambda value: type(value) is str,
    "isInteger": lambda value: type(value) is int,
    "isReal": lambda value: type(value) is float,
    "isBoolean": lambda value: type(value) is bool,
    "isList": lambda value: isinstance(value, ListValue),
    "isClassAd": lambda value: isinstance(value, Scope),
    "isAbsTime": lambda value: type(value) is AbsoluteTime,
    "isRelTime": lambda value: type(value) is RelativeTime,
}
for _name, _question in _QUESTIONS.items():
    eager(_name, least=1, passes_undefined=True)(_question)


@eager("int", least=1)
def to_integer(value: Any) -> Any:
    """A number cut towards zero; a string read as far as it is a number."""
    if type(value) in (bool, int):
        return int(value)
    if type(value) is float:
        return _cut(value)
    if type(value) is str:
        match = _NUMBER.match(value)
        return ERROR if match is None else _read_whole(match.group())
    if type(value) in (AbsoluteTime, RelativeTime):
        return int(value.seconds)
    return ERROR


def _read_whole(text: str) -> int:
    return int(text) if _WHOLE.fullmatch(text) and len(text) < 19 else _cut(float(text))


def _cut(number: float) -> int:
    """What the processor makes of a real that fits no integer is the smallest one."""
    if math.isnan(number) or not INTEGER_MIN <= number < INTEGER_MAX:
        return INTEGER_MIN
    return int(number)


@eager("real", least=1)
def to_real(value: Any) -> Any:
    """A number as a real; `NaN`, `INF` and `-INF` are read too."""
    if type(value) in (bool, int, float):
        return float(value)
    if type(value) in (AbsoluteTime, RelativeTime):
        return float(int(value.seconds))
    if type(value) is not str:
        return ERROR
    match = _NUMBER.match(value)
    return float(match.group()) if match else _UNUSUAL.get(value.strip().lower(), ERROR)


_UNUSUAL: dict[str, Any] = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@eager("bool", least=1)
def to_boolean(value: Any) -> Any:
    """A number's truth, or the words `true` and `false`."""
    if type(value) is str:
        return {"true": True, "false": False}.get(value.lower(), UNDEFINED)
    if type(value) is RelativeTime:
        return value.seconds != 0
    return operators.truth(value)


eager("string", least=1)(as_text)


@lazy("ifThenElse")
def if_then_else(arguments: tuple[Expression, ...], scope: Scope) -> Any:
    """The second or the third argument; the other is not computed."""
    if len(arguments) != 3:
        return ERROR
    logical = operators.truth(evaluate(arguments[0], scope))
    if logical is ERROR or logical is UNDEFINED:
        return logical
    return evaluate(arguments[1 if logical else 2], scope)


@lazy("eval")
def evaluate_text(arguments: tuple[Expression, ...], scope: Scope) -> Any:
    """Read a string as an expression and compute that, here."""
    if len(arguments) != 1:
        return ERROR
    value = evaluate(arguments[0], scope)
    if type(value) is not str:
        return ERROR if type(value) in (Value, AbsoluteTime, RelativeTime) else value
    # nearly every character may be a word
    scope.budget.spend(len(value))
    try:
        return evaluate(parse_expression(value), scope)
    except ClassAdException:
        return ERROR


@lazy("unparse")
def unparse(arguments: tuple[Expression, ...], scope: Scope) -> Any:
    """The text of an attribute's expression."""
    if len(arguments) != 1 or not isinstance(arguments[0], Reference):
        return ERROR
    entry = scope.attributes.get(arguments[0].key)
    return "" if entry is None else new_text(entry[1])


@lazy("debug")
def debug(arguments: tuple[Expression, ...], scope: Scope) -> Any:
    """The argument; the original logs on the way."""
    return evaluate(arguments[0], scope) if len(arguments) == 1 else ERROR
