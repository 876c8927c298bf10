"""The file that holds messages, and the thread that writes it.

How it works. Writes are groups of statements, and those of one turn of the reactor are handed over
together. A thread takes whatever waits, runs it in one transaction (SQLite, write-ahead log,
`synchronous=FULL`) and tells the reactor once, so one trip to the disk serves everybody who waited
for it. Reads happen in the reactor's thread on a connection of their own, which never waits for the
writer.

It is a file of its own beside `co2.sqlite`: this one is written all the time, that one hardly ever,
and neither must wait for the other.

Invariants: groups are committed in the order they were handed over in, each whole or not at all; a
Deferred fires after the commit; one group that fails harms no other.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from co2.errors import JournalFailed, SettingsError

_VERSION = 1
_RETRY = 5.0
_MOMENT = 0.25
_BREATH = 1.0
"""Seconds that a line stays shut after a failure: what was sent ahead must not overtake."""

_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entry (
    journal TEXT NOT NULL,
    seq INTEGER NOT NULL,
    random TEXT NOT NULL,
    id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    time REAL NOT NULL,
    taken REAL NOT NULL,
    topic TEXT,
    retain INTEGER NOT NULL,
    hops TEXT NOT NULL,
    nil_at TEXT,
    xml BLOB,
    plain BLOB,
    PRIMARY KEY (journal, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX entry_key ON entry (journal, id, random);
CREATE INDEX entry_author ON entry (journal, random, seq);
CREATE INDEX entry_topic ON entry (journal, random, topic) WHERE topic IS NOT NULL;
CREATE INDEX entry_left ON entry (journal, taken) WHERE xml IS NULL;
CREATE INDEX entry_retained ON entry (journal, seq) WHERE retain = 1;
CREATE TABLE last (journal TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE cursor (
    journal TEXT NOT NULL,
    name TEXT NOT NULL,
    joined INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    greeted INTEGER NOT NULL,
    PRIMARY KEY (journal, name)
) WITHOUT ROWID;
CREATE TABLE expired (
    name TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (name, first)
) WITHOUT ROWID;
CREATE TABLE outcome (
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    time REAL NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (seq, name)
) WITHOUT ROWID;
CREATE TABLE retained (
    random TEXT NOT NULL,
    topic TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (random, topic)
) WITHOUT ROWID;
CREATE TABLE taken (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    random TEXT NOT NULL,
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    answer TEXT
);
CREATE UNIQUE INDEX taken_key ON taken (random, id);
"""

Statement = tuple[str, Sequence[Any]]
"""SQL, and its parameters."""


_BEHIND = sqlite3.OperationalError("one before it could not be written")


class _Group(NamedTuple):
    statements: Sequence[Statement]
    done: Deferred[None]
    line: str
    turn: int


class JournalFile:
    """See the module.

    Args:
        path: the file; it is made if it is not there.
        reactor: commits are told through it.

    Raises:
        SettingsError: the file cannot be opened, is damaged, or was written by a newer co2.
    """

    _log = Logger()

    def __init__(self, path: Path, reactor: Any) -> None:
        self.path = path
        self._reactor = reactor
        opened: list[sqlite3.Connection] = []
        try:
            opened.append(self._connect())
            self._writing = opened[0]
            self._upgrade()
            opened.append(self._connect())
            self.reading = opened[1]
        except (sqlite3.Error, SettingsError) as error:
            for connection in opened:
                connection.close()
            raise error if isinstance(error, SettingsError) else self.damage(error) from error
        self._written: list[_Group] = []
        self._waiting: deque[_Group] = deque()
        self._turn = 0
        self._stopped: dict[str, int] = {}
        self._shut: dict[str, float] = {}
        self._wake = threading.Condition()
        self._ending = False
        self._ended: Deferred[None] = Deferred()
        self._broken = False
        self._soon: dict[Callable[[], None], IDelayedCall] = {}
        self._thread = threading.Thread(target=self._run, name="co2 journal", daemon=True)
        self._thread.start()

    def write(self, *statements: Statement, line: str = "") -> Deferred[None]:
        """Commit these statements together; in the reactor's thread.

        Args:
            statements: what to run.
            line: names what must keep its order: when one of a line fails, all those fail that
                were handed over before that was told, or come within a moment after.

        Returns:
            a Deferred that fires after the commit, or fails with JournalFailed.
        """
        if self._ending:
            return fail(JournalFailed("the journal is closed", retry_after=_RETRY))
        if self._reactor.seconds() < self._shut.get(line, 0.0):
            return fail(self._failure(_BEHIND))
        done: Deferred[None] = Deferred()
        if not self._written:
            self._reactor.callFromThread(self._hand_over)
        self._written.append(_Group(statements, done, line, self._turn))
        return done

    def _hand_over(self) -> None:
        with self._wake:
            self._waiting.extend(self._written)
            self._wake.notify()
        self._written.clear()

    def damage(self, error: Exception) -> SettingsError:
        """Say that the server cannot start with this file."""
        return SettingsError(
            f"{self.path}: {error}. If the file is damaged, move it away: the server starts with "
            "an empty journal, and messages that were not delivered yet are only in that file"
        )

    def soon(self, flush: Callable[[], None]) -> None:
        """Call `flush` in a moment, once however often this is asked for until then."""
        if flush not in self._soon and not self._ending:
            self._soon[flush] = self._reactor.callLater(_MOMENT, self._flush, flush)

    def _flush(self, flush: Callable[[], None]) -> None:
        del self._soon[flush]
        flush()

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read committed rows.

        Raises:
            JournalFailed: the file cannot be read.
        """
        try:
            return self.reading.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def close(self) -> Deferred[None]:
        """Write what waits, then let go of the file."""
        if self._ending:
            return succeed(None)
        for flush, timer in list(self._soon.items()):
            timer.cancel()
            self._flush(flush)
        self._hand_over()
        with self._wake:
            self._ending = True
            self._wake.notify()
        return self._ended

    # -- opening -------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=10.0
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _upgrade(self) -> None:
        (version,) = self._writing.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise SettingsError(
                f"{self.path} was written by a newer co2 (format {version}; this one reads "
                f"{_VERSION}): use that one, or another --state-dir"
            )
        if version == 0:
            self._writing.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_VERSION};COMMIT;")

    # -- the writing thread --------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._ending:
                    self._wake.wait()
                groups, self._waiting = self._waiting, deque()
            if not groups:
                break
            self._reactor.callFromThread(self._tell, self._commit_all(groups))
        self._writing.close()
        self._reactor.callFromThread(self._close_reading)

    def _commit_all(self, groups: Sequence[_Group]) -> list[tuple[_Group, sqlite3.Error | None]]:
        stopped = any(group.turn <= self._stopped.get(group.line, -1) for group in groups)
        error = _BEHIND if stopped else self._commit(groups)
        if error is not None and len(groups) > 1:
            # One that cannot be written must not take the others with it.
            return [(group, self._commit_alone(group)) for group in groups]
        if error is not None:
            self._stop_line(groups[0])
        return [(group, error) for group in groups]

    def _commit_alone(self, group: _Group) -> sqlite3.Error | None:
        if group.turn <= self._stopped.get(group.line, -1):
            return _BEHIND
        error = self._commit([group])
        if error is not None:
            self._stop_line(group)
        return error

    def _stop_line(self, group: _Group) -> None:
        if group.line:
            self._stopped[group.line] = group.turn

    def _commit(self, groups: Sequence[_Group]) -> sqlite3.Error | None:
        execute = self._writing.execute
        try:
            execute("BEGIN IMMEDIATE")
            for group in groups:
                for sql, parameters in group.statements:
                    execute(sql, parameters)
            execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            return error
        return None

    def _roll_back(self) -> None:
        try:
            self._writing.execute("ROLLBACK")
        except sqlite3.Error:
            # SQLite has rolled back by itself; there is nothing left to undo.
            return

    # -- in the reactor's thread ---------------------------------------------------------------

    def _tell(self, results: list[tuple[_Group, sqlite3.Error | None]]) -> None:
        for group, error in results:
            if error is not None:
                # Whoever is told may write again: that is a new turn.
                self._turn += 1
                if group.line:
                    self._shut[group.line] = self._reactor.seconds() + _BREATH
                group.done.errback(self._failure(error))
                continue
            if self._broken:
                self._broken = False
                self._log.info("the journal can be written again")
            group.done.callback(None)

    def _failure(self, error: sqlite3.Error) -> JournalFailed:
        if not self._broken:
            self._broken = True
            self._log.error("the journal {path} fails: {why}", path=str(self.path), why=str(error))
        return JournalFailed(
            f"the journal of this host fails ({error}): its disk may be full or damaged",
            retry_after=_RETRY,
        )

    def _close_reading(self) -> None:
        self.reading.close()
        self._ended.callback(None)
