"""A stream of bytes to JSON values, as qemu-ga's lexer and parser have it; no I/O.

How it works. A complete line of plain JSON, by far the most frequent, goes to Python's parser. What
that does not take, or what comes in pieces, is cut into tokens by regular expressions; a value is
complete when its braces and brackets are balanced. An error gives one `BadJson`, drops the tokens
so far, and skips to the next structural or control character.

Invariants: `_buffer[:_at]` is consumed; `_open` is 0 or how far an unfinished string was searched,
so that a large one that comes in pieces is read once.

Beyond JSON: strings may stand in single quotes, and 0xFF resets (it is never part of UTF-8).
"""

from __future__ import annotations

import re
from typing import Any

from attrs import define, field, frozen

from plugin.guest.qga.values import DEEPEST, NOTHING, Token, Values, Wrong, plain_line

MOST_TOKENS = 2 << 20
MOST_BYTES = 64 << 20
_SPACE = re.compile(rb"[ \t\r\n]+")
_KEYWORD = re.compile(rb"[a-z]+")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_SO_FAR = re.compile(
    rb"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*(?<=[0-9])|\.)?(?:[eE][+-]?[0-9]*)?)?"
)
_RESET = re.compile(rb"[\x00-\x08\x0a-\x1f{}\[\]:,\xfe\xff]")
_STOPS = {quote: re.compile(rb"[\x00-\x1f\\\xfe\xff" + quote + rb"]") for quote in (b'"', b"'")}
_STRUCTURE = b"{}[]:,"


@frozen
class BadJson:
    """What came is no JSON; `text` says why, in qemu-ga's words."""

    text: str


@define
class JsonStream:
    """Takes bytes, gives values. One for each connection."""

    _buffer: bytearray = field(factory=bytearray)
    _at: int = 0
    _open: int = 0
    _skipping: bool = False
    _tokens: list[Token] = field(factory=list)
    _size: int = 0
    _depths: dict[bytes, int] = field(factory=lambda: {b"{": 0, b"[": 0})

    def feed(self, data: bytes) -> list[Any]:
        """Take bytes.

        Args:
            data: any piece of the stream.

        Returns:
            the values that are complete now, and a `BadJson` for each error, in order.
        """
        if not self._buffer and not self._tokens and not self._skipping:
            value = plain_line(data)
            if value is not NOTHING:
                return [value]
        self._buffer += data
        found: list[Any] = []
        while self._step(found):
            pass
        del self._buffer[: self._at]
        self._open = max(0, self._open - self._at)
        self._at = 0
        if len(self._buffer) > MOST_BYTES:
            self._fail("JSON token size limit exceeded", found)
            self._buffer.clear()
        return found

    def _step(self, found: list[Any]) -> bool:
        """Take one token; False where the next one is not complete."""
        if self._skipping and not self._skip():
            return False
        space = _SPACE.match(self._buffer, self._at)
        if space:
            self._at = space.end()
        if self._at == len(self._buffer):
            return False
        first = bytes(self._buffer[self._at : self._at + 1])
        if first in _STRUCTURE:
            return self._take(first, first, found)
        if first in b"\"'":
            return self._string(first, found)
        if first in b"-0123456789":
            return self._number(found)
        word = _KEYWORD.match(self._buffer, self._at)
        if word is None:
            return self._stray(self._at + 1, found)
        return word.end() < len(self._buffer) and self._take(b"k", word[0], found)

    def _skip(self) -> bool:
        reset = _RESET.search(self._buffer, self._at)
        self._at = reset.start() if reset else len(self._buffer)
        self._skipping = reset is None
        return not self._skipping

    def _string(self, quote: bytes, found: list[Any]) -> bool:
        place = max(self._at + 1, self._open)
        while stop := _STOPS[quote].search(self._buffer, place):
            if stop[0] == quote:
                self._open = 0
                return self._take(b"s", bytes(self._buffer[self._at : stop.end()]), found)
            if stop[0] != b"\\":
                return self._stray(stop.end(), found)
            if stop.end() == len(self._buffer):
                self._open = stop.start()
                return False
            if not 0x20 <= self._buffer[stop.end()] <= 0xFD:
                return self._stray(stop.end() + 1, found)
            place = stop.end() + 1
        self._open = len(self._buffer)
        return False

    def _number(self, found: list[Any]) -> bool:
        so_far = _NUMBER_SO_FAR.match(self._buffer, self._at)
        assert so_far is not None
        end = so_far.end()
        if end == len(self._buffer):
            return False
        whole = _NUMBER.fullmatch(so_far[0])
        leading_zero = so_far[0] in (b"0", b"-0") and self._buffer[end : end + 1].isdigit()
        if whole is None or leading_zero:
            return self._stray(end + 1, found)
        return self._take(b"n", so_far[0], found)

    def _stray(self, end: int, found: list[Any]) -> bool:
        raw = bytes(self._buffer[self._at : end]).partition(b"\0")[0]
        self._at = end
        self._fail(f"JSON parse error, stray '{_shown(raw)}'", found)
        return True

    def _fail(self, text: str, found: list[Any]) -> None:
        found.append(BadJson(text))
        self._reset()
        self._skipping = True

    def _reset(self) -> None:
        self._tokens = []
        self._size = self._open = 0
        self._depths = {b"{": 0, b"[": 0}

    def _take(self, kind: bytes, text: bytes, found: list[Any]) -> bool:
        self._at += len(text)
        self._size += len(text)
        self._tokens.append((kind, text))
        if kind in b"{[":
            self._depths[kind] += 1
        elif kind in b"}]":
            self._depths[b"{" if kind == b"}" else b"["] -= 1
        depths = self._depths.values()
        for limit, over in (
            ("token size", self._size > MOST_BYTES),
            ("token count", len(self._tokens) > MOST_TOKENS),
            ("nesting depth", max(depths) > DEEPEST or sum(depths) > DEEPEST),
        ):
            if over:
                self._fail(f"JSON {limit} limit exceeded", found)
                return True
        if max(depths) > 0 and min(depths) >= 0:
            return True
        tokens = self._tokens
        self._reset()
        try:
            found.append(Values(tokens).value())
        except Wrong as error:
            found.append(BadJson(f"JSON parse error, {error}"))
        return True


def _shown(raw: bytes) -> str:
    """Give bytes as qemu-ga puts them into an error: what is no UTF-8 is U+FFFD, byte by byte."""
    return raw.decode("utf-8", "replace")
