r"""Text of the new ClassAd syntax -> tokens.

Decides what a token is and what a string's escapes mean; the grammar is `parser`. The old syntax
differs only in its strings: `old_to_new` rewrites those, so that there is one lexer.
Numbers that do not fit 64 bits are refused: the original reads them as 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from plugin.snake.classads.values import INTEGER_MAX, ClassAdException

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|//[^\n]*(?:\n|\Z)|/\*.*?\*/)+)
    |(?P<real>(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
    |(?P<integer>\d+)
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<quoted>'(?:[^'\\]|\\.)*')
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<operator>=\?=|=!=|>>>|\?:|==|!=|<=|>=|&&|\|\||<<|>>|[-+*/%!~<>&|^?:=.,;()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\([0-3]?[0-7]{1,2}|.)", re.DOTALL)
_OCTALS = re.compile(r"(?:\\[0-3]?[0-7]{1,2})+")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}


MAX_TOKENS = 100_000
"""Words and signs of one expression or ad that are still read; about half a second's work."""


class Token(NamedTuple):
    """One token: its kind (the group's name above, or `end`), text, and where it stands."""

    kind: str
    text: str
    start: int
    end: int


class Allowance:
    """How many words and signs may still be read, of one text or of several together."""

    __slots__ = ("_left", "_most")

    def __init__(self, most: int = MAX_TOKENS) -> None:
        self._left = self._most = most

    def spend(self, words: int = 1) -> None:
        """Count some; ClassAdException if those are too many."""
        self._left -= words
        if self._left < 0:
            raise ClassAdException(f"longer than {self._most} words and signs")


def tokens(text: str, start: int = 0, allowance: Allowance | None = None) -> Iterator[Token]:
    """Split a text into tokens, the last of which has the kind `end` and is repeated for ever.

    Raises:
        ClassAdException: at a character that begins no token, or after all that is allowed.
    """
    position, allowance = start, allowance or Allowance()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ClassAdException(
                f"no token begins at character {position}: {text[position : position + 20]!r}"
            )
        if match.lastgroup != "space":
            _refuse_joined(text, match)
            allowance.spend()
            yield Token(str(match.lastgroup), match.group(), position, match.end())
        position = match.end()
    while True:
        yield Token("end", "", position, position)


def _refuse_joined(text: str, match: re.Match[str]) -> None:
    follower = text[match.end() : match.end() + 1]
    joined = follower.isalnum() or follower == "_"
    if (match.lastgroup == "real" and joined) or (
        match.lastgroup == "integer" and (joined or follower == ".")
    ):
        end = match.end() + 1
        raise ClassAdException(f"{text[match.start() : end]!r} at {match.start()} is no number")


def integer_of(text: str) -> int:
    """Read decimal digits.

    Raises:
        ClassAdException: the number needs more than 64 bits.
    """
    number = int(text) if len(text) < 4000 else INTEGER_MAX + 2
    if number > INTEGER_MAX + 1:
        raise ClassAdException(f"the integer {text[:24]} does not fit 64 bits")
    return number


def unescaped(body: str) -> str:
    """Give the characters that the inside of a quoted string stands for.

    Octal escapes are bytes of UTF-8, as the unparser writes characters outside ASCII.
    """
    if "\\" not in body:
        return body
    joined = _OCTALS.sub(_from_octals, body.replace("\\\\", "\\\0"))
    return _ESCAPE.sub(lambda match: _letter(match.group(1)), joined)


def _letter(letter: str) -> str:
    return "\\" if letter == "\0" else _LETTERS.get(letter, letter)


def _from_octals(match: re.Match[str]) -> str:
    raw = bytes(int(part, 8) for part in match.group().split("\\")[1:])
    if b"\0" in raw:
        raise ClassAdException("a string cannot hold the character NUL")
    return raw.decode("utf-8", "surrogateescape").replace("\\", "\\\0")


def old_to_new(text: str) -> str:
    r"""Rewrite an expression of the old syntax so that `tokens` reads its strings right.

    In the old syntax only `\"` is an escape, and a backslash before the quote that is the last
    thing in the text is an ordinary one.
    """
    if "\\" not in text:
        return text
    pieces: list[str] = []
    last = len(text.rstrip()) - 1
    inside = escaped = ""
    for position, character in enumerate(text):
        follower = text[position + 1 : position + 2]
        if escaped:
            escaped = ""
        elif character == "\\" and inside != "'" and not (follower == '"' and position + 1 < last):
            pieces.append("\\")
        elif character == "\\":
            escaped = follower
        elif character in ("'", '"') and inside in ("", character):
            inside = "" if inside else character
        pieces.append(character)
    return "".join(pieces)
