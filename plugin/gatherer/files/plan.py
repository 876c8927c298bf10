"""What a pattern brings: the objects, in order, and how much of each may be taken.

How it works. What `walk` finds is written into an unnamed temporary file, one entry an object, so
that memory does not grow with the number of objects, and so that another process can go on where
the first one was killed; then the limit is divided.

The limit is divided fairly: small files are whole, and what the others may have is cut at one
level, so that the sum is the limit. (Counted from the smallest file on: share = what is left /
files left.) Files go newest first, so that an interrupted transfer has brought the newest. What
counts are the bytes on the disk, not the holes.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from typing import Final

from plugin.gatherer.files.source import NO_LIMIT
from plugin.gatherer.files.walk import Item

_START: Final = struct.Struct("<q")  # where the order begins, 0 for the order of the walk
_ENTRY: Final = struct.Struct("<HHi")  # lengths of path and real path, code
_ORDER: Final = struct.Struct("<qq")  # where the entry is, its share


def level(sizes: array[int], limit: int) -> int:
    """Give the size at which files are cut so that their sum is the limit; -1 for not at all."""
    if sum(sizes) <= limit:
        return NO_LIMIT
    left, count = limit, len(sizes)
    for size in sorted(sizes):
        if size * count > left:
            return left // count
        left, count = left - size, count - 1
    return NO_LIMIT


class Plan:
    """The objects of one pattern, kept in a file.

    The file holds the entries in the order of the walk and, where there is a limit, behind them
    the order in which they are taken, each with its share. In memory there are three numbers for
    each file while the plan is made, and nothing afterwards.

    Args:
        spool: descriptor of an unnamed file, shared with who goes on after a kill.
    """

    def __init__(self, spool: int) -> None:
        self._spool = spool

    def write(self, items: Iterator[Item], limit: int) -> int:
        """Write the plan; give the number of objects.

        Args:
            items: what `Walk.objects` gives; sized when there is a limit.
            limit: bytes in total, 0 for no limit.
        """
        os.ftruncate(self._spool, 0)
        files, others = _Columns(), array("q")
        with os.fdopen(os.dup(self._spool), "r+b") as out:
            out.seek(_START.size)
            at, count = _START.size, 0
            for item in items:
                count += 1
                if limit and item.regular:
                    files.add(at, item)
                elif limit:
                    others.append(at)
                at += out.write(_entry(item))
            if limit:
                out.writelines(_ORDER.pack(*row) for row in files.order(others, limit))
            out.seek(0)
            out.write(_START.pack(at if limit else 0))
        return count

    def read(self, position: int) -> Iterator[tuple[int, Item, int]]:
        """Give (position behind it, object, share), from a position on; 0 is the beginning."""
        with os.fdopen(os.dup(self._spool), "rb") as spool:
            spool.seek(0)
            start = spool.read(_START.size)
            order = _START.unpack(start)[0] if start else 0
            if order:
                yield from self._ordered(position or order)
                return
            at = position or _START.size
            spool.seek(at)
            while head := spool.read(_ENTRY.size):
                rest = spool.read(_rest(head))
                at += len(head) + len(rest)
                yield at, _read(head, rest), NO_LIMIT

    def _ordered(self, at: int) -> Iterator[tuple[int, Item, int]]:
        while rows := os.pread(self._spool, _ORDER.size * 256, at):
            for offset, share in _ORDER.iter_unpack(rows):
                head = os.pread(self._spool, _ENTRY.size, offset)
                rest = os.pread(self._spool, _rest(head), offset + _ENTRY.size)
                at += _ORDER.size
                yield at, _read(head, rest), share


class _Columns:
    """Where the entries of regular files are, how large and how old they are."""

    def __init__(self) -> None:
        self._at, self._sizes, self._times = array("q"), array("q"), array("q")

    def add(self, at: int, item: Item) -> None:
        self._at.append(at)
        self._sizes.append(item.size)
        self._times.append(item.mtime)

    def order(self, others: array[int], limit: int) -> Iterator[tuple[int, int]]:
        """Give (offset, share) of what is no file, and then of the files, newest first."""
        cut = level(self._sizes, limit)
        spare = limit - sum(self._sizes if cut < 0 else (min(one, cut) for one in self._sizes))
        for at in others:
            yield at, limit
        for index in sorted(range(len(self._at)), key=self._times.__getitem__, reverse=True):
            size = self._sizes[index]
            if cut < 0:
                # it may have grown meanwhile, or hold something though it announces nothing
                yield self._at[index], size + spare
                continue
            more = 1 if cut < size and spare else 0
            spare -= more
            yield self._at[index], cut + more


def _entry(item: Item) -> bytes:
    where = b"" if item.real == item.path else item.real
    flags = len(where) | (0x8000 if item.regular else 0)
    return _ENTRY.pack(len(item.path), flags, item.code) + item.path + where


def _rest(head: bytes) -> int:
    path, flags, _ = _ENTRY.unpack(head)
    return int(path + (flags & 0x7FFF))


def _read(head: bytes, rest: bytes) -> Item:
    path, flags, code = _ENTRY.unpack(head)
    return Item(rest[:path], rest[path:] or rest, code, regular=bool(flags & 0x8000))
