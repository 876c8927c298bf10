"""Python values <-> expressions.

Decides which Python value may stand in an ad, and what an expression or a computed value is to
Python code. Objects of the real `classad2` are taken too, by what they are, not by import: its
binary library never has to be in the daemon.
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from plugin.snake.classads.evaluate import ListValue, Scope
from plugin.snake.classads.nodes import Expression, ListOf, Literal, Record
from plugin.snake.classads.parser import parse_expression
from plugin.snake.classads.values import (
    ERROR,
    INTEGER_MAX,
    INTEGER_MIN,
    UNDEFINED,
    AbsoluteTime,
    RelativeTime,
)

REMEMBERED = 128
"""Characters of a string whose constant is shared."""


def expression_of(value: Any) -> Expression:
    """Make the expression that stands for a Python value.

    Raises:
        OverflowError: an int of more than 64 bits.
        ValueError: a str with a NUL.
        TypeError: a value that no ad can hold.
    """
    kind = type(value)
    if kind is int or (kind is str and len(value) <= REMEMBERED):
        return _literal(value)
    if kind is float:
        # the sign apart, because 0.0 and -0.0 are equal, and are not the same real
        return _real(value, math.copysign(1.0, value))
    make = _MAKERS.get(kind)
    if make is not None:
        return make(value)
    node = getattr(value, "node", None)
    if isinstance(node, Expression):
        return node
    return _unusual(value)


@functools.lru_cache(maxsize=8192)
def _literal(value: int | str) -> Literal:
    """Give a constant, which may be shared, for a value that is short."""
    node = _integer(value) if isinstance(value, int) else Literal(checked_text(value))
    node.short = True
    return node


@functools.lru_cache(maxsize=1024)
def _real(value: float, sign: float) -> Literal:
    """Give a real, which may be shared."""
    return Literal(value, True)


def _unusual(value: Any) -> Expression:
    if isinstance(value, enum.IntEnum) and value.name in ("Error", "Undefined"):
        return Literal(ERROR if value.name == "Error" else UNDEFINED)
    if is_foreign(value):
        return parse_expression(repr(value))
    if isinstance(value, Mapping):
        return Record(
            {str(key).lower(): (str(key), expression_of(item)) for key, item in value.items()}
        )
    for kind, make in _MAKERS.items():
        if isinstance(value, kind):
            return make(str(value) if kind is str else value)
    raise TypeError(f"a ClassAd cannot hold a value of the type {type(value).__name__}")


def is_foreign(value: Any) -> bool:
    """Tell whether this is a ClassAd or ExprTree of the real classad2."""
    return type(value).__module__.split(".")[0] == "classad2"


def _integer(value: int) -> Literal:
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise OverflowError(f"the integer {value:.6e} does not fit 64 bits")
    return Literal(int(value))


def checked_text(value: str) -> str:
    """Give the text, if it can travel: no NUL, and nothing but bytes that were UTF-8 or raw."""
    if "\0" in value:
        raise ValueError("a string with a NUL character cannot travel")
    if not value.isascii():
        value.encode("utf-8", "surrogateescape")
    return value


def _moment(value: datetime) -> Literal:
    return Literal(AbsoluteTime.of(value))


_TRUE, _FALSE = Literal(True, True), Literal(False, True)
_MAKERS: dict[type, Callable[[Any], Expression]] = {
    type(None): lambda value: Literal(UNDEFINED),
    bool: lambda value: _TRUE if value else _FALSE,
    int: _integer,
    float: lambda value: Literal(float(value)),
    str: lambda value: Literal(checked_text(value)),
    bytes: lambda value: Literal(checked_text(value.decode("utf-8", "surrogateescape"))),
    datetime: _moment,
    timedelta: lambda value: Literal(RelativeTime(value.total_seconds())),
    list: lambda value: ListOf(tuple(map(expression_of, value))),
    tuple: lambda value: ListOf(tuple(map(expression_of, value))),
    dict: lambda value: Record(
        {str(key).lower(): (str(key), expression_of(item)) for key, item in value.items()}
    ),
}


def python_of(
    value: Any, make_ad: Callable[[Scope], Any], make_tree: Callable[[Expression], Any]
) -> Any:
    """Give what Python code sees for an expression or a computed value.

    Args:
        value: an Expression (constants, lists and ads become values, the rest stays unevaluated),
            or what `evaluate` gave.
        make_ad: makes the caller's kind of ad.
        make_tree: makes the caller's kind of unevaluated expression.
    """
    if isinstance(value, Literal):
        value = value.value
    if isinstance(value, (ListOf, ListValue)):
        return [python_of(item, make_ad, make_tree) for item in value.items]
    if isinstance(value, Record):
        return make_ad(Scope(value.attributes))
    if isinstance(value, Scope):
        return make_ad(value)
    if isinstance(value, Expression):
        return make_tree(value)
    if type(value) is AbsoluteTime:
        return value.moment()
    return value.seconds if type(value) is RelativeTime else value
