"""The file that holds messages, as the reactor sees it: writes that are told of, and reads.

How it works. The writes of one turn of the reactor are handed over together at its end to the
thread that commits them (`journal_writer`). Reads happen in the reactor's thread on a connection of
their own, which never waits for the writer (SQLite, write-ahead log, `synchronous=FULL`).

It is a file of its own beside `co2.sqlite`: this one is written all the time, that one hardly ever,
and neither must wait for the other.

Invariants: a Deferred fires after the commit, in the order of the writes; reads see what is
committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from co2.errors import JournalFailed, SettingsError
from co2.net.journal_order import Key, Order
from co2.net.journal_schema import connect, damage, upgrade
from co2.net.journal_writer import Behind, Group, JournalWriter, Statement, Written

_RETRY = 5.0
_MOMENT = 0.25


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
        writing, self._reading = _open(path)
        self._gathered: list[Group] = []
        self._turn_ends: IDelayedCall | None = None
        self._order = Order()
        self._ending = False
        self._ended: Deferred[None] = Deferred()
        self._broken = False
        self._soon: dict[Callable[[], None], IDelayedCall] = {}
        self._writer = JournalWriter(
            writing,
            lambda written: reactor.callFromThread(self._tell, written),
            lambda: reactor.callFromThread(self._close_reading),
        )

    def write(
        self, *statements: Statement, line: str = "", key: Key | None = None
    ) -> Deferred[None]:
        """Commit these statements together; in the reactor's thread.

        Args:
            statements: what to run.
            line: names what must keep its order: when one of a line fails, all those fail that
                come before all of this has been told.
            key: author and id of a message that its sender tries again if this fails: nothing else
                of that author is written in this line before.

        Returns:
            a Deferred that fires after the commit, or fails with JournalFailed.
        """
        if self._ending:
            return fail(JournalFailed("the journal is closed", retry_after=_RETRY))
        if not self._order.allows(line, key, self._reactor.seconds()):
            return fail(self._failure(Behind()))
        done: Deferred[None] = Deferred()
        first = self._order.begin(line, key)
        self._gathered.append(Group(statements, done, line, first, key))
        if self._turn_ends is None:
            self._turn_ends = self._reactor.callLater(0, self._hand_over)
        return done

    def soon(self, flush: Callable[[], None]) -> None:
        """Call `flush` in a moment, once however often this is asked for until then."""
        if flush not in self._soon and not self._ending:
            self._soon[flush] = self._reactor.callLater(_MOMENT, self._flush, flush)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read committed rows.

        Raises:
            JournalFailed: the file cannot be read.
        """
        try:
            return self._reading.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def close(self) -> Deferred[None]:
        """Write what waits, then let go of the file."""
        if self._ending:
            return succeed(None)
        for flush, timer in list(self._soon.items()):
            timer.cancel()
            self._flush(flush)
        self._ending = True
        if self._turn_ends is not None:
            self._turn_ends.cancel()
            self._hand_over()
        self._writer.end()
        return self._ended

    # -- inside --------------------------------------------------------------------------------

    def _hand_over(self) -> None:
        self._turn_ends = None
        groups, self._gathered = self._gathered, []
        self._writer.write(groups)

    def _flush(self, flush: Callable[[], None]) -> None:
        del self._soon[flush]
        flush()

    def _tell(self, written: list[Written]) -> None:
        now = self._reactor.seconds()
        for group, error in written:
            self._order.end(group.line, group.key, error is not None, now)
            if error is not None:
                group.done.errback(self._failure(error))
                continue
            if self._broken:
                self._broken = False
                self._log.info("the journal can be written again")
            group.done.callback(None)

    def _failure(self, error: Exception) -> JournalFailed:
        if isinstance(error, Behind):
            return JournalFailed(
                "one before it could not be written to the journal of this host, and has to come "
                "again first",
                retry_after=_RETRY,
            )
        if not self._broken:
            self._broken = True
            self._log.error("the journal {path} fails: {why}", path=str(self.path), why=str(error))
        return JournalFailed(
            f"the journal of this host fails ({error}): its disk may be full or damaged",
            retry_after=_RETRY,
        )

    def _close_reading(self) -> None:
        self._reading.close()
        self._ended.callback(None)


def _open(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open the file twice: to write, and to read.

    Raises:
        SettingsError: see `JournalFile`.
    """
    opened: list[sqlite3.Connection] = []
    try:
        opened.append(connect(path))
        upgrade(opened[0], path)
        opened.append(connect(path))
    except (sqlite3.Error, SettingsError) as error:
        for connection in opened:
            connection.close()
        raise error if isinstance(error, SettingsError) else damage(path, error) from error
    return opened[0], opened[1]
