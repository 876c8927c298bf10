"""Which attributes an expression needs, and what is left of it once some are known."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from plugin.snake.classads.evaluate import Scope, compute
from plugin.snake.classads.nodes import (
    Attributes,
    Binary,
    Call,
    Expression,
    ListOf,
    Literal,
    Reference,
    Unary,
    children,
)
from plugin.snake.classads.unparse import new_text

_PLACES = frozenset({"my", "self", "target", "parent", "root", "toplevel"})


def _needed(node: Expression) -> Iterator[Reference]:
    if isinstance(node, Reference):
        yield node
        if node.scope is not None and not _is_place(node.scope):
            yield from _needed(node.scope)
    for child in children(node):
        yield from _needed(child)


def _is_place(node: Expression) -> bool:
    return isinstance(node, Reference) and node.scope is None and node.key in _PLACES


def _is_inside(reference: Reference, known: Attributes) -> bool:
    scope = reference.scope
    at_home = scope is None or (isinstance(scope, Reference) and scope.key in ("my", "self"))
    return at_home and reference.key in known


def references(node: Expression, known: Attributes, inside: bool) -> list[str]:
    """Name what an expression needs.

    Args:
        node: the expression.
        known: the attributes of the ad.
        inside: give those that the ad has, and not those that it lacks.
    """
    found: dict[str, str] = {}
    for reference in _needed(node):
        if _is_inside(reference, known) == inside:
            at_home = reference.scope is not None and new_text(reference.scope).lower() == "my"
            name = reference.name if at_home else new_text(reference)
            found.setdefault(name.lower(), name)
    return sorted(found.values(), key=str.lower)


def flattened(node: Expression, known: Attributes) -> Expression:
    """Compute the parts that need only the known attributes; leave the others as they are."""
    if not references(node, known, inside=False):
        return Literal(compute(node, Scope(known)))
    match node:
        case Unary():
            return evolve(node, operand=flattened(node.operand, known))
        case Binary():
            return evolve(
                node, left=flattened(node.left, known), right=flattened(node.right, known)
            )
        case Call():
            return evolve(node, arguments=tuple(flattened(a, known) for a in node.arguments))
        case ListOf():
            return evolve(node, items=tuple(flattened(item, known) for item in node.items))
    return node
