"""What the worker and its hand share: a piece of memory, and how requests pass between them.

The hand notes here what it touches before it touches it, and puts its answers here. When it has
to be killed, the worker reads from it where it hung and which file was half written.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import tempfile
from collections.abc import Callable, Iterable
from typing import Final

from attrs import Factory, define

from plugin.gatherer.files.tree import Tree
from plugin.gatherer.protocol.records import PIECE

_LENGTH: Final = struct.Struct("<I")
_NOTE_ROOM: Final = 8192
AREA: Final = PIECE + (1 << 16)
"""Bytes of an answer's part; a `pull` fits into one."""

TOUCHED: Final = 0
"""The slot with the path that is being touched."""

PARTIAL: Final = 1
"""The slot with the file that is half written."""


class Board:
    """Two notes and the area for answers, in memory that both processes see."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, 2 * _NOTE_ROOM + AREA)
        self.area = memoryview(self._map)[2 * _NOTE_ROOM :]

    def note(self, slot: int, text: bytes) -> None:
        """Write a note; what is longer than a path can be is cut."""
        text = text[: _NOTE_ROOM - _LENGTH.size]
        at = slot * _NOTE_ROOM
        self._map[at + 4 : at + 4 + len(text)] = text
        _LENGTH.pack_into(self._map, at, len(text))

    def noted(self, slot: int) -> bytes:
        """Read a note."""
        at = slot * _NOTE_ROOM
        length = _LENGTH.unpack_from(self._map, at)[0]
        return self._map[at + 4 : at + 4 + length]


def _unnamed() -> int:
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


@define
class Memory:
    """What the worker keeps from one hand to the next.

    Attributes:
        root: a directory that all paths are meant in, or empty.
        plan: descriptor of an unnamed file: the plan.
        ledger: descriptor of an unnamed file: what `globcp` has copied.
        position: offset in the plan behind what was pulled.
        excluded: what the plan's request excluded.
        stuck: paths that hung, and are passed over.
    """

    root: bytes = b""
    plan: int = Factory(_unnamed)
    ledger: int = Factory(_unnamed)
    position: int = 0
    excluded: tuple[bytes, ...] = ()
    stuck: set[bytes] = Factory(set)


class Reach:
    """What the requests of a hand work with.

    Args:
        memory: as the hands before left it.
        board: shared with the worker.
        tell: passes on a part of an answer, the first so many bytes of the area, and waits until
            it is taken.
        tree: the file system.
    """

    def __init__(
        self, memory: Memory, board: Board, tell: Callable[[int], None], tree: Tree
    ) -> None:
        self.memory = memory
        self.board = board
        self.tree = tree
        self.used = 0
        self._tell = tell

    def say(self, data: bytes) -> None:
        """Add to the answer."""
        view = memoryview(data)
        while len(view) > AREA - self.used:
            room = AREA - self.used
            self.board.area[self.used :] = view[:room]
            self._tell(AREA)
            self.used, view = 0, view[room:]
        self.board.area[self.used : self.used + len(view)] = view
        self.used += len(view)

    def touching(self, path: bytes) -> None:
        """Note which path is touched next."""
        self.board.note(TOUCHED, path)


def pack(values: Iterable[bytes]) -> bytes:
    """Join values, each with its length before it."""
    return b"".join(_LENGTH.pack(len(one)) + one for one in values)


def unpack(body: bytes) -> list[bytes]:
    """Part what `pack` joined."""
    values, at = [], 0
    while at < len(body):
        length = _LENGTH.unpack_from(body, at)[0]
        values.append(body[at + 4 : at + 4 + length])
        at += 4 + length
    return values


def number(text: bytes) -> int:
    """Read a parameter that is a number.

    Raises:
        OSError: it is none (EINVAL).
    """
    if not text.isdigit() or len(text) > 18:
        raise OSError(errno.EINVAL, f"{text[:40].decode(errors='replace')!r} is no number")
    return int(text)


def framed(text: bytes) -> bytes:
    """Give a value with its length before it, as the seed asks for what may not be one line."""
    return b"%d\n%b\n" % (len(text), text)
