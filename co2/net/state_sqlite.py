"""Identity and roster in one SQLite file, which survives kill -9 at any write.

Write-ahead log with `synchronous=FULL`: what is told to be written is on the disk. Changes are rare
(a satellite comes, moves, goes), so they are written where they happen, in the reactor's thread: a
few milliseconds, which are the disk's. When a thousand satellites come at once, all that changes in
one turn of the reactor is written by one trip to the disk. What changes often, pings and leases, is
never written.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from co2.errors import JournalFailed, SettingsError
from co2.interfaces import IIdentityStore, IRosterStore
from co2.model.hosts import Address, HostState, Identity, Registration

Statement = tuple[str, tuple[object, ...]]

_VERSION = 2
_SCHEMA = """
CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), random TEXT, secret TEXT);
CREATE TABLE satellite (
    random TEXT PRIMARY KEY,
    ip TEXT NOT NULL,
    port INTEGER NOT NULL,
    nick TEXT NOT NULL,
    proof BLOB,
    notify_token TEXT,
    epoch INTEGER NOT NULL,
    created REAL NOT NULL,
    seen REAL NOT NULL,
    state TEXT NOT NULL,
    relays_others INTEGER NOT NULL,
    co2 INTEGER NOT NULL,
    nil INTEGER NOT NULL,
    properties TEXT NOT NULL,
    topics TEXT,
    newest INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""
_UPGRADES = {
    1: "ALTER TABLE satellite ADD COLUMN topics TEXT;"
    "ALTER TABLE satellite ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;",
}
"""From each older format to the one after it."""

_RETRY = 5.0
"""Seconds after which a registration that could not be written may be tried again."""

_COLUMNS = (
    "random, ip, port, nick, proof, notify_token, epoch, created, seen, state, relays_others, "
    "co2, nil, properties, topics, newest"
)


@implementer(IIdentityStore, IRosterStore)
class SqliteState:
    """See the module.

    Args:
        path: the file; it is made if it is not there.

    Raises:
        SettingsError: the file cannot be opened, is damaged, or was written by a newer co2.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._clock: IReactorTime | None = None
        self._waiting: list[tuple[Statement, Deferred[None]]] = []
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            raise _damage(path, error) from error
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._upgrade()
        except (sqlite3.Error, SettingsError) as error:
            self._db.close()
            raise error if isinstance(error, SettingsError) else _damage(path, error) from error

    def write_together(self, clock: IReactorTime) -> None:
        """Write what comes in one turn of that reactor together; before, each is written alone."""
        self._clock = clock

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._write_waiting()
        self._db.close()

    def identity(self, draw: Callable[[], Identity]) -> Identity:
        """Give the identity that was kept, or keep and give the one that `draw` makes."""
        row = self._db.execute("SELECT random, secret FROM identity").fetchone()
        if row is not None:
            return Identity(*row)
        drawn = draw()
        self._db.execute("INSERT INTO identity VALUES (1, ?, ?)", (drawn.random, drawn.secret))
        return drawn

    def load(self) -> list[Registration]:
        """Give every registration that was kept."""
        self._write_waiting()
        # The columns are this module's own constant.
        query = f"SELECT {_COLUMNS} FROM satellite ORDER BY created"
        return [_registration(row) for row in self._db.execute(query)]

    def keep(self, registration: Registration) -> Deferred[None] | None:
        """Write a new or changed registration."""
        row = _row(registration)
        marks = ", ".join("?" * len(row))
        return self._write(f"REPLACE INTO satellite ({_COLUMNS}) VALUES ({marks})", row)

    def forget(self, random: str) -> Deferred[None] | None:
        """Remove a registration."""
        return self._write("DELETE FROM satellite WHERE random = ?", (random,))

    def _write(self, sql: str, row: tuple[object, ...]) -> Deferred[None] | None:
        if self._clock is None:
            error = self._commit([(sql, row)])
            if error is not None:
                raise _failure(error) from error
            return None
        if not self._waiting:
            self._clock.callLater(0, self._write_waiting)
        written: Deferred[None] = Deferred()
        self._waiting.append(((sql, row), written))
        return written

    def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        error = self._commit([statement for statement, _ in waiting])
        for _, written in waiting:
            if error is None:
                written.callback(None)
            else:
                written.errback(_failure(error))

    def _commit(self, statements: list[Statement]) -> sqlite3.Error | None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for sql, row in statements:
                self._db.execute(sql, row)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            return error
        return None

    def _upgrade(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise SettingsError(
                f"{self._path} was written by a newer co2 (format {version}; this one reads "
                f"{_VERSION}): use that one, or another --state-dir"
            )
        if version == 0:
            self._db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_VERSION};COMMIT;")
            return
        for older in range(version, _VERSION):
            self._db.executescript(
                f"BEGIN;{_UPGRADES[older]}PRAGMA user_version = {older + 1};COMMIT;"
            )


def _row(one: Registration) -> tuple[object, ...]:
    return (
        one.random,
        one.address.ip,
        one.address.port,
        one.nick,
        one.proof,
        one.notify_token,
        one.epoch,
        one.created,
        one.seen,
        one.state.value,
        one.relays_others,
        one.co2,
        one.nil,
        json.dumps(one.properties, default=str),
        None if one.topics is None else json.dumps(one.topics),
        one.newest,
    )


def _registration(row: tuple[object, ...]) -> Registration:
    random, ip, port, nick, proof, notify_token, epoch, created, seen, state, *rest = row
    relays_others, co2, nil, properties, topics, newest = rest
    return Registration(
        random=str(random),
        address=Address(str(ip), int(str(port))),
        nick=str(nick),
        proof=proof if isinstance(proof, bytes) else None,
        notify_token=notify_token if isinstance(notify_token, str) else None,
        epoch=int(str(epoch)),
        created=float(str(created)),
        seen=float(str(seen)),
        state=HostState(state),
        relays_others=bool(relays_others),
        co2=bool(co2),
        nil=bool(nil),
        properties=json.loads(str(properties)),
        topics=None if topics is None else tuple(json.loads(str(topics))),
        newest=bool(newest),
    )


def _damage(path: Path, error: sqlite3.Error) -> SettingsError:
    return SettingsError(
        f"{path}: {error}. If the file is damaged, move it away: the server then starts as a new "
        "host, and satellites register again"
    )


def _failure(error: sqlite3.Error) -> JournalFailed:
    why = f"the roster of this host cannot be written ({error}): its disk may be full or damaged"
    return JournalFailed(why, retry_after=_RETRY)
