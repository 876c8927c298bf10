"""The tables of the file that holds messages, and how an older file becomes a newer one.

Decides what is stored and under which format number. What the rows mean to a journal, and when they
are written, is not known here.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from co2.errors import SettingsError

_VERSION = 2
_UPGRADES = {
    # `last` was written with every message; now only before rows leave, and an older co2 would
    # give numbers a second time.
    1: "",
}
"""Format number to the SQL that makes the next one of it."""

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


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, for one of the threads.

    Raises:
        sqlite3.Error: it cannot be opened, or is no database.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or bring those that are there to the present format.

    Raises:
        SettingsError: a newer co2 has written the file.
        sqlite3.Error: it cannot be written.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise SettingsError(
            f"{path} was written by a newer co2 (format {version}; this one reads {_VERSION}): "
            "use that one, or another --state-dir"
        )
    if version == 0:
        connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_VERSION};COMMIT;")
        return
    for older in range(version, _VERSION):
        connection.executescript(
            f"BEGIN;{_UPGRADES[older]}PRAGMA user_version = {older + 1};COMMIT;"
        )


def damage(path: Path, error: Exception) -> SettingsError:
    """Say that the server cannot start with this file."""
    return SettingsError(
        f"{path}: {error}. If the file is damaged, move it away: the server starts with an empty "
        "journal, and messages that were not delivered yet are only in that file"
    )
