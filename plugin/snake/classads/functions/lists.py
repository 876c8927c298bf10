"""Functions of lists: membership, sums, and a question to every item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plugin.snake.classads import operators
from plugin.snake.classads.evaluate import ListValue, Scope, compared, evaluate
from plugin.snake.classads.functions.registry import eager, lazy, worst
from plugin.snake.classads.nodes import Expression, Literal
from plugin.snake.classads.values import ERROR, UNDEFINED


def _membership(name: str, sign: str, passes_undefined: bool) -> None:
    def run(wanted: Any, items: Any) -> Any:
        if items is UNDEFINED:
            return UNDEFINED
        if isinstance(wanted, (ListValue, Scope)) or not isinstance(items, ListValue):
            return ERROR
        budget = items.scope.budget
        return any(compared(sign, wanted, item, budget) is True for item in items.values())

    eager(name, least=2, passes_undefined=passes_undefined, first=UNDEFINED)(run)


_membership("member", "==", passes_undefined=False)
_membership("identicalMember", "is", passes_undefined=True)


def _fold(name: str, finish: Callable[[list[Any]], Any]) -> None:
    def run(items: Any) -> Any:
        if not isinstance(items, ListValue):
            return ERROR
        values = items.values()
        if worst(values) is ERROR:
            return ERROR
        known = [value for value in values if value is not UNDEFINED]
        return UNDEFINED if values and not known else finish(known)

    eager(name, least=1)(run)


def _total(values: list[Any]) -> Any:
    total: Any = values[0] if values else 0
    for value in values[1:]:
        total = operators.binary("+", total, value)
    return operators.binary("+", 0, total) if len(values) == 1 else total


def _average(values: list[Any]) -> Any:
    total = _total(values)
    if not values:
        return 0
    return operators.binary("/", operators.binary("*", total, 1.0), len(values))


def _extreme(sign: str) -> Callable[[list[Any]], Any]:
    def run(values: list[Any]) -> Any:
        best: Any = UNDEFINED
        for value in values:
            if type(value) not in (bool, int, float):
                return ERROR
            if best is UNDEFINED or operators.binary(sign, value, best) is True:
                best = value
        real = any(type(value) is float for value in values)
        return float(best) if real and best is not UNDEFINED else best

    return run


_fold("sum", _total)
_fold("avg", _average)
_fold("min", _extreme("<"))
_fold("max", _extreme(">"))


_SYNONYMS = {"=?=": "is", "=!=": "isnt"}
_COMPARISONS = frozenset({"<", "<=", "==", "!=", ">=", ">", "is", "isnt"})


def _compare_each(name: str, least_one: bool) -> None:
    def run(sign: Any, items: Any, wanted: Any) -> Any:
        if type(sign) is not str:
            return UNDEFINED if sign is UNDEFINED else ERROR
        sign = _SYNONYMS.get(sign, sign)
        if sign not in _COMPARISONS or not isinstance(items, ListValue):
            return UNDEFINED if sign in _COMPARISONS and items is UNDEFINED else ERROR
        budget = items.scope.budget
        results = [compared(sign, item, wanted, budget) for item in items.values()]
        if any(result is ERROR for result in results):
            return ERROR
        truths = [result is True for result in results]
        return any(truths) if least_one else all(truths)

    eager(name, least=3, passes_undefined=True)(run)


_compare_each("anyCompare", least_one=True)
_compare_each("allCompare", least_one=False)


def _in_each(expression: Expression, items: ListValue) -> list[Any]:
    values: list[Any] = []
    for item in items.values():
        if isinstance(item, Scope):
            values.append(evaluate(expression, item))
        else:
            values.append(UNDEFINED if item is UNDEFINED else ERROR)
    return values


@lazy("evalInEachContext")
def eval_in_each_context(arguments: tuple[Expression, ...], scope: Scope) -> Any:
    """The list of what an expression comes to in each ad of a list."""
    items = evaluate(arguments[1], scope) if len(arguments) == 2 else ERROR
    if not isinstance(items, ListValue):
        return UNDEFINED if items is UNDEFINED else ERROR
    values = tuple(Literal(value) for value in _in_each(arguments[0], items))
    return ListValue(values, scope)


@lazy("countMatches")
def count_matches(arguments: tuple[Expression, ...], scope: Scope) -> Any:
    """In how many ads of a list an expression is true."""
    items = evaluate(arguments[1], scope) if len(arguments) == 2 else ERROR
    if not isinstance(items, ListValue):
        return 0 if items is UNDEFINED else ERROR
    return sum(value is True for value in _in_each(arguments[0], items))
