"""The thread that writes the file of messages: what waits is committed together.

How it works. The reactor's thread hands over groups of statements. The thread takes whatever waits,
runs it in one transaction and tells the reactor once, so one trip to the disk serves everybody who
waited for it. If that fails, each group has a transaction of its own: one that cannot be written
takes no other with it, but for those behind it in its line, which must not overtake it.

Invariants: groups are committed in the order they were handed over in, each whole or not at all;
when one of a line has failed, so do the next ones, up to a `first`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from itertools import chain, groupby
from operator import itemgetter
from queue import SimpleQueue
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred

from co2.net.journal_order import Key

Statement = tuple[str, Sequence[Any]]
"""SQL that writes, and its parameters."""


class Behind(Exception):
    """It was not tried, because one before it in its line could not be written."""


class Group(NamedTuple):
    """Statements that are committed together.

    Attributes:
        statements: what to run.
        done: whom the reactor's thread tells.
        line: names what must keep its order; "" if nothing must.
        first: nothing of the line was under way when this was handed over.
        key: author and id of the message that it is about, see `journal_order`.
    """

    statements: Sequence[Statement]
    done: Deferred[None]
    line: str
    first: bool
    key: Key | None


class Written(NamedTuple):
    """What became of a group: `error` is None if it is on the disk."""

    group: Group
    error: Exception | None


class JournalWriter:
    """See the module.

    Args:
        connection: of the thread alone, from here on; it is closed at the end.
        tell: called in the thread, after every commit.
        ended: called in the thread, last of all.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        tell: Callable[[list[Written]], None],
        ended: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._tell = tell
        self._ended = ended
        self._waiting: SimpleQueue[list[Group]] = SimpleQueue()
        self._stopped: set[str] = set()
        """Lines of which something has failed, and nothing that is `first` has come since."""
        threading.Thread(target=self._run, name="co2 journal", daemon=True).start()

    def write(self, groups: list[Group]) -> None:
        """Hand groups over; in the reactor's thread."""
        self._waiting.put(groups)

    def end(self) -> None:
        """Write what waits, then end; nothing may be handed over any more."""
        self._waiting.put([])

    # -- in the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        ending = False
        while not ending:
            handed = [self._waiting.get()]
            while not self._waiting.empty():
                handed.append(self._waiting.get())
            ending = not handed[-1]
            groups = list(chain.from_iterable(handed))
            if groups:
                self._tell(self._commit_all(groups))
        self._connection.close()
        self._ended()

    def _commit_all(self, groups: list[Group]) -> list[Written]:
        self._stopped.difference_update(group.line for group in groups if group.first)
        behind = any(group.line in self._stopped for group in groups)
        if not behind and self._commit(groups) is None:
            return [Written(group, None) for group in groups]
        return [Written(group, self._commit_alone(group)) for group in groups]

    def _commit_alone(self, group: Group) -> Exception | None:
        if group.line in self._stopped:
            return Behind()
        error = self._commit([group])
        if error is not None and group.line:
            self._stopped.add(group.line)
        return error

    def _commit(self, groups: Sequence[Group]) -> Exception | None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            statements = chain.from_iterable(group.statements for group in groups)
            for sql, alike in groupby(statements, itemgetter(0)):
                self._connection.executemany(sql, [parameters for _, parameters in alike])
            self._connection.execute("COMMIT")
        except Exception as error:
            # Whatever it is, somebody waits for an answer, and the thread must live.
            self._roll_back()
            return error
        return None

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # SQLite has rolled back by itself; there is nothing left to undo.
            return
