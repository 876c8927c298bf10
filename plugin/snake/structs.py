"""ClassAds and other values as XML-RPC carries them, both ways.

An ad is a struct. What XML-RPC has no type for (an expression that is not computed, UNDEFINED,
ERROR, a moment, a real that is no number, a string that XML cannot carry) is a struct of one
member, `{'_expression': text}`, in the new syntax of ClassAds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from plugin.snake.cedar.errors import PayloadError
from plugin.snake.classads.ad import ClassAd
from plugin.snake.classads.convert import expression_of
from plugin.snake.classads.nodes import Expression, ListOf, Literal, Record
from plugin.snake.classads.parser import parse_expression
from plugin.snake.classads.unparse import new_text
from plugin.snake.classads.values import ClassAdException
from plugin.snake.handlers.formats import is_ad
from plugin.snake.handlers.sentinel import end_of_message

MARK = "_expression"
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def struct_of(node: Expression) -> Any:
    """Give what stands for an expression."""
    if isinstance(node, Record):
        return {name: struct_of(inside) for name, inside in node.attributes.values()}
    if isinstance(node, ListOf):
        return [struct_of(item) for item in node.items]
    if isinstance(node, Literal) and _travels(node.value):
        return node.value
    return {MARK: new_text(node)}


def _travels(value: Any) -> bool:
    if type(value) is str:
        return _NOT_XML.search(value) is None
    return type(value) in (bool, int) or (type(value) is float and math.isfinite(value))


def reply_of(value: Any) -> Any:
    """Give what stands for one item of a handler's reply.

    Raises:
        TypeError, ValueError, OverflowError: it cannot travel.
    """
    if is_ad(value):
        return struct_of(expression_of(value))
    if isinstance(value, (bool, float, str, bytes)):
        return value
    if isinstance(value, int):
        return struct_of(expression_of(value))
    raise TypeError(f"a {type(value).__name__} cannot travel")


def ad_of(struct: Any) -> ClassAd:
    """Make the ad that a struct stands for.

    Raises:
        PayloadError: it stands for none.
    """
    if not isinstance(struct, Mapping):
        raise PayloadError(f"a ClassAd wanted, which is a struct, and not {struct!r:.60}")
    return ClassAd.of(_record(struct).attributes)


def _record(struct: Mapping[str, Any]) -> Record:
    return Record({name.lower(): (name, _expression(value)) for name, value in struct.items()})


def _expression(value: Any) -> Expression:
    if isinstance(value, Mapping):
        if set(value) == {MARK}:
            return _marked(value[MARK])
        return _record(value)
    if isinstance(value, list):
        return ListOf(tuple(map(_expression, value)))
    try:
        return expression_of(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise PayloadError(str(error)) from None


def _marked(text: Any) -> Expression:
    try:
        return parse_expression(str(text))
    except ClassAdException as error:
        raise PayloadError(f"{MARK}: {error}") from None


_WANTED: dict[type, tuple[type, ...]] = {
    bool: (bool, int),
    int: (int,),
    float: (float, int),
    str: (str,),
    bytes: (bytes,),
}


def payload_item(wanted: Any, values: list[Any]) -> Any:
    """Take what one item of a format asks for off a payload.

    Args:
        wanted: an example, a type, or `end_of_message`; see `handlers.formats`.
        values: what is left of the payload; the first is taken.

    Raises:
        PayloadError: it is not there, or another type.
        TypeError: nothing can be read like that.
    """
    if wanted is end_of_message:
        if values:
            raise PayloadError(f"the payload has {len(values)} values more than were asked for")
        return end_of_message
    kind = wanted if isinstance(wanted, type) else type(wanted)
    if kind not in _WANTED and kind.__name__ != "ClassAd":
        raise TypeError(f"{wanted!r} is no format: an example or a type of what can travel")
    if not values:
        raise PayloadError(f"{word(wanted)} wanted, and the payload has no more values")
    value = values.pop(0)
    if kind in _WANTED:
        if not isinstance(value, _WANTED[kind]):
            raise PayloadError(f"{word(wanted)} wanted, and not {value!r:.60}")
        return kind(value)
    ad = ad_of(value)
    return ad if kind is ClassAd else kind(repr(ad))


def word(wanted: Any) -> str:
    """Name what an item of a format asks for."""
    if wanted is end_of_message:
        return "end_of_message"
    return (wanted if isinstance(wanted, type) else type(wanted)).__name__
