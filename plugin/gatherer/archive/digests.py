"""Which names were seen, in a few bytes each: an archive may have millions of members.

A name is remembered by 64 bits of its hash, which is keyed anew in every process (PEP 456), in a
table with open addressing. Two names out of a million are taken for one with a chance of one in
tens of millions.
"""

from __future__ import annotations

from array import array
from typing import Final

_MASK: Final = (1 << 64) - 1
_FIRST: Final = 1 << 10


class Digests:
    """A set of names that can only grow."""

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * _FIRST))
        self._count = 0

    def __contains__(self, name: bytes) -> bool:
        return self._table[self._place(_digest(name))] != 0

    def add(self, name: bytes) -> None:
        """Take in a name."""
        digest = _digest(name)
        place = self._place(digest)
        if self._table[place]:
            return
        self._table[place] = digest
        self._count += 1
        if self._count * 3 > len(self._table) * 2:
            self._grow()

    def _place(self, digest: int) -> int:
        table, mask = self._table, len(self._table) - 1
        place = digest & mask
        while table[place] and table[place] != digest:
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        before = self._table
        self._table = array("Q", bytes(16 * len(before)))
        for digest in before:
            if digest:
                self._table[self._place(digest)] = digest


def _digest(name: bytes) -> int:
    return (hash(name) & _MASK) or 1
