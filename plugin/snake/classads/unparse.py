r"""Expressions -> text, in the new syntax and in the old one that travels.

The two differ in strings and reals only. New: C escapes, bytes outside ASCII as octal, reals as
`%.15E`. Old: `\"` is the only escape, everything else goes raw, reals in the shortest text that
reads back as the same number, so that a value survives the wire.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

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
from plugin.snake.classads.times import absolute_text, relative_text
from plugin.snake.classads.values import ERROR, UNDEFINED, AbsoluteTime, RelativeTime

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset({"is", "isnt", "true", "false", "undefined", "error"})
_ESCAPED = {
    "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\a": "\\a", "\v": "\\v",
    "\\": "\\\\", '"': '\\"',
}  # fmt: skip
_SPECIAL = re.compile(r"[^ !#-\[\]-~]")


def quoted(text: str) -> str:
    """Write a string of the new syntax."""
    return f'"{_SPECIAL.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if character in _ESCAPED:
        return _ESCAPED[character]
    raw = character.encode("utf-8", "surrogateescape")
    return "".join(f"\\{byte:03o}" for byte in raw)


def old_quoted(text: str) -> str:
    """Write a string of the old syntax."""
    return '"' + text.replace('"', '\\"') + '"'


def _unusual_real(number: float) -> str | None:
    if math.isnan(number):
        return 'real("NaN")'
    if math.isinf(number):
        return 'real("INF")' if number > 0 else 'real("-INF")'
    return None


def new_real(number: float) -> str:
    """Write a real of the new syntax: `1.500000000000000E+00`."""
    if number == 0.0:
        return str(number)
    return _unusual_real(number) or f"{number:.15E}"


def old_real(number: float) -> str:
    """Write a real of the old syntax: `1.5`, `1E+300`; never mistaken for an integer."""
    unusual = _unusual_real(number)
    if unusual is not None:
        return unusual
    text = f"{number:.16G}"
    if float(text) != number:
        text = repr(number).upper()
    return text if "." in text or "E" in text else text + ".0"


def attribute_name(name: str) -> str:
    """Write an attribute's name, in quotes where it needs them."""
    if _PLAIN_NAME.fullmatch(name) and name.lower() not in _RESERVED:
        return name
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def ordered(attributes: Attributes) -> list[tuple[str, Expression]]:
    """Give names and expressions as the original shows ads: short names first, then by name."""
    return [attributes[key] for key in sorted(attributes, key=lambda key: (len(key), key))]


class _Writer:
    """One syntax: how it writes strings and reals."""

    def __init__(self, string: Callable[[str], str], real: Callable[[float], str]) -> None:
        self._constants: dict[type, Callable[[Any], str]] = {
            bool: lambda value: "true" if value else "false",
            int: str,
            float: real,
            str: string,
            AbsoluteTime: lambda value: f'absTime("{absolute_text(value)}")',
            RelativeTime: lambda value: f'relTime("{relative_text(value)}")',
        }
        self._nodes: dict[type[Expression], Callable[[Any], str]] = {
            Literal: lambda node: self.constant(node.value),
            Reference: self._reference,
            Unary: self._unary,
            Binary: self._binary,
            Choice: self._choice,
            Call: lambda node: f"{node.name}({self._joined(node.arguments)})",
            ListOf: lambda node: self.list(node.items),
            Record: lambda node: self.record(node.attributes),
        }

    def expression(self, node: Expression) -> str:
        return self._nodes[type(node)](node)

    def constant(self, value: Any) -> str:
        if value is UNDEFINED:
            return "undefined"
        if value is ERROR:
            return "error"
        write = self._constants.get(type(value))
        # what has no text of its own is a computed list or ad that stands in for a constant
        return self.expression(value.as_node()) if write is None else write(value)

    def record(self, attributes: Attributes) -> str:
        inside = "; ".join(
            f"{attribute_name(name)} = {self.expression(node)}"
            for name, node in ordered(attributes)
        )
        return f"[ {inside} ]"

    def list(self, items: tuple[Expression, ...]) -> str:
        return f"{{ {self._joined(items)} }}"

    def _joined(self, items: tuple[Expression, ...]) -> str:
        return ",".join(map(self.expression, items))

    def _reference(self, node: Reference) -> str:
        name = attribute_name(node.name)
        if node.scope is not None:
            return f"{self.expression(node.scope)}.{name}"
        return f".{name}" if node.absolute else name

    def _unary(self, node: Unary) -> str:
        inner = self.expression(node.operand)
        return f"({inner})" if node.operator == "(" else f" {node.operator}{inner}"

    def _binary(self, node: Binary) -> str:
        left, right = self.expression(node.left), self.expression(node.right)
        return f"{left}[{right}]" if node.operator == "[" else f"{left} {node.operator} {right}"

    def _choice(self, node: Choice) -> str:
        condition, otherwise = self.expression(node.condition), self.expression(node.otherwise)
        if node.then is None:
            return f"{condition} ?: {otherwise}"
        return f"{condition} ? {self.expression(node.then)} : {otherwise}"


class _PrettyWriter(_Writer):
    """The new syntax over many lines: brackets of ads stand four columns in, of lists three."""

    def __init__(self) -> None:
        super().__init__(quoted, new_real)
        self._column = 0

    def record(self, attributes: Attributes) -> str:
        return self._enclosed(
            "[",
            4,
            "; ",
            [partial(self._attribute, name, node) for name, node in ordered(attributes)],
            "]",
        )

    def _attribute(self, name: str, node: Expression) -> str:
        return f"{attribute_name(name)} = {self.expression(node)}"

    def list(self, items: tuple[Expression, ...]) -> str:
        return self._enclosed("{", 3, ",", [partial(self.expression, item) for item in items], "}")

    def _enclosed(
        self, opening: str, step: int, sign: str, inside: Sequence[Callable[[], str]], closing: str
    ) -> str:
        pad = "\n" + " " * (self._column + step)
        self._column += 2 * step
        shown = sign.join(f"{pad}{' ' * step}{write()}" for write in inside)
        self._column -= 2 * step
        return f"{pad}{opening}{shown}{pad}{closing}"


def pretty_text(attributes: Attributes) -> str:
    """Write an ad in the new syntax over many lines, as the original's `str` does."""
    return _PrettyWriter().record(attributes)


_NEW, _OLD = _Writer(quoted, new_real), _Writer(old_quoted, old_real)
new_text = _NEW.expression
"""Write an expression in the new syntax, on one line."""
old_text = _OLD.expression
"""Write an expression in the old syntax, as it goes over the wire."""
constant_text = _NEW.constant
"""Write a constant in the new syntax."""


def same(one: Expression, other: Expression) -> bool:
    """Tell whether two expressions are written alike, apart from the case of attribute names."""
    return one is other or new_text(one).lower() == new_text(other).lower()
