"""The expressions that a ClassAd is made of, as immutable trees.

Only structure: what an expression means is `evaluate`, how it is written is `unparse`. A node may
be shared by many ads, which is what makes remembering parsed texts safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import define, field

Attributes: TypeAlias = "Mapping[str, tuple[str, Expression]]"
"""The attributes of an ad: lower-cased name -> (name as written, expression)."""


class Expression:
    """What every node is; compared by identity, see `unparse.same` for the other question."""

    __slots__ = ()
    short: bool = False  # whether it is a short constant, whose text is worth remembering


@define(eq=False, slots=True)
class Literal(Expression):
    """A constant: bool, int, float, str, Value, AbsoluteTime or RelativeTime."""

    value: Any
    short: bool = False


@define(eq=False, slots=True)
class Reference(Expression):
    """An attribute's name; `scope` is what stands before the dot, `absolute` a leading dot."""

    name: str
    scope: Expression | None = None
    absolute: bool = False
    key: str = field(init=False, default="")

    def __attrs_post_init__(self) -> None:
        self.key = self.name.lower()


@define(eq=False, slots=True)
class Unary(Expression):
    """One operand; `operator` is one of `- + ! ~` or `(` for parentheses, which are kept."""

    operator: str
    operand: Expression


@define(eq=False, slots=True)
class Binary(Expression):
    """Two operands; `=?=` and `=!=` are held as `is` and `isnt`, a subscript as `[`."""

    operator: str
    left: Expression
    right: Expression


@define(eq=False, slots=True)
class Choice(Expression):
    """`condition ? then : otherwise`; without `then` it is `condition ?: otherwise`."""

    condition: Expression
    then: Expression | None
    otherwise: Expression


@define(eq=False, slots=True)
class Call(Expression):
    """A function call."""

    name: str
    arguments: tuple[Expression, ...]


@define(eq=False, slots=True)
class ListOf(Expression):
    """`{ a, b }`."""

    items: tuple[Expression, ...]


@define(eq=False, slots=True)
class Record(Expression):
    """`[ a = 1; b = 2 ]`."""

    attributes: Attributes


def children(node: Expression) -> tuple[Expression, ...]:
    """Give the expressions directly inside one."""
    match node:
        case Unary():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Choice():
            return tuple(part for part in (node.condition, node.then, node.otherwise) if part)
        case Call():
            return node.arguments
        case ListOf():
            return node.items
        case Record():
            return tuple(entry[1] for entry in node.attributes.values())
    return ()
