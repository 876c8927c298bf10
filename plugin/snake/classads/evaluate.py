"""What an expression comes to, in the ads that surround it.

How it works. `evaluate(node, scope)` walks the tree. A `Scope` is one ad on the way from the
innermost to the outermost; looking up a name goes outwards, and from the outermost ad of a match
to the other ad of it. An attribute that is being computed already, and so depends on itself, is
UNDEFINED, as in the original.

An ad from a stranger is evaluated in the daemon's only thread, so work is bounded: lookups,
operators, calls and the data that they look at draw on a budget shared by all scopes of one
evaluation, depth is Python's own, and a string may not grow over `MAX_TEXT`. What exceeds a bound
is ERROR. Nothing in here raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plugin.snake.classads import operators
from plugin.snake.classads.nodes import (
    Attributes,
    Binary,
    Call,
    Choice,
    Expression,
    ListOf,
    Literal,
    Record,
    Reference,
    Unary,
)
from plugin.snake.classads.values import ERROR, UNDEFINED

MAX_STEPS = 100_000
"""Steps of one evaluation; at some microseconds each, well under a second.

A lookup, an operator, a call and an item of a list that is computed are one each, and so are 16
characters that a function takes or gives, 1024 that are compared, and 100 ways of a search.
"""
TAKEN, COMPARED = 16, 1024
"""Characters that are a step."""
MAX_TEXT = 1024 * 1024
"""Characters of a string that an expression may build."""


class BudgetExceeded(Exception):
    """An evaluation took more steps than it may."""


class Budget:
    """The steps that an evaluation has left."""

    __slots__ = ("left",)

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Take so many steps, or raise BudgetExceeded."""
        self.left -= steps
        if self.left < 0:
            raise BudgetExceeded


class Scope:
    """One ad in which names are looked up; also the value of an ad inside an expression."""

    __slots__ = ("attributes", "budget", "computing", "other", "parent")

    def __init__(
        self, attributes: Attributes, parent: Scope | None = None, budget: Budget | None = None
    ) -> None:
        self.attributes = attributes
        self.parent = parent
        self.other: Scope | None = None
        self.budget = budget or Budget()
        self.computing: set[str] = set()

    @property
    def root(self) -> Scope:
        """The outermost ad."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def as_node(self) -> Record:
        """Give the ad as an expression again."""
        return Record(self.attributes)

    def own(self, key: str) -> Any:
        """Compute the attribute of this very ad; UNDEFINED where it has none."""
        entry = self.attributes.get(key)
        if entry is None or key in self.computing:
            return UNDEFINED
        self.budget.spend()
        self.computing.add(key)
        try:
            return evaluate(entry[1], self)
        finally:
            self.computing.discard(key)

    def named(self, key: str) -> Any:
        """Compute a name, looking outwards; the words MY, TARGET and their like last."""
        scope: Scope | None = self
        while scope is not None:
            if key in scope.attributes:
                return scope.own(key)
            scope = scope.parent
        if key in _PLACES:
            return _PLACES[key](self)
        if self.other is not None and key in self.other.attributes:
            return self.other.own(key)
        return UNDEFINED


class ListValue:
    """A list, its items not computed yet."""

    __slots__ = ("items", "scope")

    def __init__(self, items: tuple[Expression, ...], scope: Scope) -> None:
        self.items = items
        self.scope = scope

    def as_node(self) -> ListOf:
        """Give the list as an expression again."""
        return ListOf(self.items)

    def values(self) -> list[Any]:
        """Compute every item."""
        self.scope.budget.spend(len(self.items))
        return [evaluate(item, self.scope) for item in self.items]


def _or_undefined(scope: Scope | None) -> Any:
    return UNDEFINED if scope is None else scope


_PLACES: dict[str, Callable[[Scope], Any]] = {
    "my": lambda scope: scope.root,
    "self": lambda scope: scope,
    "toplevel": lambda scope: scope.root,
    "root": lambda scope: scope.root,
    "target": lambda scope: _or_undefined(scope.root.other),
    "parent": lambda scope: _or_undefined(scope.parent),
}

Function = Callable[[tuple[Expression, ...], Scope], Any]
FUNCTIONS: dict[str, Function] = {}
"""The functions of the language by lower-cased name; the modules of `functions` fill it."""


def evaluate(node: Expression, scope: Scope) -> Any:
    """Compute an expression; see `compute` for the bounded way in from outside."""
    return _WAYS[type(node)](node, scope)


def compute(node: Expression, scope: Scope) -> Any:
    """Compute an expression within the bounds; what exceeds them is ERROR."""
    try:
        return evaluate(node, scope)
    except (BudgetExceeded, RecursionError):
        return ERROR


def _reference(node: Reference, scope: Scope) -> Any:
    if node.scope is None and node.absolute:
        # in a match, what surrounds both ads has no attributes
        return scope.root.named(node.key) if scope.root.other is None else UNDEFINED
    if node.scope is None:
        return scope.named(node.key)
    return _member(evaluate(node.scope, scope), node.key)


def _member(holder: Any, key: str) -> Any:
    if isinstance(holder, Scope):
        return holder.named(key)
    if isinstance(holder, ListValue):
        items = tuple(Literal(_member(value, key)) for value in holder.values())
        return ListValue(items, holder.scope)
    return UNDEFINED if holder is UNDEFINED else ERROR


def _unary(node: Unary, scope: Scope) -> Any:
    scope.budget.spend()
    value = evaluate(node.operand, scope)
    return value if node.operator == "(" else operators.unary(node.operator, value)


def _binary(node: Binary, scope: Scope) -> Any:
    scope.budget.spend()
    sign = node.operator
    if sign == "&&" or sign == "||":
        return _logical(node, scope, sign == "||")
    left, right = evaluate(node.left, scope), evaluate(node.right, scope)
    if sign == "[":
        return _subscript(left, right)
    return compared(sign, left, right, scope.budget)


def compared(sign: str, left: Any, right: Any, budget: Budget) -> Any:
    """Compute a binary operator, at the cost of the strings that it compares."""
    if type(left) is str and type(right) is str:
        budget.spend((len(left) + len(right)) // COMPARED)
    return operators.binary(sign, left, right)


def _logical(node: Binary, scope: Scope, decisive: bool) -> Any:
    """`||` is decided by True, `&&` by False; a decided one does not look at the right side."""
    left = operators.truth(evaluate(node.left, scope))
    if left is ERROR or left is decisive:
        return left
    right = operators.truth(evaluate(node.right, scope))
    if right is ERROR or right is decisive:
        return right
    return UNDEFINED if left is UNDEFINED or right is UNDEFINED else not decisive


def _subscript(holder: Any, index: Any) -> Any:
    if holder is ERROR or index is ERROR:
        return ERROR
    if holder is UNDEFINED or index is UNDEFINED:
        return UNDEFINED
    if isinstance(holder, ListValue) and type(index) is int:
        inside = 0 <= index < len(holder.items)
        return evaluate(holder.items[index], holder.scope) if inside else ERROR
    if isinstance(holder, Scope) and type(index) is str:
        return holder.named(index.lower())
    return ERROR


def _choice(node: Choice, scope: Scope) -> Any:
    scope.budget.spend()
    value = evaluate(node.condition, scope)
    if node.then is None:
        return evaluate(node.otherwise, scope) if value is UNDEFINED else value
    logical = operators.truth(value)
    if logical is ERROR or logical is UNDEFINED:
        return logical
    return evaluate(node.then if logical else node.otherwise, scope)


def _call(node: Call, scope: Scope) -> Any:
    scope.budget.spend()
    function = FUNCTIONS.get(node.name.lower())
    if function is None:
        return ERROR
    result = function(node.arguments, scope)
    if type(result) is not str:
        return result
    scope.budget.spend(len(result) // TAKEN)
    return ERROR if len(result) > MAX_TEXT else result


_WAYS: dict[type[Expression], Callable[[Any, Scope], Any]] = {
    # a computed list or ad may stand in a Literal; it keeps the scope that it came from
    Literal: lambda node, scope: node.value,
    Reference: _reference,
    Unary: _unary,
    Binary: _binary,
    Choice: _choice,
    Call: _call,
    ListOf: lambda node, scope: ListValue(node.items, scope),
    Record: lambda node, scope: Scope(node.attributes, scope, scope.budget),
}
