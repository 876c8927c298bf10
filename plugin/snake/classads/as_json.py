"""ClassAds as JSON, both ways.

What JSON has no word for is a string `"\\/Expr(…)\\/"` whose slashes are escaped; a string that
only looks like it is written without the escapes, and so the two stay apart. A text may hold
several ads, one after the other or in an array.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from plugin.snake.classads.convert import expression_of
from plugin.snake.classads.nodes import Attributes, Expression, ListOf, Literal, Record
from plugin.snake.classads.parser import parse_expression
from plugin.snake.classads.unparse import new_text, old_real, ordered
from plugin.snake.classads.values import UNDEFINED, ClassAdException

_BLANKS = re.compile(r"\s*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_EXPRESSION = re.compile(r'"\\/Expr\((.*)\)\\/"', re.DOTALL)
_MARK = "\0"
"""The one member of an object that stands for an expression: no attribute has this name."""


# --- reading ----------------------------------------------------------------------------------


def read_ads(text: str) -> Iterator[Record]:
    """Read every ad of a text.

    Raises:
        ClassAdException: it is no JSON, or something in it can be in no ad.
    """
    marked = _STRING.sub(_marked, text)
    position = _behind(marked, 0)
    while position < len(marked):
        try:
            found, position = _DECODER.raw_decode(marked, position)
        except (ValueError, OverflowError, RecursionError) as error:
            raise ClassAdException(f"no JSON: {error}") from None
        for ad in found if isinstance(found, list) else [found]:
            if not isinstance(ad, Record):
                raise ClassAdException(f"a ClassAd is an object, not {type(ad).__name__}")
            yield ad
        position = _behind(marked, position)


def _behind(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return position if match is None else match.end()


def _marked(string: re.Match[str]) -> str:
    match = _EXPRESSION.fullmatch(string.group())
    return string.group() if match is None else f'{{"\\u0000": "{match.group(1)}"}}'


def _object(pairs: list[tuple[str, Any]]) -> Expression:
    if len(pairs) == 1 and pairs[0][0] == _MARK:
        return parse_expression(str(pairs[0][1]))
    found: dict[str, tuple[str, Expression]] = {}
    for name, value in pairs:
        written = found.get(name.lower(), (name,))[0]
        found[name.lower()] = (written, _node(value))
    return Record(found)


def _node(value: Any) -> Expression:
    if isinstance(value, list):
        return ListOf(tuple(map(_node, value)))
    return value if isinstance(value, Expression) else expression_of(value)


def _no_constant(word: str) -> Any:
    raise ClassAdException(f"{word} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_no_constant, strict=False
)  # the original takes tabs and line ends inside strings, too


# --- writing ----------------------------------------------------------------------------------


def json_text(attributes: Attributes, indent: int = 0) -> str:
    """Write an ad as the original does: two blanks for each level."""
    inside = [f"{_string(name)}: {_text(node, indent + 2)}" for name, node in ordered(attributes)]
    return _enclosed("{", inside, "}", indent)


def _text(node: Expression, indent: int) -> str:
    if isinstance(node, Record):
        return json_text(node.attributes, indent)
    if isinstance(node, ListOf):
        return _enclosed("[", [_text(item, indent + 2) for item in node.items], "]", indent)
    if isinstance(node, Literal):
        value = node.value
        if value is UNDEFINED:
            return "null"
        if type(value) in (bool, int):
            return json.dumps(value)
        if type(value) is str:
            return _string(value)
        if type(value) is float and math.isfinite(value):
            return old_real(value)
    return f'"\\/Expr({_string(new_text(node))[1:-1]})\\/"'


def _enclosed(opening: str, inside: list[str], closing: str, indent: int) -> str:
    pad = "\n" + " " * indent
    return opening + ",".join(f"{pad}  {item}" for item in inside) + pad + closing


def _string(text: str) -> str:
    return _HEX.sub(
        lambda match: match.group().upper().replace("U", "u"), json.dumps(text, ensure_ascii=False)
    )


_HEX = re.compile(r"\\u[0-9a-f]{4}")
