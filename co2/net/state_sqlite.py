"""Identity and roster in one SQLite file, which survives kill -9 at any write.

Write-ahead log with `synchronous=FULL`: a call returns when the change is on the disk. Changes are
rare (a satellite comes, moves, goes), so they are written where they happen, in the reactor's
thread: a fraction of a millisecond each. What changes often, pings and leases, is never written.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

from zope.interface import implementer

from co2.errors import JournalFailed, SettingsError
from co2.interfaces import IIdentityStore, IRosterStore
from co2.model.hosts import Address, HostState, Identity, Registration

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
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._upgrade()
        except sqlite3.Error as error:
            raise SettingsError(
                f"{path}: {error}. If the file is damaged, move it away: the server then starts "
                "as a new host, and satellites register again"
            ) from error

    def close(self) -> None:
        """Close the file."""
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
        # The columns are this module's own constant.
        query = f"SELECT {_COLUMNS} FROM satellite ORDER BY created"
        return [_registration(row) for row in self._db.execute(query)]

    def keep(self, registration: Registration) -> None:
        """Write a new or changed registration."""
        row = _row(registration)
        marks = ", ".join("?" * len(row))
        self._write(f"REPLACE INTO satellite ({_COLUMNS}) VALUES ({marks})", row)

    def forget(self, random: str) -> None:
        """Remove a registration."""
        self._write("DELETE FROM satellite WHERE random = ?", (random,))

    def _write(self, statement: str, parameters: tuple[object, ...]) -> None:
        try:
            self._db.execute(statement, parameters)
        except sqlite3.Error as error:
            raise JournalFailed(
                f"the roster of this host cannot be written ({error}): its disk may be full or "
                "damaged",
                retry_after=_RETRY,
            ) from error

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
