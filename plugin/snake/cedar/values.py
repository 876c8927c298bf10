r"""Scalars and ClassAds in a message, both ways.

An int is eight bytes, a real two ints, a string its bytes and a NUL (and, in an encrypted
connection, its length before them); an ad is the number of its attributes, a string
`Name = expression` for each, and two strings that nobody reads any more.

Reading is strict: what is not there raises, and is never made up.

Source: reference of CEDAR, sections 3.2 and 3.4.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Mapping

from plugin.snake.cedar.errors import PayloadError
from plugin.snake.cedar.lines import MAX_STRING, Entries, joined_ad, plain_line, remembered_ad
from plugin.snake.classads import old
from plugin.snake.classads.convert import checked_text
from plugin.snake.classads.nodes import Expression
from plugin.snake.classads.values import ClassAdException

_INTEGER = struct.Struct(">q")
_MANTISSA = 0x7FFFFFFF
MAX_ATTRIBUTES = 100_000
"""Attributes of an ad that are read; peers allow ten times more, which takes seconds to read."""
MAX_NEGOTIATED = 100
"""Attributes of an ad that negotiates."""
_SECRET_FOLLOWS = b"ZKM"
_NULL_STRING = b"\xad"


class MessageReader:
    """Takes values out of one whole message, in order.

    Args:
        data: the message.
        sized: strings have their length before them.
    """

    __slots__ = ("_at", "_data", "_sized")

    def __init__(self, data: bytes, sized: bool = False) -> None:
        self._data = data
        self._at = 0
        self._sized = sized

    @property
    def left(self) -> int:
        """How many bytes were not read yet."""
        return len(self._data) - self._at

    def integer(self) -> int:
        """Read an int."""
        try:
            number: int = _INTEGER.unpack_from(self._data, self._at)[0]
        except struct.error:
            raise PayloadError(
                f"an int wanted, and the message ends after {self.left} bytes"
            ) from None
        self._at += 8
        return number

    def real(self) -> float:
        """Read a real; what is lost on the way is CEDAR's."""
        mantissa, exponent = self.integer(), self.integer()
        if not -1100 <= exponent <= 1100 or abs(mantissa) > _MANTISSA + 1:
            raise PayloadError(f"no real has the mantissa {mantissa} and the exponent {exponent}")
        try:
            return math.ldexp(mantissa / _MANTISSA, exponent)
        except OverflowError as error:
            raise PayloadError("a real is out of range") from error

    def raw(self, count: int) -> bytes:
        """Read so many bytes; in an encrypted connection their number stands before them."""
        if self._sized and self.integer() != count:
            raise PayloadError(f"{count} bytes wanted, and another number was sent")
        if self.left < count:
            raise PayloadError(f"{count} bytes wanted, and the message has {self.left} left")
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        """Read all that is left."""
        return self.raw(self.integer_ahead() if self._sized else self.left)

    def integer_ahead(self) -> int:
        """Give the next int without reading it."""
        number = self.integer()
        self._at -= 8
        if number < 0:
            raise PayloadError(f"there cannot be {number} bytes")
        return number

    def string_bytes(self) -> bytes:
        """Read a string, without its NUL."""
        length = self.integer() if self._sized else None
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise PayloadError("a string wanted, and the message ends within it")
        raw = self._data[self._at : end]
        if length is not None and length != len(raw) + 1:
            raise PayloadError(f"a string of {length} bytes has {len(raw) + 1}")
        if len(raw) > MAX_STRING:
            raise PayloadError(f"a string is longer than {MAX_STRING} bytes")
        self._at = end + 1
        return raw

    def text(self) -> str | None:
        """Read a string; None is the string that says it is none."""
        raw = self.string_bytes()
        return None if raw == _NULL_STRING else raw.decode("utf-8", "surrogateescape")

    def ad(self, limit: int = MAX_ATTRIBUTES) -> dict[str, tuple[str, Expression]]:
        """Read an ad.

        Args:
            limit: attributes that it may have.

        Raises:
            PayloadError: it ends too early, or an attribute is none.
        """
        if len(self._data) - self._at <= _WHOLE:
            entries, read = _whole_ad(self._data[self._at :], limit, self._sized)
            self._at += read
            return dict(entries)
        return self._ad(limit)

    def _ad(self, limit: int) -> dict[str, tuple[str, Expression]]:
        lines = self._lines(limit)
        try:
            return old.ad(lines)
        except (ClassAdException, RecursionError) as error:
            raise PayloadError(f"an attribute cannot be read: {error}") from error

    def _lines(self, limit: int) -> list[bytes]:
        """Read the strings of an ad, at most so many, and the two that follow them."""
        count = self.integer()
        if not 0 <= count <= limit or count > self.left:
            raise PayloadError(f"an ad cannot have {count} attributes here")
        if not self._sized:
            rest = self._data[self._at :]
            pieces = rest.split(b"\0", count + 2)
            if len(pieces) < count + 3:
                raise PayloadError("an ad wanted, and the message ends within it")
            short = len(rest) <= MAX_STRING or max(map(len, pieces[:-1])) <= MAX_STRING
            if short and _SECRET_FOLLOWS not in pieces:
                self._at = len(self._data) - len(pieces[-1])
                return pieces[:count]
        lines = [self._attribute_bytes() for _ in range(count)]
        self.string_bytes()
        self.string_bytes()
        return lines

    def _attribute_bytes(self) -> bytes:
        raw = self.string_bytes()
        return self.string_bytes() if raw == _SECRET_FOLLOWS else raw

    def literal_ad(self) -> dict[str, object]:
        """Read an ad that negotiates: at most 100 constants, by lower-cased name."""
        # not remembered as a whole: most hold a number that is used once
        lines = self._lines(MAX_NEGOTIATED)
        try:
            return old.constants(lines, len(self._data) <= _SHORT)
        except (ClassAdException, RecursionError) as error:
            raise PayloadError(f"an attribute cannot be read: {error}") from error

    def end(self) -> None:
        """Read the end of the message.

        Raises:
            PayloadError: something is left.
        """
        if self.left:
            raise PayloadError(f"the message has {self.left} bytes more than were asked for")


_SHORT = 1024
"""Bytes of a message whose negotiation is remembered line by line."""
_WHOLE = 512
"""Bytes of an ad that is remembered as it was read."""


@functools.lru_cache(maxsize=1024)
def _whole_ad(data: bytes, limit: int, sized: bool) -> tuple[Entries, int]:
    """Read an ad that short bytes begin with; tools send the same queries all the time."""
    reader = MessageReader(data, sized)
    entries = reader._ad(limit)
    return entries, len(data) - reader.left


class MessageWriter:
    """Gathers values for a message.

    Args:
        sized: strings get their length before them, and private attributes may go.

    Attributes:
        gathered: the bytes so far.
    """

    __slots__ = ("_sized", "gathered")

    def __init__(self, sized: bool = False) -> None:
        self.gathered = bytearray()
        self._sized = sized

    def take(self) -> bytes:
        """Give what was gathered, and begin anew."""
        gathered = bytes(self.gathered)
        self.gathered.clear()
        return gathered

    def rollback(self, size: int) -> None:
        """Forget what was gathered after so many bytes."""
        del self.gathered[size:]

    def integer(self, number: int) -> None:
        """Write an int; OverflowError if it needs more than 64 bits."""
        try:
            self.gathered += _INTEGER.pack(number)
        except struct.error:
            raise OverflowError("an int of more than 64 bits cannot travel") from None

    def real(self, number: float) -> None:
        """Write a real; ValueError if it is no finite one."""
        if not math.isfinite(number):
            raise ValueError(f"CEDAR has no way to write the real {number}")
        mantissa, exponent = math.frexp(number)
        self.gathered += _INTEGER.pack(int(mantissa * _MANTISSA)) + _INTEGER.pack(exponent)

    def raw(self, data: bytes) -> None:
        """Write bytes."""
        self.gathered += _INTEGER.pack(len(data)) + data if self._sized else data

    def text(self, text: str) -> None:
        """Write a string; ValueError if it has a NUL or is too long."""
        raw = checked_text(text).encode("utf-8", "surrogateescape") + b"\0"
        if len(raw) > MAX_STRING:
            raise ValueError(f"a string of {len(raw)} bytes is over the {MAX_STRING} allowed")
        self.gathered += _INTEGER.pack(len(raw)) + raw if self._sized else raw

    def ad(self, entries: Entries) -> None:
        """Write an ad; private attributes stay here unless the connection is encrypted."""
        self.gathered += remembered_ad(entries, self._sized)

    def python_ad(self, values: Mapping[str, bool | int | str]) -> None:
        """Write an ad of plain values under plain names, as negotiation does."""
        self.lines([plain_line(name, value) for name, value in values.items()])

    def lines(self, lines: list[bytes]) -> None:
        """Write an ad of these lines, each with its NUL."""
        self.gathered += joined_ad(lines, self._sized)
