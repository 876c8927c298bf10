"""co2.net.state_sqlite: identity and roster on disk."""

from __future__ import annotations

import sqlite3

import pytest
from twisted.internet.task import Clock

from co2.errors import JournalFailed, SettingsError
from co2.net.state_sqlite import SqliteState
from co2.testing.contracts import IdentityStoreContract, RosterStoreContract
from co2.testing.samples import a_registration, result_of

FORMAT_1 = """
CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), random TEXT, secret TEXT);
CREATE TABLE satellite (
    random TEXT PRIMARY KEY, ip TEXT NOT NULL, port INTEGER NOT NULL, nick TEXT NOT NULL,
    proof BLOB, notify_token TEXT, epoch INTEGER NOT NULL, created REAL NOT NULL,
    seen REAL NOT NULL, state TEXT NOT NULL, relays_others INTEGER NOT NULL,
    co2 INTEGER NOT NULL, nil INTEGER NOT NULL, properties TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO identity VALUES (1, 'me', 'secret');
INSERT INTO satellite VALUES
    ('sat', '127.0.0.1', 2005, 'sat', NULL, NULL, 1, 1000.0, 1000.0, 'online', 0, 0, 0, '{}');
PRAGMA user_version = 1;
"""
"""As the release before wrote it."""


class TestSqliteState(RosterStoreContract, IdentityStoreContract):
    """Both of its seams."""

    @pytest.fixture(autouse=True)
    def in_a_folder(self, tmp_path):
        self.path = tmp_path / "co2.sqlite"
        self.opened = []
        yield
        for one in self.opened:
            one.close()

    def make_store(self):
        self.opened.append(SqliteState(self.path))
        return self.opened[-1]

    def reopen(self, store):
        return self.make_store()

    def test_what_changes_in_one_turn_is_written_by_one_trip_to_the_disk(self):
        """Nobody is told before; what another process reads is all of it or nothing."""
        store, clock = self.make_store(), Clock()
        store.write_together(clock)
        commits = []
        store._db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        written = [store.keep(a_registration(f"s{number}")) for number in range(1000)]
        written.append(store.forget("s0"))
        assert not any(one.called for one in written)
        assert self.make_store().load() == []
        clock.advance(0)
        assert [result_of(one) for one in written] == [None] * 1001
        assert len(self.make_store().load()) == 999
        assert commits == ["COMMIT"]

    def test_a_change_that_cannot_be_written_is_told_and_the_next_is_tried_again(self):
        """Everything of that turn, since one trip to the disk is all or nothing."""
        store, clock = self.make_store(), Clock()
        store.write_together(clock)
        store._db.execute("PRAGMA query_only = 1")
        written = [store.keep(a_registration(name)) for name in "ab"]
        clock.advance(0)
        for one in written:
            with pytest.raises(JournalFailed, match="roster of this host cannot be written"):
                result_of(one)
        store._db.execute("PRAGMA query_only = 0")
        again = store.keep(a_registration("a"))
        clock.advance(0)
        assert result_of(again) is None
        assert [one.random for one in self.make_store().load()] == ["a"]

    def test_closing_writes_what_waits(self):
        """A server that stops has forgotten nobody."""
        store = SqliteState(self.path)
        store.write_together(Clock())
        written = store.keep(a_registration("a"))
        store.close()
        assert result_of(written) is None
        assert [one.random for one in self.make_store().load()] == ["a"]

    def test_what_a_satellite_wants_is_kept(self):
        """Nothing at all is not everything."""
        store = self.make_store()
        kept = [
            a_registration("a", topics=("t.>",), newest=True),
            a_registration("b", topics=()),
            a_registration("c"),
        ]
        for one in kept:
            store.keep(one)
        assert sorted(self.reopen(store).load(), key=lambda one: one.random) == kept

    def test_the_first_format_is_taken_over(self):
        """Nobody has to register again because a relay was upgraded."""
        connection = sqlite3.connect(self.path)
        connection.executescript(FORMAT_1)
        connection.close()
        store = self.make_store()
        assert store.load() == [a_registration("sat")]
        assert store.identity(lambda: pytest.fail("drawn")).random == "me"
        store.keep(a_registration("sat", topics=("a",), newest=True))
        assert self.reopen(store).load() == [a_registration("sat", topics=("a",), newest=True)]

    def test_a_newer_format_is_refused(self):
        """In words, and nothing is written."""
        connection = sqlite3.connect(self.path)
        connection.executescript("CREATE TABLE x (y); PRAGMA user_version = 99;")
        connection.close()
        with pytest.raises(SettingsError, match="newer co2"):
            self.make_store()

    def test_a_damaged_file_is_told(self):
        """With what to do."""
        self.path.write_bytes(b"no database at all, only words" * 200)
        with pytest.raises(SettingsError, match="move it away"):
            self.make_store()

    def test_a_full_disk_is_told_and_passes(self):
        """What was there stays, and when there is room again it is written again."""
        store = self.make_store()
        store.keep(a_registration("a"))
        store._db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(JournalFailed, match="disk may be full") as failed:
            store.keep(a_registration("b", properties={"padding": "x" * 50_000}))
        assert failed.value.retry_after > 0
        assert store.load() == [a_registration("a")]
        store._db.execute("PRAGMA max_page_count = 100000")
        store.keep(a_registration("b"))
        assert len(self.reopen(store).load()) == 2
