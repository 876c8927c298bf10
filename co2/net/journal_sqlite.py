"""A journal on disk: what was accepted survives kill -9.

The newest entries are kept in memory as well (`journal_tail`), where nearly every courier reads;
one that lags reads from the file, a stretch at a time, so a long backlog costs no memory. What
leaves, and when, is `journal_retention`'s matter; how far everybody has come, `journal_ledger`'s.

Invariants: an entry can be read only after its commit; numbers only grow, with gaps where a write
failed or an entry has left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.delivery.journal import compose_entry
from co2.errors import JournalFailed, QueueFull, UnsupportedValue
from co2.interfaces import IJournal
from co2.model.hosts import HostId
from co2.model.messages import Entry, Kept, Message, digest_of
from co2.model.settings import Retention
from co2.net.journal_age import Age
from co2.net.journal_file import JournalFile
from co2.net.journal_ledger import SqliteLedger, told
from co2.net.journal_retention import LIVE, Extent, SqliteRetention
from co2.net.journal_schema import damage
from co2.net.journal_tail import Tail
from co2.net.journal_writer import Statement

_STRETCH_BYTES = 4 * 1024 * 1024
_COLUMNS = "seq, random, id, host_id, time, topic, retain, hops, nil_at, xml, plain"
_NO_HOPS = "[]"


@implementer(IJournal)
class SqliteJournal(SqliteLedger):
    """See the module.

    Args:
        file: where it is written.
        name: of this journal in the file: 'relay' or 'outbox'.
        fresh_id: names the run of numbers, if the journal is new.
        retention: what it keeps.
        seconds: the steady clock, for the age of what is kept.
        outgoing: a sender's own journal, see `MemoryJournal`.

    Raises:
        SettingsError: the file is damaged.
    """

    def __init__(
        self,
        file: JournalFile,
        name: str,
        fresh_id: str,
        retention: Retention,
        seconds: Callable[[], float],
        outgoing: bool = False,
    ) -> None:
        try:
            super().__init__(file, name)
            self._extent = Extent.load(file, name)
            self._age = Age(file, name, seconds)
            self.journal_id = self._load_id(fresh_id)
        except JournalFailed as error:
            raise damage(file.path, error) from error
        self._outgoing = outgoing
        self._bounds = retention
        self._retention = SqliteRetention(file, name, self._extent, retention, self._age)
        self._tail = Tail()
        self._given = self._extent.last
        self._released = 0
        self._coming = self._coming_bytes = 0

    def _load_id(self, fresh: str) -> str:
        key = f"{self._name} id"
        rows = self._file.rows("SELECT value FROM about WHERE name = ?", key)
        if rows:
            return str(rows[0][0])
        self._file.write(("INSERT INTO about VALUES (?, ?)", (key, fresh))).addErrback(told)
        return fresh

    @property
    def last_seq(self) -> int:
        """The number of the newest entry that can be read, 0 before the first."""
        return self._extent.last

    @property
    def first_seq(self) -> int:
        """No entry below this number can be read."""
        return self._extent.first

    def __len__(self) -> int:
        return self._extent.count

    # -- writing -------------------------------------------------------------------------------

    def append(self, message: Message) -> Deferred[Entry]:
        """Keep a message; see `IJournal.append`."""
        if self._outgoing and self._is_full():
            return fail(
                QueueFull(
                    f"{self._extent.count + self._coming} messages "
                    f"({self._extent.size + self._coming_bytes} bytes) wait to be sent already: "
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
        # What a sender's own journal refuses, its plugin is told of: it does not come again.
        key = None if self._outgoing else message.key
        written = self._file.write(*self._statements(entry, message), line=self._name, key=key)
        return written.addCallbacks(
            self._committed, self._lost, callbackArgs=(entry,), errbackArgs=(entry,)
        )

    def _statements(self, entry: Entry, message: Message) -> list[Statement]:
        row = (
            self._name,
            entry.seq,
            message.host_id.random,
            message.id,
            str(message.host_id),
            digest_of(message),
            message.time,
            self._age.now(),
            message.topic,
            message.retain,
            json.dumps(message.hops) if message.hops else _NO_HOPS,
            entry.nil_at,
            entry.xml,
            None if entry.xml_plain is entry.xml else entry.xml_plain,
        )
        insert = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        statements: list[Statement] = [(insert, row)]
        if message.retain and not self._outgoing:
            key = (message.host_id.random, message.topic or "", entry.seq)
            statements.append(("REPLACE INTO retained VALUES (?, ?, ?)", key))
        return statements

    def _committed(self, _: None, entry: Entry) -> Entry:
        self._arrived(entry)
        self._extent.last = entry.seq
        self._extent.count += 1
        self._extent.size += len(entry.xml)
        self._tail.append(entry)
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

    def _is_full(self) -> bool:
        count = self._extent.count + self._coming
        size = self._extent.size + self._coming_bytes
        return count >= self._bounds.entries or size >= self._bounds.size

    # -- reading -------------------------------------------------------------------------------

    def read(self, after: int, most: int) -> list[Entry]:
        """Give up to `most` entries numbered above `after`, oldest first."""
        if after >= self.last_seq:
            return []
        entries = self._tail.read(after, most)
        return self._read_file(after, most) if entries is None else entries

    def _read_file(self, after: int, most: int) -> list[Entry]:
        # What was let go of may be in the file for a moment longer.
        after = max(after, self.first_seq - 1)
        rows = self._file.rows(
            f"SELECT {_COLUMNS} {LIVE} AND seq > ? ORDER BY seq LIMIT ?", self._name, after, most
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
            f"SELECT {_COLUMNS} {LIVE} AND seq IN (SELECT seq FROM retained) ORDER BY seq",
            self._name,
        )
        return [_entry(row) for row in rows]

    # -- letting go ----------------------------------------------------------------------------

    def release(self, upto: int) -> None:
        """Forget entries up to that number; written with the next group, or a moment later."""
        upto = min(upto, self.last_seq)
        if upto < self.first_seq:
            return
        ((count, size),) = self._file.rows(
            f"SELECT count(*), coalesce(sum(length(xml)), 0) {LIVE} AND seq BETWEEN ? AND ?",
            self._name,
            self.first_seq,
            upto,
        )
        self._extent.count -= count
        self._extent.size -= size
        self._extent.first = upto + 1
        self._tail.forget(upto)
        self._released = upto
        self._file.soon(self._write_released)

    def _write_released(self) -> None:
        self._file.write(
            self._extent.keep_last(self._name),
            ("DELETE FROM entry WHERE journal = ? AND seq <= ?", (self._name, self._released)),
        ).addErrback(told)

    def prune(self, now: float, cursors: Mapping[str, int]) -> None:
        """Let go of what is too old or too much; see `IJournal.prune`."""
        self._retention.prune(now, cursors)
        self._tail.forget(self._extent.floor)


def _entry(row: tuple[Any, ...]) -> Entry:
    seq, random, id, host_id, time, topic, retain, hops, nil_at, xml, plain = row
    author = HostId.parse(host_id)._replace(random=random)
    # Whoever reads from the file passes the bytes on; nobody needs the value.
    message = Message(id, author, time, None, topic, bool(retain), tuple(json.loads(hops)))
    return Entry(seq, message, xml or b"", xml if plain is None else plain, nil_at)
