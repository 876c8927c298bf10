"""A journal on disk: what was accepted survives kill -9.

The newest entries are kept in memory as well, where nearly every courier reads; one that lags reads
from the file, a stretch at a time, so a long backlog costs no memory.

An entry that leaves undelivered (retention) leaves its row behind without the message, so that its
receipt can say `expired`; such rows go when the same age has passed once more.

Invariants: an entry can be read only after its commit; numbers only grow, with gaps where a write
failed or an entry has left.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.delivery.journal import compose_entry
from co2.errors import JournalFailed, QueueFull, UnsupportedValue
from co2.interfaces import IJournal, ILedger
from co2.model.hosts import HostId
from co2.model.messages import Cursor, Entry, Kept, Message, Outcome
from co2.model.settings import Retention
from co2.net.journal_file import JournalFile, Statement

_TAIL_ENTRIES = 4096
_TAIL_BYTES = 16 * 1024 * 1024
_CLEAN_EVERY = 60.0
"""Seconds between two times that what is left of old messages is looked for."""

_STRETCH_BYTES = 4 * 1024 * 1024
_LIVE = "FROM entry WHERE journal = ? AND xml IS NOT NULL"
_STRETCH = f"{_LIVE} AND seq BETWEEN ? AND ?"
_COLUMNS = "seq, random, id, host_id, time, topic, retain, hops, nil_at, xml, plain"


@implementer(IJournal, ILedger)
class SqliteJournal:
    """See the module.

    Args:
        file: where it is written.
        name: of this journal in the file: 'relay' or 'outbox'.
        fresh_id: names the run of numbers, if the journal is new.
        retention: what it keeps.
        now: UNIX seconds.
        outgoing: a sender's own journal, see `MemoryJournal`.
    """

    def __init__(
        self,
        file: JournalFile,
        name: str,
        fresh_id: str,
        retention: Retention,
        now: Callable[[], float],
        outgoing: bool = False,
    ) -> None:
        self._file = file
        self._name = name
        self._outgoing = outgoing
        self.retention = retention
        self._tail: list[Entry] = []
        self._tail_bytes = 0
        self._now = now
        self._cursors: dict[str, Cursor] = {}
        self._names: set[str] = set()
        self._released = 0
        self._cleaned = 0.0
        self._coming = self._coming_bytes = 0
        try:
            self._load(fresh_id)
        except JournalFailed as error:
            raise file.damage(error) from error

    def _load(self, fresh_id: str) -> None:
        self.journal_id = self._load_id(fresh_id)
        self._names.update(self.cursors())
        rows = self._file.rows("SELECT seq FROM last WHERE journal = ?", self._name)
        self.last_seq: int = rows[0][0] if rows else 0
        self._given = self.last_seq
        self._pruned = int(self._about("floor") or 0)
        self._load_extent()

    def _about(self, what: str) -> str | None:
        key = f"{self._name} {what}"
        rows = self._file.rows("SELECT value FROM about WHERE name = ?", key)
        return str(rows[0][0]) if rows else None

    def _load_id(self, fresh: str) -> str:
        known = self._about("id")
        if known is None:
            statement = "INSERT INTO about VALUES (?, ?)"
            self._file.write((statement, (f"{self._name} id", fresh))).addErrback(_told)
        return known or fresh

    def _load_extent(self) -> None:
        ((count, size),) = self._file.rows(
            f"SELECT count(*), coalesce(sum(length(xml)), 0) {_LIVE}", self._name
        )
        # Retained entries below the floor are kept for greetings, and not read any more.
        ((first,),) = self._file.rows(
            f"SELECT min(seq) {_LIVE} AND seq > ?", self._name, self._pruned
        )
        self._count: int = count
        self._bytes: int = size
        self.first_seq: int = first if first is not None else self.last_seq + 1

    def __len__(self) -> int:
        return self._count

    # -- entries -------------------------------------------------------------------------------

    def append(self, message: Message) -> Deferred[Entry]:
        """Keep a message; see `IJournal.append`."""
        if self._outgoing and self._is_full():
            return fail(
                QueueFull(
                    f"{self._count + self._coming} messages "
                    f"({self._bytes + self._coming_bytes} bytes) wait to be sent already: "
                    "send less, or raise retention",
                    retry_after=5.0,
                )
            )
        try:
            entry = compose_entry(message, self._given + 1, self._outgoing)
        except UnsupportedValue as error:
            return fail(error)
        self._given = entry.seq
        self._coming += 1
        self._coming_bytes += len(entry.xml)
        written = self._file.write(*self._statements(entry, message), line=self._name)
        return written.addCallbacks(
            self._committed, self._lost, callbackArgs=(entry,), errbackArgs=(entry,)
        )

    def read(self, after: int, most: int) -> list[Entry]:
        """Give up to `most` entries numbered above `after`, oldest first."""
        if after >= self.last_seq:
            return []
        if self._tail and after + 1 >= self._tail[0].seq:
            index = bisect_right(self._tail, after, key=_seq)
            return self._tail[index : index + most]
        return self._read_file(after, most)

    def release(self, upto: int) -> None:
        """Forget entries up to that number; written with the next group, or a moment later."""
        upto = min(upto, self.last_seq)
        if upto < self.first_seq:
            return
        ((count, size),) = self._file.rows(
            f"SELECT count(*), coalesce(sum(length(xml)), 0) {_STRETCH}",
            self._name,
            self.first_seq,
            upto,
        )
        self._count -= count
        self._bytes -= size
        self.first_seq = upto + 1
        self._forget_tail(bisect_right(self._tail, upto, key=_seq))
        self._released = upto
        self._file.soon(self._flush)

    def known(self, random: str, id: str) -> tuple[int, bytes] | None:
        """Give number and digest of the message of that author and id, if it was here."""
        rows = self._file.rows(
            "SELECT seq, digest FROM entry WHERE journal = ? AND random = ? AND id = ?",
            self._name,
            random,
            id,
        )
        return rows[0] if rows else None

    def find(self, id: str) -> list[Kept]:
        """Give the messages of that id, of whatever authors, also those whose content has left."""
        rows = self._file.rows(
            f"SELECT {_COLUMNS} FROM entry WHERE journal = ? AND id = ?", self._name, id
        )
        return [Kept(_entry(row), row[9] is None) for row in rows]

    def latest(self, random: str, topic: str | None = None) -> Entry | None:
        """Give the newest message of an author, or the newest of a topic."""
        wanted = "AND topic = ?" if topic is not None else ""
        parameters = (self._name, random) if topic is None else (self._name, random, topic)
        rows = self._file.rows(
            f"SELECT {_COLUMNS} FROM entry WHERE journal = ? AND random = ? {wanted} "
            "ORDER BY seq DESC LIMIT 1",
            *parameters,
        )
        return _entry(rows[0]) if rows else None

    def retained(self) -> list[Entry]:
        """Give the last values that are kept for who comes later, oldest first."""
        rows = self._file.rows(
            f"SELECT {_COLUMNS} {_LIVE} AND seq IN (SELECT seq FROM retained) ORDER BY seq",
            self._name,
        )
        return [_entry(row) for row in rows]

    # -- retention -----------------------------------------------------------------------------

    def prune(self, now: float, cursors: Mapping[str, int]) -> None:
        """Let go of what is too old or too much; see `IJournal.prune`."""
        try:
            self._prune(now, cursors)
        except JournalFailed:
            # The file has said so in the log; the next time may go better.
            return

    def _prune(self, now: float, cursors: Mapping[str, int]) -> None:
        while self._is_over(now):
            rows = self._file.rows(
                f"SELECT seq, taken, length(xml) {_LIVE} AND seq NOT IN "
                "(SELECT seq FROM retained) AND seq > ? ORDER BY seq LIMIT 1000",
                self._name,
                self._pruned,
            )
            leaving = self._leaving(rows, now)
            if not leaving:
                break
            self._leave(leaving, now, cursors)
        if abs(now - self._cleaned) >= _CLEAN_EVERY:
            self._cleaned = now
            self._clean(now)

    def _clean(self, now: float) -> None:
        """Drop what is left of messages for receipts, and values that a newer one has replaced."""
        replaced = self._file.rows(
            "SELECT seq, length(xml) FROM entry WHERE journal = ? AND retain = 1 AND seq <= ? "
            "AND xml IS NOT NULL AND seq NOT IN (SELECT seq FROM retained)",
            self._name,
            self._pruned,
        )
        statements: list[Statement] = [
            ("DELETE FROM entry WHERE journal = ? AND seq = ?", (self._name, seq))
            for seq, _ in replaced
        ]
        self._count -= len(replaced)
        self._bytes -= sum(size for _, size in replaced)
        long_ago = now - 2 * self.retention.age
        left = "DELETE FROM entry WHERE journal = ? AND xml IS NULL AND taken < ?"
        statements += [
            (left, (self._name, long_ago)),
            ("DELETE FROM expired WHERE time < ?", (long_ago,)),
            ("DELETE FROM outcome WHERE time < ?", (long_ago,)),
        ]
        self._file.write(*statements).addErrback(_told)

    def _leaving(self, rows: Sequence[tuple[int, float, int]], now: float) -> list[int]:
        leaving = []
        for seq, taken, size in rows:
            old = taken < now - self.retention.age
            if not old and not self._has_too_much():
                break
            self._count -= 1
            self._bytes -= size
            leaving.append(seq)
        return leaving

    def _leave(self, leaving: list[int], now: float, cursors: Mapping[str, int]) -> None:
        last = leaving[-1]
        lagging = [(name, cursor) for name, cursor in cursors.items() if cursor < last]
        delivered = min((cursor for _, cursor in lagging), default=last)
        kept = "AND seq NOT IN (SELECT seq FROM retained)"
        stretch = f"journal = ? AND seq > ? AND seq <= ? AND xml IS NOT NULL {kept}"
        former = self._pruned
        statements: list[Statement] = [
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
        self._file.write(*statements).addErrback(_told)
        self._pruned = last
        self._forget_tail(bisect_right(self._tail, last, key=_seq))
        self.first_seq = last + 1

    def _has_too_much(self) -> bool:
        return self._count > self.retention.entries or self._bytes > self.retention.size

    def _is_over(self, now: float) -> bool:
        if self._has_too_much():
            return True
        rows = self._file.rows(
            f"SELECT taken {_LIVE} AND seq NOT IN (SELECT seq FROM retained) AND seq > ? "
            "ORDER BY seq LIMIT 1",
            self._name,
            self._pruned,
        )
        return bool(rows) and rows[0][0] < now - self.retention.age

    # -- what became of messages ---------------------------------------------------------------

    def cursors(self) -> dict[str, Cursor]:
        """Give how far everybody has come."""
        rows = self._file.rows(
            "SELECT name, joined, seq, greeted FROM cursor WHERE journal = ?", self._name
        )
        return {name: Cursor(joined, seq, bool(greeted)) for name, joined, seq, greeted in rows}

    def keep_cursor(self, name: str, cursor: Cursor) -> None:
        """Write how far somebody has come; a moment later, but for the first time at once.

        So the first one is in the file ahead of every message that comes after it.
        """
        self._cursors[name] = cursor
        if name not in self._names:
            self._names.add(name)
            self._flush()
            return
        self._file.soon(self._flush)

    def forget_cursor(self, name: str) -> None:
        """Drop what is known of somebody who is gone."""
        self._cursors.pop(name, None)
        self._names.discard(name)
        self._file.write(
            ("DELETE FROM cursor WHERE journal = ? AND name = ?", (self._name, name)),
            ("DELETE FROM expired WHERE name = ?", (name,)),
            ("DELETE FROM outcome WHERE name = ?", (name,)),
        ).addErrback(_told)

    def keep_outcome(self, seq: int, name: str, outcome: Outcome) -> None:
        """Write that a message was not simply delivered to somebody."""
        self._file.write(
            ("REPLACE INTO outcome VALUES (?, ?, ?, ?, ?, ?)", (seq, name, *outcome))
        ).addErrback(_told)

    def outcomes(self, seq: int) -> dict[str, Outcome]:
        """Give those of a message, by satellite."""
        rows = self._file.rows(
            "SELECT name, state, detail, time, tries FROM outcome WHERE seq = ?", seq
        )
        found = {
            name: Outcome("expired", "it left the journal before it could be delivered", time, 0)
            for name, time in self._file.rows(
                "SELECT name, time FROM expired WHERE first <= ? AND last >= ?", seq, seq
            )
        }
        found.update((row[0], Outcome(*row[1:])) for row in rows)
        return found

    # -- inside --------------------------------------------------------------------------------

    def _statements(self, entry: Entry, message: Message) -> list[Statement]:
        statements: list[Statement] = [
            (
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._name,
                    entry.seq,
                    message.host_id.random,
                    message.id,
                    str(message.host_id),
                    message.digest,
                    message.time,
                    self._now(),
                    message.topic,
                    message.retain,
                    json.dumps(message.hops),
                    entry.nil_at,
                    entry.xml,
                    None if entry.xml_plain is entry.xml else entry.xml_plain,
                ),
            ),
            ("REPLACE INTO last VALUES (?, ?)", (self._name, entry.seq)),
        ]
        if message.retain and not self._outgoing:
            key = (message.host_id.random, message.topic or "", entry.seq)
            statements.append(("REPLACE INTO retained VALUES (?, ?, ?)", key))
        return statements

    def _committed(self, _: None, entry: Entry) -> Entry:
        self._arrived(entry)
        self.last_seq = entry.seq
        self._count += 1
        self._bytes += len(entry.xml)
        self._tail.append(entry)
        self._tail_bytes += entry.size
        if len(self._tail) > _TAIL_ENTRIES or self._tail_bytes > _TAIL_BYTES:
            self._forget_tail(max(1, len(self._tail) // 4))
        return entry

    def _lost(self, failure: Failure, entry: Entry) -> Failure:
        self._arrived(entry)
        if not self._coming:
            # Nothing that is under way has a number: those that were lost are given again, so that
            # readers see no gap where nothing was.
            self._given = self.last_seq
        return failure

    def _arrived(self, entry: Entry) -> None:
        self._coming -= 1
        self._coming_bytes -= len(entry.xml)

    def _forget_tail(self, count: int) -> None:
        for entry in self._tail[:count]:
            self._tail_bytes -= entry.size
        del self._tail[:count]

    def _read_file(self, after: int, most: int) -> list[Entry]:
        # What was let go of may be in the file for a moment longer.
        after = max(after, self.first_seq - 1)
        rows = self._file.rows(
            f"SELECT {_COLUMNS} {_LIVE} AND seq > ? ORDER BY seq LIMIT ?", self._name, after, most
        )
        entries: list[Entry] = []
        size = 0
        for row in rows:
            # A number that another group has just got may be committed and not yet told of.
            if row[0] > self.last_seq or size > _STRETCH_BYTES:
                break
            entries.append(_entry(row))
            size += len(row[9])
        return entries

    def _flush(self) -> None:
        statements: list[Statement] = [
            (
                "REPLACE INTO cursor VALUES (?, ?, ?, ?, ?)",
                (self._name, name, cursor.joined, cursor.seq, cursor.greeted),
            )
            for name, cursor in self._cursors.items()
        ]
        self._cursors.clear()
        if self._released:
            released = (self._name, self._released)
            statements.append(("DELETE FROM entry WHERE journal = ? AND seq <= ?", released))
            self._released = 0
        if statements:
            self._file.write(*statements).addErrback(_told)

    def _is_full(self) -> bool:
        count, size = self._count + self._coming, self._bytes + self._coming_bytes
        return count >= self.retention.entries or size >= self.retention.size


def _entry(row: tuple[Any, ...]) -> Entry:
    seq, random, id, host_id, time, topic, retain, hops, nil_at, xml, plain = row
    author = HostId.parse(host_id)._replace(random=random)
    # Whoever reads from the file passes the bytes on; nobody needs the value.
    message = Message(id, author, time, None, topic, bool(retain), tuple(json.loads(hops)))
    return Entry(seq, message, xml or b"", xml if plain is None else plain, nil_at)


def _seq(entry: Entry) -> int:
    return entry.seq


def _told(failure: Any) -> None:
    """A write that nobody waits for has failed: the file has said so in the log."""
    failure.trap(JournalFailed)
