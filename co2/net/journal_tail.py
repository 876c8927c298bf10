"""The newest entries of a journal, in memory: nearly every courier reads there.

Bounded by count and bytes; one that lags behind it reads from the file.
"""

from __future__ import annotations

from bisect import bisect_right

from co2.model.messages import Entry

_MOST_ENTRIES = 4096
_MOST_BYTES = 16 * 1024 * 1024


class Tail:
    """Entries in the order of their numbers."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, entry: Entry) -> None:
        """Take the newest one; a quarter of the others goes when there are too many."""
        self._entries.append(entry)
        self._bytes += entry.size
        if len(self._entries) > _MOST_ENTRIES or self._bytes > _MOST_BYTES:
            self._drop(max(1, len(self._entries) // 4))

    def read(self, after: int, most: int) -> list[Entry] | None:
        """Give up to `most` entries above a number, or None if some of them may not be here."""
        if not self._entries or after + 1 < self._entries[0].seq:
            return None
        index = bisect_right(self._entries, after, key=_seq)
        return self._entries[index : index + most]

    def forget(self, upto: int) -> None:
        """Drop entries up to a number."""
        self._drop(bisect_right(self._entries, upto, key=_seq))

    def _drop(self, count: int) -> None:
        self._bytes -= sum(entry.size for entry in self._entries[:count])
        del self._entries[:count]


def _seq(entry: Entry) -> int:
    return entry.seq
