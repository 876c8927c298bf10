"""ClassAds to the lines that travel, and what is remembered of them.

Decides what an attribute's line is, which attributes may go in clear, and how much is remembered:
handlers send the same attributes, and the same ads, again and again. Private attributes are never
part of a remembered ad.

Source: reference of CEDAR, section 3.4.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping

from plugin.snake.classads.convert import checked_text
from plugin.snake.classads.nodes import Expression
from plugin.snake.classads.unparse import attribute_name, old_quoted, old_text

Entries = Mapping[str, tuple[str, Expression]]

MAX_STRING = 10 * 1024 * 1024
"""Bytes of a string that any CEDAR peer reads."""
_INTEGER = struct.Struct(">q")
_SHORT_AD = 4096
"""Bytes of an ad that is remembered as it was written."""
_PRIVATE = frozenset(
    {"claimid", "claimids", "claimidlist", "childclaimids", "capability", "transferkey"}
)


@functools.lru_cache(maxsize=4096)
def is_private(key: str) -> bool:
    """Tell whether an attribute (lower-cased) may travel only where it is encrypted."""
    return key in _PRIVATE or key.startswith("_condor_priv")


_written: dict[tuple[bool, tuple[tuple[str, Expression], ...]], bytes] = {}
"""Ads as they were written: nodes never change, so the same ones are the same bytes."""
_MOST_WRITTEN = 256


def remembered_ad(entries: Entries, sized: bool) -> bytes:
    """Write an ad, and remember it for the next time if it is short and has no secrets.

    Args:
        entries: its attributes; private ones are left out of an ad that is not sized.
        sized: the connection is encrypted, and strings have their length before them.
    """
    told = sized, tuple(entries.values())
    written = _written.get(told)
    if written is None:
        public = [entry for key, entry in entries.items() if not is_private(key)]
        chosen = entries.values() if sized else public
        lines = [
            _remembered_line(name, node) if node.short else _line(name, node)
            for name, node in chosen
        ]
        written = joined_ad(lines, sized)
        if len(written) <= _SHORT_AD and len(public) == len(entries):
            if len(_written) >= _MOST_WRITTEN:
                _written.clear()
            _written[told] = written
    return written


def joined_ad(lines: list[bytes], sized: bool) -> bytes:
    """Give the bytes of an ad that has these lines."""
    strings = (*lines, b"\0", b"\0")
    if sized:
        strings = tuple([_INTEGER.pack(len(line)) + line for line in strings])
    return _INTEGER.pack(len(lines)) + b"".join(strings)


# negotiation says the same again and again; True and 1 are the same key unless it is typed
@functools.lru_cache(maxsize=256, typed=True)
def plain_line(name: str, value: bool | int | str) -> bytes:
    """Write an attribute of a plain value, with its NUL; the name needs no quotes."""
    if isinstance(value, str):
        return f"{name} = {old_quoted(checked_text(value))}\0".encode()
    return f"{name} = {str(value).lower()}\0".encode()


def _line(name: str, expression: Expression) -> bytes:
    """Write `Name = expression`."""
    return _checked_line(f"{attribute_name(name)} = {old_text(expression)}")


# handlers say the same again and again, and short constants are shared
_remembered_line = functools.lru_cache(maxsize=16384)(_line)


def _checked_line(text: str) -> bytes:
    raw = checked_text(text).encode("utf-8", "surrogateescape") + b"\0"
    if len(raw) > MAX_STRING:
        raise ValueError(f"an attribute of {len(raw)} bytes is over the {MAX_STRING} allowed")
    return raw
