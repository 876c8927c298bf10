"""What leaves a journal on disk, and when: too old, too many, too much.

An entry that leaves undelivered leaves its row behind without the message, so that its receipt can
say `expired`; such rows go when the same age has passed once more. Retained values stay for who
comes later, until a newer one replaces them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define

from co2.errors import JournalFailed
from co2.model.settings import Retention
from co2.net.journal_age import Age
from co2.net.journal_file import JournalFile
from co2.net.journal_ledger import told
from co2.net.journal_writer import Statement

LIVE = "FROM entry WHERE journal = ? AND xml IS NOT NULL"
"""The rows of a journal that still hold their message."""

_NOT_RETAINED = "AND seq NOT IN (SELECT seq FROM retained)"
_CLEAN_EVERY = 60.0
"""Seconds between two times that what is left of old messages is looked for."""


@define
class Extent:
    """What a journal holds.

    Attributes:
        count: messages, `size` their bytes.
        last: the highest number that was committed.
        floor: retention has let go of everything up to this number.
        first: no lower number can be read.
    """

    count: int
    size: int
    last: int
    floor: int
    first: int

    @classmethod
    def load(cls, file: JournalFile, name: str) -> Extent:
        """Find out from the file.

        Raises:
            JournalFailed: it cannot be read.
        """
        ((count, size),) = file.rows(f"SELECT count(*), coalesce(sum(length(xml)), 0) {LIVE}", name)
        ((last,),) = file.rows(
            "SELECT max(coalesce((SELECT max(seq) FROM entry WHERE journal = ?), 0), "
            "coalesce((SELECT seq FROM last WHERE journal = ?), 0))",
            name,
            name,
        )
        floors = file.rows("SELECT value FROM about WHERE name = ?", f"{name} floor")
        floor = int(floors[0][0]) if floors else 0
        # Retained entries below the floor are kept for greetings, and not read any more.
        ((first,),) = file.rows(f"SELECT min(seq) {LIVE} AND seq > ?", name, floor)
        return cls(count, size, last, floor, last + 1 if first is None else first)

    def keep_last(self, name: str) -> Statement:
        """Write the highest number: it outlives its row, so it goes ahead of all that deletes."""
        return "REPLACE INTO last VALUES (?, ?)", (name, self.last)


class SqliteRetention:
    """See the module.

    Args:
        file: where the journal is.
        name: of the journal in the file.
        extent: what it holds; kept up to date here for what leaves.
        retention: what it may hold.
        age: how long it has been in use, by which messages grow old.
    """

    def __init__(
        self, file: JournalFile, name: str, extent: Extent, retention: Retention, age: Age
    ) -> None:
        self._file = file
        self._name = name
        self._extent = extent
        self._retention = retention
        self._age = age
        self._cleaned = -_CLEAN_EVERY

    def prune(self, now: float, cursors: Mapping[str, int]) -> None:
        """Let go of what is too old or too much; see `IJournal.prune`."""
        try:
            self._prune(now, cursors)
        except JournalFailed:
            # The file has said so in the log; the next time may go better.
            return

    def _prune(self, now: float, cursors: Mapping[str, int]) -> None:
        age = self._age.now()
        while self._is_over(age):
            rows = self._file.rows(
                f"SELECT seq, taken, length(xml) {LIVE} {_NOT_RETAINED} AND seq > ? "
                "ORDER BY seq LIMIT 1000",
                self._name,
                self._extent.floor,
            )
            leaving = self._leaving(rows, age)
            if not leaving:
                break
            self._leave(leaving[-1], now, cursors)
        if age - self._cleaned >= _CLEAN_EVERY:
            self._cleaned = age
            self._clean(age)

    def _has_too_much(self) -> bool:
        extent, retention = self._extent, self._retention
        return extent.count > retention.entries or extent.size > retention.size

    def _is_over(self, age: float) -> bool:
        if self._has_too_much():
            return True
        rows = self._file.rows(
            f"SELECT taken {LIVE} {_NOT_RETAINED} AND seq > ? ORDER BY seq LIMIT 1",
            self._name,
            self._extent.floor,
        )
        return bool(rows) and rows[0][0] < age - self._retention.age

    def _leaving(self, rows: Sequence[tuple[int, float, int]], age: float) -> list[int]:
        leaving = []
        for seq, taken, size in rows:
            old = taken < age - self._retention.age
            if not old and not self._has_too_much():
                break
            self._extent.count -= 1
            self._extent.size -= size
            leaving.append(seq)
        return leaving

    def _leave(self, last: int, now: float, cursors: Mapping[str, int]) -> None:
        lagging = [(name, cursor) for name, cursor in cursors.items() if cursor < last]
        delivered = min((cursor for _, cursor in lagging), default=last)
        stretch = f"journal = ? AND seq > ? AND seq <= ? AND xml IS NOT NULL {_NOT_RETAINED}"
        former = self._extent.floor
        statements: list[Statement] = [
            self._extent.keep_last(self._name),
            (f"DELETE FROM entry WHERE {stretch}", (self._name, former, delivered)),
            (
                f"UPDATE entry SET xml = NULL, plain = NULL WHERE {stretch}",
                (self._name, former, last),
            ),
            ("REPLACE INTO about VALUES (?, ?)", (f"{self._name} floor", str(last))),
        ]
        statements += [
            ("REPLACE INTO expired VALUES (?, ?, ?, ?)", (name, cursor + 1, last, now))
            for name, cursor in lagging
        ]
        self._file.write(*statements).addErrback(told)
        self._extent.floor = last
        self._extent.first = last + 1

    def _clean(self, age: float) -> None:
        """Drop what is left of messages for receipts, and values that a newer one has replaced."""
        replaced = self._file.rows(
            "SELECT seq, length(xml) FROM entry WHERE journal = ? AND retain = 1 AND seq <= ? "
            f"AND xml IS NOT NULL {_NOT_RETAINED}",
            self._name,
            self._extent.floor,
        )
        long_ago = age - 2 * self._retention.age
        rows = self._file.rows(
            "SELECT seq FROM entry WHERE journal = ? AND taken >= ? ORDER BY seq LIMIT 1",
            self._name,
            long_ago,
        )
        # By number, not by time: the times in there are for people, and the clock may be set.
        oldest = rows[0][0] if rows else self._extent.last + 1
        left = "DELETE FROM entry WHERE journal = ? AND xml IS NULL AND taken < ?"
        statements: list[Statement] = [
            self._extent.keep_last(self._name),
            *(
                ("DELETE FROM entry WHERE journal = ? AND seq = ?", (self._name, seq))
                for seq, _ in replaced
            ),
            (left, (self._name, long_ago)),
            ("DELETE FROM expired WHERE last < ?", (oldest,)),
            ("DELETE FROM outcome WHERE seq < ?", (oldest,)),
            self._age.keep(),
        ]
        cleaned = self._file.write(*statements)
        cleaned.addCallback(self._cleaned_away, replaced).addErrback(told)

    def _cleaned_away(self, _: None, replaced: Sequence[tuple[Any, ...]]) -> None:
        self._extent.count -= len(replaced)
        self._extent.size -= sum(size for _, size in replaced)
