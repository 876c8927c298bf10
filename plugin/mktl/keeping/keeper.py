"""Persistent values: on disk before a SET is answered, in this process.

How it works. What is to be kept is collected while a thread commits the former lot in one SQLite
transaction (WAL, synchronous=FULL); everybody who waits is told when the transaction that holds
their value has ended. So many SETs share one fsync, and kill -9 loses nothing that was answered.

Invariants:
- at most one commit at a time, lots in the order they were collected;
- `settled` fires only when nothing collected before it is not on disk;
- a failing disk fails those who wait, and what failed is tried again with the next lot.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from plugin.mktl.wire.dialects import encode_payload, read_payload
from plugin.mktl.wire.message import MalformedMessage, Payload

InThread = Callable[..., Deferred[Any]]


class Archive(Protocol):
    """Where values are kept; called in a thread, but for `load`."""

    def load(self) -> dict[str, Payload]:
        """Give everything that was kept."""

    def commit(self, lot: Mapping[str, Payload]) -> None:
        """Keep these, all or none; when it returns they are safe."""

    def close(self) -> None:
        """Let the file go."""


class SqliteArchive:
    """An archive in one SQLite file, made if it is not there.

    Raises:
        sqlite3.Error: the file is no archive or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, payload BLOB, bulk BLOB)"
        )

    def load(self) -> dict[str, Payload]:
        """Give everything that was kept; what cannot be read is left out, and stays in the file."""
        found = {}
        for key, payload, bulk in self._database.execute("SELECT key, payload, bulk FROM kept"):
            try:
                found[key] = read_payload(payload, bulk or b"")
            except MalformedMessage:
                continue
        return found

    def commit(self, lot: Mapping[str, Payload]) -> None:
        """Keep these in one transaction."""
        rows = [
            (key, encode_payload(payload), None if payload.bulk is None else payload.bulk.data)
            for key, payload in lot.items()
        ]
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", rows)
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let the file go."""
        self._database.close()


class Keeper:
    """See the module; in the reactor's thread.

    Args:
        archive: where to.
        in_thread: calls a function in a thread.
    """

    def __init__(self, archive: Archive, in_thread: InThread) -> None:
        self._archive = archive
        self._in_thread = in_thread
        self._lot: dict[str, Payload] = {}
        self._waiting: list[Deferred[None]] = []
        self._committing = False

    def load(self) -> dict[str, Payload]:
        """Give what was kept, by key."""
        return self._archive.load()

    def keep(self, key: str, payload: Payload) -> None:
        """Keep a value; the newest of a key counts."""
        self._lot[key] = payload
        self._commit()

    def settled(self) -> Deferred[None] | None:
        """Give a Deferred that fires when all that was given until now is safe; None if it is."""
        if not self._lot and not self._committing:
            return None
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self._commit()
        return waiting

    def _commit(self) -> None:
        """Begin when the reactor has heard everybody who is there: they share the commit."""
        if self._committing:
            return
        self._committing = True
        lot, self._lot = self._lot, {}
        before = len(self._waiting)
        doing = self._in_thread(self._archive.commit, lot)
        doing.addCallbacks(self._committed, self._failed, (lot, before), {}, (lot,))

    def _committed(self, _: Any, lot: dict[str, Payload], before: int) -> None:
        self._committing = False
        if not self._lot:
            before = len(self._waiting)
        told, self._waiting = self._waiting[:before], self._waiting[before:]
        if self._lot:
            self._commit()
        for waiting in told:
            waiting.callback(None)

    def _failed(self, failure: Failure, lot: dict[str, Payload]) -> None:
        self._committing = False
        self._lot = {**lot, **self._lot}
        told, self._waiting = self._waiting, []
        error = OSError(f"the value could not be kept: {failure.getErrorMessage()}")
        for waiting in told:
            waiting.errback(Failure(error))

    def close(self) -> Deferred[Any]:
        """Commit what is left, and let the archive go."""
        rest = self.settled()
        if rest is None:
            self._archive.close()
            done: Deferred[Any] = Deferred()
            done.callback(None)
            return done
        return rest.addBoth(lambda _: self._archive.close())
