"""The old syntax, line by line: how ads travel and how they stand in files.

`attribute` reads one `Name = expression`, and remembers short ones: clients send the same lines
again and again, and parsing them is most of the work of reading an ad.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from plugin.snake.classads.lexer import Allowance, old_to_new, unescaped
from plugin.snake.classads.nodes import Expression, Literal
from plugin.snake.classads.parser import parse_expression
from plugin.snake.classads.values import ClassAdException

_LINE = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_.]*)|'((?:[^'\\]|\\.)+)')\s*=(?![=?!])", re.DOTALL)
_SIMPLE = re.compile(r'([A-Za-z_][A-Za-z0-9_]*) = (?:"([^"\\]*)"|(-?[0-9]{1,18}))')
"""What most attributes are: a string without anything to escape, or an int."""
MAX_WORDS = 200_000
"""Words and signs in all expressions of an ad that a stranger sent; half a second's work."""
_CHARACTERS = 16
"""Bytes of a line that are as much work as a word, whatever stands there."""
_REMEMBERED = 256
"""Longer lines, in bytes, are read anew each time, which bounds what is remembered."""


def attribute(line: bytes) -> tuple[str, str, Expression]:
    """Read `Name = expression`, in UTF-8.

    Returns:
        the lower-cased name, the name, the expression, which may be shared.

    Raises:
        ClassAdException: it is no such thing.
    """
    return _remembered(line) if len(line) <= _REMEMBERED else _attribute(line)


def _attribute(raw: bytes, allowance: Allowance | None = None) -> tuple[str, str, Expression]:
    line = raw.decode("utf-8", "surrogateescape")
    match = _SIMPLE.fullmatch(line)
    if match is not None:
        name, text, number = match.groups()
        value = int(number) if text is None else text
        return name.lower(), name, Literal(value, len(raw) <= _REMEMBERED)
    match = _LINE.match(line)
    if match is None:
        raise ClassAdException(f"no attribute: {line[:60]!r}")
    name = match.group(1) or unescaped(match.group(2))
    if allowance is not None:
        allowance.spend(len(raw) // _CHARACTERS)
    return name.lower(), name, parse_expression(old_to_new(line[match.end() :]), allowance)


_remembered = functools.lru_cache(maxsize=8192)(_attribute)


def ad(lines: list[bytes]) -> dict[str, tuple[str, Expression]]:
    """Read the lines of an ad that a stranger sent; `MAX_WORDS` bounds it as a whole.

    Raises:
        ClassAdException: there is another line, or they are too long.
    """
    found: dict[str, tuple[str, Expression]] = {}
    allowance = Allowance(MAX_WORDS)
    for line in lines:
        if len(line) > _REMEMBERED:
            key, name, expression = _attribute(line, allowance)
        else:
            key, name, expression = _remembered(line)
            if type(expression) is not Literal:
                # whether it was remembered or read; a word may be of one character
                allowance.spend(len(line) // 2)
        found[key] = name, expression
    return found


def constants(lines: list[bytes], remember: bool) -> dict[str, Any]:
    """Read lines that may hold nothing but constants.

    Args:
        lines: `Name = constant`.
        remember: they are short, and may come again.

    Returns:
        their values by lower-cased name.

    Raises:
        ClassAdException: there is another line.
    """
    if remember:
        return dict(map(_remembered_constant, lines))
    allowance = Allowance()
    return dict(_constant(line, allowance) for line in lines)


def _constant(line: bytes, allowance: Allowance | None = None) -> tuple[str, Any]:
    key, name, expression = _attribute(line, allowance)
    if type(expression) is not Literal:
        raise ClassAdException(f"{name} is no constant, and this ad may hold nothing else")
    return key, expression.value


_remembered_constant = functools.lru_cache(maxsize=2048)(_constant)


def attributes(lines: Iterator[str]) -> dict[str, tuple[str, Expression]]:
    """Read lines up to the first blank one; those that begin with `#` are comments."""
    found: dict[str, tuple[str, Expression]] = {}
    for line in lines:
        if not line.strip():
            if found:
                break
            continue
        if not line.lstrip().startswith("#"):
            key, name, expression = attribute(line.encode("utf-8", "surrogateescape"))
            found[key] = (found[key][0] if key in found else name, expression)
    return found
