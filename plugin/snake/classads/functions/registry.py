"""How a function is entered: its name, how many arguments it takes, and what it does with none.

Most functions of the language are eager: their arguments are computed first, and an ERROR or an
UNDEFINED among them is the result. Those that are not are entered with `lazy`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from plugin.snake.classads.evaluate import (
    FUNCTIONS,
    TAKEN,
    Budget,
    Function,
    ListValue,
    Scope,
    evaluate,
)
from plugin.snake.classads.nodes import Expression, Literal, children
from plugin.snake.classads.times import absolute_text, relative_text
from plugin.snake.classads.unparse import constant_text
from plugin.snake.classads.values import ERROR, UNDEFINED, AbsoluteTime, RelativeTime, Value

_NODES = 4
"""Nodes of a list or an ad that are a step to look at."""
Eager = TypeVar("Eager", bound=Callable[..., Any])
Lazy = TypeVar("Lazy", bound=Function)


def lazy(*names: str) -> Callable[[Lazy], Lazy]:
    """Enter a function of (argument expressions, scope)."""

    def enter(function: Lazy) -> Lazy:
        for name in names:
            FUNCTIONS[name.lower()] = function
        return function

    return enter


def eager(
    *names: str,
    least: int,
    most: int | None = None,
    passes_undefined: bool = False,
    on_undefined: Value = UNDEFINED,
    first: Value = ERROR,
    cost: Callable[..., int] | None = None,
) -> Callable[[Eager], Eager]:
    """Enter a function of computed values.

    Args:
        names: all names it has.
        least: arguments that it needs.
        most: arguments that it takes at most; as many as `least` if left out, -1 for any number.
        passes_undefined: it looks at UNDEFINED and ERROR itself.
        on_undefined: the result where an argument is UNDEFINED and none is ERROR.
        first: which of the two wins where both are among the arguments.
        cost: gives the steps that it takes beyond looking at its arguments once.
    """
    limit = least if most is None else most

    def enter(function: Eager) -> Eager:
        def run(arguments: tuple[Expression, ...], scope: Scope) -> Any:
            if len(arguments) < least or (limit >= 0 and len(arguments) > limit):
                return ERROR
            values = [evaluate(argument, scope) for argument in arguments]
            scope.budget.spend(sum(_weight(value, scope.budget.left) for value in values))
            blocked = None if passes_undefined else worst(values)
            if blocked is None:
                scope.budget.spend(0 if cost is None else cost(*values))
                return _charged(function(*values), scope.budget)
            if blocked is ERROR and first is UNDEFINED and any(v is UNDEFINED for v in values):
                blocked = UNDEFINED
            return on_undefined if blocked is UNDEFINED else ERROR

        lazy(*names)(run)
        return function

    return enter


def _weight(value: Any, most: int) -> int:
    """Give the steps for looking at a value once; counted no further than what is left."""
    if type(value) is str:
        return len(value) // TAKEN
    if not isinstance(value, (ListValue, Scope)):
        return 0
    nodes, texts = 0, 0
    waiting: list[Expression] = [value.as_node()]
    while waiting and nodes // _NODES + texts <= most:
        node = waiting.pop()
        nodes += 1
        if type(node) is Literal:
            texts += _weight(node.value, most)
        else:
            waiting.extend(children(node))
    return nodes // _NODES + texts


def _charged(result: Any, budget: Budget) -> Any:
    """What is computed of a list or an ad that a function made counts like all else."""
    if isinstance(result, ListValue):
        result.scope.budget = budget
    elif isinstance(result, Scope):
        result.budget = budget
    return result


def worst(values: list[Any]) -> Value | None:
    """Give ERROR or UNDEFINED if one is among the values, ERROR first."""
    found: Value | None = None
    for value in values:
        if value is UNDEFINED:
            found = UNDEFINED
        elif value is ERROR:
            return Value.Error
    return found


def as_text(value: Any) -> str:
    """Give a value as `string()` does: strings bare, everything else as it is written."""
    if type(value) is str:
        return value
    if type(value) is AbsoluteTime:
        return absolute_text(value)
    return relative_text(value) if type(value) is RelativeTime else constant_text(value)
