"""Values to XML-RPC text.

It decides how each Python type of PROTOCOL section 2 is written, and that everything else is an
`UnsupportedValue` naming the path to it. It knows no envelopes: `xmlrpc` puts those around.

How it works: scalars are found by their exact type in a table of functions that give the text;
containers, subclasses and other mappings go the longer way through `_write_other`. Texts are
appended to one list. The path is not carried along: it is put together while an error passes
outward, so that values that are in order pay nothing for it.

Invariants:
- Nothing is given out before everything is written.
- What is written here the scanner reads; `<nil/>` and a time's fraction are found in it by search,
  because no string can look like an element.
- Depth is bounded, so a list that holds itself is an error and not the end of the stack.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from math import isfinite
from reprlib import repr as quote
from typing import Any

from co2.errors import UnsupportedValue
from co2.model.calls import Encoded
from co2.wire.dates import write_time
from co2.wire.limits import DEFAULT_LIMITS
from co2.wire.values import GREATEST_I8, GREATEST_INT, LEAST_I8, LEAST_INT
from co2.wire.writing import Unwritable, escape

MOST_DEPTH = DEFAULT_LIMITS.max_depth
"""Levels of arrays and structs in one document; every co2 host refuses more."""

_Append = Callable[[str], None]
_Scalars = dict[type, Callable[[Any], str]]


def write_value(value: Any, path: str, fine_times: bool, levels: int = MOST_DEPTH) -> str:
    """Give a value's `<value>…</value>`.

    Args:
        value: anything of the table in PROTOCOL section 2, or holding `Encoded` ones.
        path: what errors call the value; "" if only its members have names.
        fine_times: whether microseconds are written; `Encoded` values are written as they are.
        levels: how many arrays and structs may be open inside each other.

    Raises:
        UnsupportedValue: naming the path and what is wrong there.
    """
    texts: list[str] = []
    try:
        _write(value, texts.append, _FINE if fine_times else _PLAIN, levels)
    except Unwritable as error:
        raise unsupported(error, path) from None
    return "".join(texts)


def write_members(struct: Mapping[str, Any], path: str, fine_times: bool) -> str:
    """Give a struct's `<member>…</member>` elements, without the tags around them.

    Raises:
        UnsupportedValue: as for `write_value`.
    """
    texts: list[str] = []
    try:
        _write_members(struct, texts.append, _FINE if fine_times else _PLAIN, MOST_DEPTH - 1)
    except Unwritable as error:
        raise unsupported(error, path) from None
    return "".join(texts)


def unsupported(error: Unwritable, path: str) -> UnsupportedValue:
    """Give the error that the caller sees, with the whole path to the place."""
    steps = path + "".join(reversed(error.steps))
    steps = steps.removeprefix(".") or "the value"
    if len(steps) > 200:
        steps = f"{steps[:120]}…{steps[-60:]}"
    return UnsupportedValue(f"{steps}: {error}")


def _write(value: Any, append: _Append, scalars: _Scalars, levels: int) -> None:
    scalar = scalars.get(type(value))
    if scalar is not None:
        append(scalar(value))
    else:
        _write_other(value, append, scalars, levels)


def _write_array(items: Iterable[Any], append: _Append, scalars: _Scalars, levels: int) -> None:
    if levels < 0:
        raise _too_deep()
    append("<value><array><data>")
    item: Any = None
    try:
        for item in items:
            scalar = scalars.get(type(item))
            if scalar is not None:
                append(scalar(item))
            else:
                _write_other(item, append, scalars, levels)
    except Unwritable as error:
        # An object that cannot be written fails where it stands first.
        error.steps.append(f"[{[each is item for each in items].index(True)}]")
        raise
    append("</data></array></value>")


def _write_members(
    struct: Mapping[str, Any], append: _Append, scalars: _Scalars, levels: int
) -> None:
    if levels < 0:
        raise _too_deep()
    name: Any = None
    try:
        for name, item in struct.items():
            # Every identifier is legal in XML and needs no escaping, and most names are one.
            plain = type(name) is str and name.isidentifier()
            written = name if plain else _write_name(name)
            scalar = scalars.get(type(item))
            if scalar is not None:
                append(f"<member><name>{written}</name>{scalar(item)}</member>")
            else:
                append(f"<member><name>{written}</name>")
                _write_other(item, append, scalars, levels)
                append("</member>")
    except Unwritable as error:
        error.steps.append(f".{name}" if isinstance(name, str) else f"[{quote(name)}]")
        raise


def _write_other(value: Any, append: _Append, scalars: _Scalars, levels: int) -> None:
    """Write what has no entry in the table: a container, or a subclass of something."""
    if isinstance(value, (list, tuple)) and not isinstance(value, Encoded):
        _write_array(value, append, scalars, levels - 1)
    elif isinstance(value, (dict, Mapping)):  # the exact type first: asking an ABC takes time
        append("<value><struct>")
        _write_members(value, append, scalars, levels - 1)
        append("</struct></value>")
    else:
        append(_write_subclass(value, scalars))


def _too_deep() -> Unwritable:
    return Unwritable(f"nested deeper than {MOST_DEPTH} arrays and structs, or within itself")


def _write_subclass(value: Any, scalars: _Scalars) -> str:
    """Write an instance of a subclass (an IntEnum, a str of one's own) as the type it extends."""
    for kind, plain in _EXACT.items():
        if isinstance(value, kind):
            return scalars[kind](plain(value))
    raise Unwritable(f"{type(value).__name__} is none of the types that XML-RPC carries")


def _write_name(name: object) -> str:
    if type(name) is not str:
        if not isinstance(name, str):
            raise Unwritable(f"the name of a member is a str, not {type(name).__name__}")
        name = str.__str__(name)
    return escape(name)


def _write_str(value: str) -> str:
    # What is printable is legal, and for short texts asking is cheaper than a search.
    if len(value) > 100 or not value.isprintable() or "&" in value or "<" in value or ">" in value:
        value = escape(value)
    return f"<value><string>{value}</string></value>"


def _write_int(value: int) -> str:
    if LEAST_INT <= value <= GREATEST_INT:
        return f"<value><int>{value}</int></value>"
    if LEAST_I8 <= value <= GREATEST_I8:
        return f"<value><i8>{value}</i8></value>"
    raise Unwritable("an int that does not fit into 64 bits; send it as a str")


def _write_bool(value: bool) -> str:
    return "<value><boolean>1</boolean></value>" if value else "<value><boolean>0</boolean></value>"


def _write_float(value: float) -> str:
    """Write the shortest digits that give the same float again, never with an exponent.

    The specification has none, and parsers written by its letter stop at the `e`. Moving the point
    instead costs up to 324 digits and loses nothing.
    """
    text = repr(value)
    if "e" in text or "n" in text:
        if not isfinite(value):
            raise Unwritable(f"{text} is no number that XML-RPC carries")
        text = format(Decimal(text), "f")
        if "." not in text:
            text += ".0"
    return f"<value><double>{text}</double></value>"


def _write_bytes(value: bytes | bytearray) -> str:
    return f"<value><base64>{b64encode(value).decode('ascii')}</base64></value>"


def _write_nil(_: None) -> str:
    return "<value><nil/></value>"


def _write_plain_time(value: datetime) -> str:
    return _write_time(value, False)


def _write_fine_time(value: datetime) -> str:
    return _write_time(value, True)


def _write_time(value: datetime, fine: bool) -> str:
    try:
        text = write_time(value, fine)
    except ValueError as error:
        raise Unwritable(str(error)) from None
    return f"<value><dateTime.iso8601>{text}</dateTime.iso8601></value>"


def _write_encoded(value: Encoded) -> str:
    return value.xml.decode()


_FINE: _Scalars = {
    str: _write_str,
    int: _write_int,
    float: _write_float,
    bool: _write_bool,
    bytes: _write_bytes,
    bytearray: _write_bytes,
    type(None): _write_nil,
    datetime: _write_fine_time,
    Encoded: _write_encoded,
}
_PLAIN: _Scalars = {**_FINE, datetime: _write_plain_time}

_EXACT: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__index__,
    float: float.__float__,
    bytes: bytes,
    bytearray: bytes,
    datetime: lambda moment: moment,
    Encoded: lambda encoded: encoded,
}
"""Type to what makes a plain one of a subclass's instance, past whatever the subclass overrides."""
