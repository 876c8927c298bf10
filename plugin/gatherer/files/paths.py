"""Which paths may be read: the table of what is never read, and the excluded patterns.

Two kinds of pattern. The table's (`blocked.txt`): `*` stops at a slash and `**` does not. The
requests' excluded patterns are `fnmatch`'s, where `*` crosses slashes. Both cover everything
below a directory that they name, and both are asked about the path as found and as resolved.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_NOTHING = re.compile(rb"(?!)")


def translate(pattern: bytes) -> bytes:
    """Give the regular expression of a pattern in which only `**` crosses slashes."""
    out, at = b"", 0
    while at < len(pattern):
        piece, used = _token(pattern, at)
        out += piece
        at += used
    return out


def _token(pattern: bytes, at: int) -> tuple[bytes, int]:
    if pattern[at : at + 3] == b"**/":
        return rb"(?:[^/]+/)*", 3
    if pattern[at : at + 2] == b"**":
        return rb".*", 2
    one = pattern[at : at + 1]
    if one == b"*":
        return rb"[^/]*", 1
    if one == b"?":
        return rb"[^/]", 1
    if one == b"[":
        return _bracket(pattern, at)
    return re.escape(one), 1


def _bracket(pattern: bytes, at: int) -> tuple[bytes, int]:
    end = pattern.find(b"]", at + 2)
    if end < 0:
        return rb"\[", 1
    inside = pattern[at + 1 : end].replace(b"\\", rb"\\").replace(b"[", rb"\[")
    if inside[:1] in (b"!", b"^"):
        return b"[^/" + inside[1:] + b"]", end + 1 - at
    return b"(?!/)[" + inside + b"]", end + 1 - at


def _any_of(expressions: Iterable[bytes]) -> re.Pattern[bytes]:
    joined = b"|".join(b"(?:" + one + b")" for one in expressions)
    return re.compile(b"(?s:" + joined + rb")(?:/.*)?\Z", re.DOTALL) if joined else _NOTHING


def read_table(text: str) -> tuple[bytes, ...]:
    """Give the patterns of a table file: a line each, blank lines and comments aside."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(os.fsencode(line) for line in lines if line and not line.startswith("#"))


def shipped_table() -> tuple[bytes, ...]:
    """Give the patterns that come with the gatherer."""
    return read_table(Path(__file__).with_name("blocked.txt").read_text(encoding="utf-8"))


class Barred:
    """The paths that are not read: `table` in the table's notation, `excluded` in fnmatch's."""

    def __init__(self, table: Iterable[bytes] = (), excluded: Iterable[bytes] = ()) -> None:
        self._table = _any_of(_covering(one) for one in table)
        self._excluded = _any_of(_fnmatch(one) for one in excluded)

    def reason(self, path: bytes) -> bytes:
        """Say why this path is not read, or nothing when it may be."""
        if self._excluded.match(path):
            return b"excluded"
        return b"blocked" if self._table.match(path) else b""

    def why(self, *paths: bytes) -> bytes:
        """Say why an object known by all these paths is not read, or nothing when it may be."""
        for path in paths:
            reason = self.reason(path)
            if reason:
                return reason
        return b""


def _covering(pattern: bytes) -> bytes:
    # what ends in /** bars what lies below, and leaves the thing itself to be looked at
    below = pattern.endswith(b"/**")
    return translate(pattern.removesuffix(b"/**")) + (b"/.+" if below else b"")


def _fnmatch(pattern: bytes) -> bytes:
    # one character a byte, as fnmatch itself does it; the end mark is ours to set
    text = fnmatch.translate((pattern.rstrip(b"/") or b"/").decode("latin-1"))
    return text[:-2].encode("latin-1")


NOTHING_BARRED: Final = Barred()
"""No patterns."""
