"""What qemu-ga's parser makes of the tokens of one value, and of one plain line of JSON; no I/O."""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 250
"""qemu-ga has 1024; this stays below what Python's own parser can."""

_WORDS = {b"null": None, b"true": True, b"false": False}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/", "\\": "\\"}
_ESCAPE = re.compile(r"\\(u.{0,4}|.)", re.S)

Token = tuple[bytes, bytes]
"""Kind ('{', ..., 'k' keyword, 'n' number, 's' string) and text."""


class Wrong(Exception):
    """A value's tokens do not fit; the text says why, in qemu-ga's words."""


NOTHING = object()


def plain_line(data: bytes) -> Any:
    """Give the value of one complete plain line, or NOTHING where the long way is needed."""
    if not (data.startswith(b"{") and data.endswith(b"}\n")) or b"\\" in data:
        return NOTHING
    if not data.isascii() or data.count(b"[") + data.count(b"{") > DEEPEST:
        return NOTHING
    try:
        return _DECODER.decode(data.decode("ascii"))
    except (ValueError, RecursionError):
        return NOTHING


class Values:
    """The tokens of one value to that value."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = iter(tokens)
        self._next: Token | None = next(self._tokens, None)

    def _pop(self) -> Token:
        if self._next is None:
            raise Wrong("premature end of input")
        found, self._next = self._next, next(self._tokens, None)
        return found

    def value(self) -> Any:
        """Give the value that begins here."""
        kind, text = self._pop()
        if kind == b"{":
            return self._object()
        if kind == b"[":
            return self._array()
        if kind == b"s":
            return _unquoted(text)
        if kind == b"n":
            return _number(text)
        if kind != b"k":
            raise Wrong("expecting value")
        if text not in _WORDS:
            raise Wrong(f"invalid keyword '{text.decode()}'")
        return _WORDS[text]

    def _object(self) -> dict[str, Any]:
        members: dict[str, Any] = {}
        if self._peek() == b"}":
            self._pop()
            return members
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise Wrong("key is not a string in object")
            if self._pop()[0] != b":":
                raise Wrong("missing : in object pair")
            value = self.value()
            if key in members:
                raise Wrong("duplicate key")
            members[key] = value
            if self._ends(b"}", "dict"):
                return members

    def _array(self) -> list[Any]:
        values: list[Any] = []
        if self._peek() == b"]":
            self._pop()
            return values
        while True:
            values.append(self.value())
            if self._ends(b"]", "list"):
                return values

    def _peek(self) -> bytes | None:
        return self._next[0] if self._next else None

    def _ends(self, bracket: bytes, name: str) -> bool:
        kind = self._pop()[0]
        if kind not in (bracket, b","):
            raise Wrong(f"expected separator in {name}")
        return kind == bracket


def _unlike(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key")
    return members


def _refuse(word: str) -> Any:
    raise ValueError(word)


def _number(text: bytes | str) -> int | float:
    """An integer of 64 bits, signed or not, and else a double."""
    try:
        number = int(text) if len(text) < 24 else None
    except ValueError:
        number = None
    if number is None or not -(1 << 63) <= number < 1 << 64:
        return float(text)
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unlike, parse_int=_number, parse_constant=_refuse)


def _unquoted(text: bytes) -> str:
    try:
        inner = text[1:-1].decode("utf-8")
    except UnicodeDecodeError:
        # An escape may hide the broken sequence; qemu-ga goes from left to right.
        head = text[1:-1].decode("utf-8", "replace").partition("\ufffd")[0]
        _unescaped(head.removesuffix("\\"))
        why = "invalid escape sequence" if head.endswith("\\") else "invalid UTF-8 sequence"
        raise Wrong(f"{why} in string") from None
    return _unescaped(inner) if "\\" in inner else inner


def _unescaped(text: str) -> str:
    pieces: list[str] = []
    place = 0
    while found := _ESCAPE.search(text, place):
        pieces.append(text[place : found.start()])
        place = found.end()
        escape = found[1]
        if escape[0] != "u":
            pieces.append(_short(escape))
            continue
        unit = _unit(escape)
        low = _ESCAPE.match(text, place) if 0xD800 <= unit < 0xDC00 else None
        if low and low[1][0] == "u" and 0xDC00 <= (second := _unit(low[1])) < 0xE000:
            unit = 0x10000 + ((unit - 0xD800) << 10) + second - 0xDC00
            place = low.end()
        if 0xD800 <= unit < 0xE000:
            raise Wrong(f"\\{escape} is not a valid Unicode character")
        pieces.append(chr(unit))
    pieces.append(text[place:])
    return "".join(pieces)


def _short(escape: str) -> str:
    if escape in "\"'":
        return escape
    if escape not in _ESCAPES:
        raise Wrong("invalid escape sequence in string")
    return _ESCAPES[escape]


def _unit(escape: str) -> int:
    digits = escape[1:]
    if not re.fullmatch("[0-9A-Fa-f]{4}", digits):
        # The closing quote was read as one of the four where the string ends too soon.
        shown = digits if len(digits) == 4 else digits + '"'
        raise Wrong(f"\\u{shown} is not a valid Unicode character")
    return int(digits, 16)
