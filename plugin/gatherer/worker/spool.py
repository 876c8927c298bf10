"""What a command says, kept until it has ended: in memory while short, then in an unnamed file.

With a limit the last bytes are kept, round and round in the same room.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Final

_IN_MEMORY: Final = 1 << 20
_PIECE: Final = 1 << 18


class Spool:
    """One stream of a command.

    Args:
        most: bytes that are kept, the last ones; 0 for all.
    """

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._memory = bytearray()
        self._file = -1
        self.seen = 0

    @property
    def kept(self) -> int:
        """Bytes that can be had."""
        return min(self.seen, self._most) if self._most else self.seen

    @property
    def left_out(self) -> int:
        """Bytes before them that are gone."""
        return self.seen - self.kept

    def write(self, data: bytes) -> None:
        """Add what the command said."""
        if self._file < 0 and len(self._memory) + len(data) <= min(
            _IN_MEMORY, self._most or _IN_MEMORY
        ):
            self._memory += data
            self.seen += len(data)
            return
        self.to_file()
        self._write_around(memoryview(data))

    def to_file(self) -> int:
        """Move what is kept to an unnamed file; give its descriptor."""
        if self._file < 0:
            with tempfile.TemporaryFile(buffering=0) as file:
                self._file = os.dup(file.fileno())
            earlier, self._memory, self.seen = self._memory, bytearray(), 0
            self._write_around(memoryview(bytes(earlier)))
        return self._file

    def _write_around(self, data: memoryview) -> None:
        if self._most and len(data) > self._most:
            # Only the end of it would be left.
            self.seen += len(data) - self._most
            data = data[-self._most :]
        while data:
            place = self.seen % self._most if self._most else self.seen
            room = self._most - place if self._most else len(data)
            count = os.pwrite(self._file, data[:room], place)
            self.seen += count
            data = data[count:]

    def pieces(self) -> Iterator[bytes]:
        """Give what is kept, from the oldest byte on."""
        if self._file < 0:
            yield bytes(self._memory)
            return
        at, left = (self.seen % self._most if self.left_out else 0), self.kept
        while left:
            room = min(_PIECE, left, (self._most or self.kept) - at)
            data = os.pread(self._file, room, at)
            yield data
            left -= len(data)
            at = (at + len(data)) % (self._most or self.kept)

    def straightened(self) -> int:
        """Give a descriptor of an unnamed file with exactly what is kept, from the beginning."""
        if not self.left_out:
            return self.to_file()
        straight = Spool()
        for piece in self.pieces():
            straight.write(piece)
        self.close()
        self._file = straight.to_file()
        return self._file

    def close(self) -> None:
        """Forget everything."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._memory.clear()
