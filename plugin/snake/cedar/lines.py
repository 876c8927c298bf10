"""ClassAds to the lines that travel, and what is remembered of them.

Decides what an attribute's line is, which attributes may go in clear, and how much is remembered:
handlers send the same attributes, and the same ads, again and again. Private attributes are never
part of a remembered ad.

Source: reference of CEDAR, section 3.4.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Mapping

from plugin.snake.classads.convert import checked_text
from plugin.snake.classads.nodes import Expression
from plugin.snake.classads.unparse import attribute_name, old_text

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


def ad_lines(entries: Iterable[tuple[str, Expression]]) -> list[bytes]:
    """Write each attribute, with its NUL."""
    return [
        _remembered_line(name, node) if node.short else _line(name, node) for name, node in entries
    ]


_clear_ads: dict[tuple[tuple[str, Expression], ...], bytes] = {}
"""Ads as they were written: nodes never change, so the same ones are the same bytes."""
_CLEAR_ADS = 256


def remembered_ad(entries: Entries) -> bytes:
    """Write an ad as `clear_ad` does, and remember it for the next time if it is short."""
    told = tuple(entries.values())
    written = _clear_ads.get(told)
    if written is None:
        written, count = clear_ad(entries)
        if len(written) <= _SHORT_AD and count == len(told):
            if len(_clear_ads) >= _CLEAR_ADS:
                _clear_ads.clear()
            _clear_ads[told] = written
    return written


def clear_ad(entries: Entries) -> tuple[bytes, int]:
    """Write an ad without its private attributes; gives how many are left, too."""
    lines = ad_lines([entry for key, entry in entries.items() if not is_private(key)])
    return b"".join((_INTEGER.pack(len(lines)), *lines, b"\0\0")), len(lines)


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
