"""The content of one object on its way out: stretches of a file, or bytes that were read before.

Where the file has become shorter meanwhile, or cannot be read any further, zeros stand for the
rest, and `missing` says why: what was announced comes in any case.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from plugin.gatherer.protocol.records import Found

NO_LIMIT: Final = -1
"""A share of a file that is all of it."""

Stretch = tuple[int, int]
"""Offset and length of a part of a file."""


def words_of(error: OSError) -> bytes:
    """Give what an error says, for an answer's text."""
    return (error.strerror or str(error)).encode(errors="replace")


def code_of(error: OSError) -> int:
    """Give the errno of an error, never 0."""
    return error.errno or errno.EIO


class Source:
    """An object on the way out; use `taking.take`, then `read_into` until it gives 0, then `close`.

    Attributes:
        found: what it is; `total` bytes will be read from it.
        inode: device and number, by which another name of it is known.
        links: how many names it has.
        missing: why its last `unread` bytes are zeros, once reading has found them gone.
    """

    def __init__(
        self,
        found: Found,
        descriptor: int = -1,
        stretches: tuple[Stretch, ...] = (),
        data: bytes = b"",
    ) -> None:
        self.found = found
        self.inode = (0, 0)
        self.links = 1
        self.unread = 0
        self.missing: tuple[int, bytes] | None = None
        self._descriptor = descriptor
        self._stretches = list(stretches)
        self._data = data
        self._left = found.total

    @property
    def left(self) -> int:
        """Bytes that are still to be read."""
        return self._left

    @property
    def offset(self) -> int:
        """Where in the copy the next bytes belong."""
        if self.found.text and self._stretches:
            return self._stretches[0][0]
        return self.found.total - self._left

    @property
    def extent(self) -> int:
        """Bytes of the whole copy, its holes included."""
        return self.found.size if self.found.text else self.found.total

    def read_into(self, room: memoryview) -> int:
        """Fill as much of `room` as there is content for; give the number of bytes."""
        count = min(len(room), self._left)
        if count and self._descriptor < 0:
            start = self.found.total - self._left
            room[:count] = self._data[start : start + count]
        elif count:
            count = self._read_stretch(room[:count])
        self._left -= count
        return count

    def _read_stretch(self, room: memoryview) -> int:
        offset, length = self._stretches[0]
        part = room[:length]
        try:
            count = os.preadv(self._descriptor, [part], offset) if self.missing is None else 0
            reason = (0, b"the file became shorter while it was read")
        except OSError as error:
            count, reason = 0, (code_of(error), words_of(error))
        if not count:
            count = len(part)
            part[:] = bytes(count)
            self.missing = self.missing or reason
            self.unread += count
        self._advance(count)
        return count

    def _advance(self, count: int) -> None:
        offset, length = self._stretches[0]
        if count == length:
            self._stretches.pop(0)
        else:
            self._stretches[0] = (offset + count, length - count)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
