"""co2.net.journal_sqlite: what was accepted survives, in order, within bounds."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from attrs import evolve
from journal_room import Shelf

from co2.errors import JournalFailed, QueueFull, SettingsError
from co2.model.messages import Cursor, Outcome
from co2.model.settings import Retention
from co2.net.journal_file import JournalFile
from co2.testing.journal_contract import LedgerContract
from co2.testing.samples import a_message

pytestmark = pytest.mark.usefixtures("logged_failures")


YEAR = 365 * 86400.0
WALL = 1_700_000_000.0


@pytest.fixture
def shelf(tmp_path):
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.close()


class TestSqliteJournal(LedgerContract):
    """A relay's, on disk."""

    @pytest.fixture(autouse=True)
    def on_a_shelf(self, shelf):
        self.shelf = shelf

    def make_journal(self):
        return self.shelf.journal()

    def wait_for(self, deferred):
        return self.shelf.wait_for(deferred)

    def reopen(self, journal):
        return self.shelf.journal(self.shelf.reopen())


class TestOutgoingSqliteJournal(TestSqliteJournal):
    """A sender's own, on disk: it retains nothing for others."""

    def make_journal(self):
        return self.shelf.journal(outgoing=True)

    def reopen(self, journal):
        return self.shelf.journal(self.shelf.reopen(), outgoing=True)

    def test_the_last_value_of_each_author_and_topic_is_retained(self):
        """The relay does that."""
        journal = self.make_journal()
        self.keep(journal, evolve(a_message(1), topic="a", retain=True))
        assert journal.retained() == []


def fill(shelf, journal, numbers, data="x"):
    written = [journal.append(a_message(number, data=data)) for number in numbers]
    return [shelf.wait_for(one).seq for one in written]


def numbers(journal, after=0):
    return [entry.seq for entry in journal.read(after, 1000)]


def test_messages_are_read_after_their_commit_and_in_order(shelf):
    """Nobody is brought what a crash could still take back."""
    journal = shelf.journal()
    written = [journal.append(a_message(number)) for number in range(20)]
    assert journal.read(0, 100) == []
    assert journal.last_seq == 0
    assert [shelf.wait_for(one).seq for one in written] == list(range(1, 21))
    assert numbers(journal) == list(range(1, 21))


def test_a_backlog_is_read_from_the_file_and_joins_what_is_in_memory(shelf, monkeypatch):
    """A reader that lags sees each entry once, whether it is still in memory or not."""
    monkeypatch.setattr("co2.net.journal_tail._MOST_ENTRIES", 10)
    journal = shelf.journal(retention=Retention(1000.0, 1000, 1 << 30))
    fill(shelf, journal, range(45))
    assert len(journal._tail) <= 11
    seen, after = [], 0
    while entries := journal.read(after, 7):
        seen += [entry.seq for entry in entries]
        after = seen[-1]
    assert seen == list(range(1, 46))
    again = shelf.journal(shelf.reopen(), Retention(1000.0, 1000, 1 << 30))
    fill(shelf, again, range(100, 103))
    assert numbers(again) == list(range(1, 49))


def test_large_messages_are_read_a_stretch_at_a_time(shelf, monkeypatch):
    """A backlog of megabytes does not come into memory at once, and comes whole."""
    monkeypatch.setattr("co2.net.journal_sqlite._STRETCH_BYTES", 10_000)
    fill(shelf, shelf.journal(), range(30), "x" * 3000)
    journal = shelf.journal(shelf.reopen())
    first = journal.read(0, 100)
    assert 1 <= len(first) < 6
    seen, after = [], 0
    while entries := journal.read(after, 100):
        seen += [entry.seq for entry in entries]
        after = seen[-1]
    assert seen == list(range(1, 31))


# -- a sender's ----------------------------------------------------------------------------------


def test_a_full_outgoing_journal_refuses_and_counts_what_is_being_written(shelf):
    """Its bound holds however fast messages come, and after a restart."""
    journal = shelf.journal(outgoing=True, retention=Retention(1000.0, 3, 1 << 20))
    written = [journal.append(a_message(number)) for number in range(5)]
    for one in written[:3]:
        shelf.wait_for(one)
    for one in written[3:]:
        with pytest.raises(QueueFull, match="retention"):
            shelf.wait_for(one)
    again = shelf.journal(shelf.reopen(), Retention(1000.0, 3, 1 << 20), outgoing=True)
    with pytest.raises(QueueFull):
        shelf.wait_for(again.append(a_message(7)))
    again.release(1)
    assert fill(shelf, again, [7]) == [4]


def test_what_was_released_does_not_come_back(shelf):
    """A restart finds what is still to be delivered."""
    journal = shelf.journal(outgoing=True)
    fill(shelf, journal, range(10))
    for number in range(1, 7):
        journal.release(number)
    shelf.settle()
    assert numbers(shelf.journal(shelf.reopen(), outgoing=True)) == [7, 8, 9, 10]


def test_a_release_beyond_the_end_takes_nothing_that_comes(shelf):
    """Only what can be read can be released."""
    journal = shelf.journal(outgoing=True)
    fill(shelf, journal, range(2))
    journal.release(100)
    assert fill(shelf, journal, [5]) == [3]
    shelf.settle()
    assert numbers(journal) == [3]
    assert numbers(shelf.journal(shelf.reopen(), outgoing=True)) == [3]


def test_two_journals_share_a_file(shelf):
    """A process that is both, relay and satellite, keeps them apart."""
    relay, outbox = shelf.journal(), shelf.journal(outgoing=True)
    assert fill(shelf, outbox, [1]) == [1]
    assert fill(shelf, relay, [1, 2]) == [1, 2]
    outbox.release(1)
    shelf.settle()
    assert (numbers(relay), numbers(outbox)) == ([1, 2], [])


# -- retention -----------------------------------------------------------------------------------


def test_what_is_too_much_leaves_and_is_expired_for_who_lags(shelf):
    """The oldest go; who had them has, and who had not is told."""
    journal = shelf.journal(retention=Retention(1000.0, 10, 1 << 20))
    fill(shelf, journal, range(25))
    journal.prune(shelf.time, {"quick": 25, "slow": 12, "away": 3})
    shelf.settle()
    assert numbers(journal) == list(range(16, 26))
    assert journal.first_seq == 16
    assert journal.outcomes(2) == {}
    assert set(journal.outcomes(4)) == {"away"}
    assert set(journal.outcomes(13)) == {"away", "slow"}
    assert journal.outcomes(16) == {}
    assert journal.outcomes(4)["away"].state == "expired"
    (kept,) = journal.find(a_message(5).id)
    assert kept.expired
    assert journal.known("author", a_message(5).id) is not None
    again = shelf.journal(shelf.reopen(), Retention(1000.0, 10, 1 << 20))
    assert (again.first_seq, numbers(again)) == (16, list(range(16, 26)))
    assert set(again.outcomes(13)) == {"away", "slow"}


def test_what_is_too_old_leaves(shelf):
    """By the time that it was taken at, not by what its author says."""
    journal = shelf.journal()
    fill(shelf, journal, range(5))
    shelf.time += 900.0
    fill(shelf, journal, range(5, 8))
    shelf.time += 200.0
    journal.prune(shelf.time, {})
    assert numbers(journal) == [6, 7, 8]


def test_age_goes_on_where_it_was(shelf):
    """Over a restart of the process, whose steady clock may begin anywhere."""
    journal = shelf.journal()
    fill(shelf, journal, range(3))
    shelf.time += 600.0
    journal.prune(shelf.time, {})
    shelf.settle()
    shelf.time = 7.0  # the machine was started again
    again = shelf.journal(shelf.reopen())
    fill(shelf, again, range(3, 5))
    shelf.time += 350.0
    again.prune(shelf.time, {})
    assert numbers(again) == [1, 2, 3, 4, 5]
    shelf.time += 100.0
    again.prune(shelf.time, {"slow": 1})
    shelf.settle()
    assert numbers(again) == [4, 5]
    assert set(again.outcomes(2)) == {"slow"}


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_clock_that_is_set_lets_nothing_expire(shelf, jump):
    """Not while it runs and not at the next start; what expires has a time that people can read."""
    journal = shelf.journal()
    fill(shelf, journal, range(3))
    journal.keep_outcome(2, "slow", Outcome("raised", "why", WALL + jump, 1))
    journal.prune(WALL, {"slow": 0})
    shelf.time += 100.0
    journal.prune(WALL + jump, {"slow": 0})
    shelf.settle()
    again = shelf.journal(shelf.reopen())
    shelf.time += 100.0
    again.prune(WALL + jump, {"slow": 0})
    shelf.settle()
    assert numbers(again) == [1, 2, 3]
    assert again.outcomes(1) == {}
    assert again.outcomes(2) == {"slow": Outcome("raised", "why", WALL + jump, 1)}
    shelf.time += 900.0
    again.prune(WALL + jump, {"slow": 0})
    shelf.settle()
    assert again.outcomes(1)["slow"].time == WALL + jump
    assert again.outcomes(2)["slow"].state == "raised"


def test_a_crash_makes_nothing_older_than_it_is(shelf):
    """The age was written last a while ago: messages that came since are not of the future."""
    journal = shelf.journal()
    fill(shelf, journal, [0])
    shelf.time += 900.0
    fill(shelf, journal, [1])
    again = shelf.journal(shelf.reopen())
    shelf.time += 200.0
    again.prune(WALL, {})
    assert numbers(again) == [2]


def test_bytes_bound_it(shelf):
    """Few large messages fill it as many small ones do."""
    journal = shelf.journal(retention=Retention(1000.0, 1000, 20_000))
    fill(shelf, journal, range(10), "x" * 5000)
    journal.prune(shelf.time, {})
    assert 1 <= len(numbers(journal)) <= 4


def test_retained_values_outlive_retention_until_a_newer_one(shelf):
    """They are for greetings, not read any more, and leave when they are replaced."""
    retention = Retention(1000.0, 5, 1 << 20)
    journal = shelf.journal(retention=retention)
    shelf.wait_for(journal.append(evolve(a_message(0), topic="t", retain=True)))
    fill(shelf, journal, range(1, 20))
    journal.prune(shelf.time, {"slow": 0})
    again = shelf.journal(shelf.reopen(), retention)
    assert [one.seq for one in again.retained()] == [1]
    assert 1 not in numbers(again)
    assert again.first_seq > 1
    shelf.wait_for(again.append(evolve(a_message(50), topic="t", retain=True)))
    again.prune(shelf.time, {})
    shelf.settle()
    assert [one.seq for one in again.retained()] == [21]
    assert shelf.rows("SELECT seq FROM entry WHERE seq = 1 AND xml IS NOT NULL") == []


def test_a_retained_value_is_delivered_after_a_restart(shelf):
    """It is a message like others as long as it is within the bounds."""
    journal = shelf.journal()
    shelf.wait_for(journal.append(evolve(a_message(0), topic="t", retain=True)))
    assert numbers(shelf.journal(shelf.reopen())) == [1]


def test_what_is_left_of_messages_goes_too(shelf):
    """Rows for receipts, outcomes and expiries are bounded by age."""
    journal = shelf.journal(retention=Retention(1000.0, 5, 1 << 20))
    fill(shelf, journal, range(20))
    journal.keep_outcome(3, "slow", Outcome("raised", "", shelf.time, 0))
    journal.prune(shelf.time, {"slow": 0})
    shelf.settle()
    assert shelf.rows("SELECT count(*) FROM entry") == [(20,)]
    shelf.time += 5000.0
    journal.prune(shelf.time, {"slow": 0})
    shelf.time += 100.0
    journal.prune(shelf.time, {"slow": 20})
    shelf.settle()
    shelf.time += 5000.0
    journal.prune(shelf.time, {"slow": 20})
    shelf.settle()
    assert shelf.rows("SELECT count(*) FROM expired") == [(0,)]
    assert shelf.rows("SELECT count(*) FROM outcome") == [(0,)]
    assert shelf.rows("SELECT count(*) FROM entry WHERE seq <= 15") == [(0,)]


# -- cursors -------------------------------------------------------------------------------------


def test_a_first_cursor_is_ahead_of_what_comes_after_it(shelf):
    """Who has registered is known by the time that a later message is."""
    journal = shelf.journal()
    journal.keep_cursor("new", Cursor(0, 0, False))
    fill(shelf, journal, [1])
    assert shelf.rows("SELECT name, seq FROM cursor") == [("new", 0)]


def test_cursors_are_written_a_moment_later_and_together(shelf):
    """Not one trip to the disk for each message."""
    journal = shelf.journal()
    journal.keep_cursor("one", Cursor(0, 0))
    shelf.settle()
    for number in range(1, 50):
        journal.keep_cursor("one", Cursor(0, number))
    assert shelf.rows("SELECT seq FROM cursor") == [(0,)]
    shelf.settle()
    assert shelf.rows("SELECT seq FROM cursor") == [(49,)]


# -- a full disk, a damaged file -----------------------------------------------------------------


def test_a_full_disk_refuses_and_what_is_there_is_still_read(shelf):
    """The fault says why and when to try again; nothing was kept of what was refused."""
    journal = shelf.journal()
    fill(shelf, journal, range(5))
    shelf.fill_disk()
    refused = [journal.append(a_message(number, data="x" * 100_000)) for number in range(5, 8)]
    for one, why in zip(refused, ("disk may be full", "one before", "one before"), strict=True):
        with pytest.raises(JournalFailed, match=why) as failed:
            shelf.wait_for(one)
        assert failed.value.retry_after > 0
    assert numbers(journal) == [1, 2, 3, 4, 5]
    assert journal.known("author", a_message(6).id) is None
    shelf.free_disk()
    shelf.reactor.pass_time(2.0)
    assert fill(shelf, journal, range(5, 8)) == [6, 7, 8]


def test_what_follows_a_message_that_failed_does_not_overtake_it(shelf):
    """A small one behind a large one waits for its turn, as its sender does."""
    journal = shelf.journal()
    fill(shelf, journal, range(3))
    shelf.fill_disk()
    large = journal.append(a_message(3, data="x" * 200_000))
    small = [journal.append(a_message(number)) for number in range(4, 6)]
    for one in (large, *small):
        with pytest.raises(JournalFailed):
            shelf.wait_for(one)
    shelf.free_disk()
    shelf.reactor.pass_time(50.0)
    with pytest.raises(JournalFailed, match="one before it"):
        shelf.wait_for(journal.append(a_message(6)))
    assert fill(shelf, journal, range(3, 7)) == [4, 5, 6, 7]


def test_who_does_not_send_again_what_was_lost_is_not_shut_out_for_good(shelf):
    """A sender that gave the message up is heard again after a minute; others are at once."""
    journal = shelf.journal()
    shelf.fill_disk()
    with pytest.raises(JournalFailed):
        shelf.wait_for(journal.append(a_message(1, data="x" * 200_000)))
    shelf.free_disk()
    assert shelf.wait_for(journal.append(a_message(1, "other"))).seq == 1
    with pytest.raises(JournalFailed, match="one before it"):
        shelf.wait_for(journal.append(a_message(2)))
    shelf.reactor.pass_time(60.0)
    assert fill(shelf, journal, [2]) == [2]


def test_a_failure_leaves_no_gap_in_the_numbers(shelf):
    """What comes while others still wait to be told of a failure has no number beyond theirs."""
    journal = shelf.journal()
    shelf.fill_disk()
    first = journal.append(a_message(1, data="x" * 200_000))
    shelf.reactor.advance(0.0)
    behind = journal.append(a_message(1, "second"))
    shelf.reactor.advance(0.0)
    late = []
    first.addErrback(lambda _: late.append(journal.append(a_message(1, "third"))))
    for one in (behind, first):
        with contextlib.suppress(JournalFailed):
            shelf.wait_for(one)
    with pytest.raises(JournalFailed):
        shelf.wait_for(late[0])
    shelf.free_disk()
    assert shelf.wait_for(journal.append(a_message(1, "third"))).seq == 1


def test_what_a_plugin_was_told_of_holds_up_nothing_that_it_sends_next(shelf):
    """A sender's own journal waits for no message to come again: the next one is another."""
    journal = shelf.journal(outgoing=True)
    shelf.fill_disk()
    with pytest.raises(JournalFailed):
        shelf.wait_for(journal.append(a_message(1, data="x" * 200_000)))
    shelf.free_disk()
    assert fill(shelf, journal, [2]) == [1]


def test_an_older_file_goes_on_with_its_numbers(shelf):
    """Format 1 wrote the last number with every message, whether or not its row is still there."""
    shelf.open()
    shelf.close()
    connection = sqlite3.connect(shelf.path)
    connection.execute("INSERT INTO last VALUES ('relay', 41)")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    assert fill(shelf, shelf.journal(shelf.open()), [1]) == [42]
    assert shelf.rows("PRAGMA user_version") == [(2,)]


@pytest.mark.parametrize("outgoing", [True, False])
def test_numbers_outlive_the_messages_that_had_them(shelf, outgoing):
    """A journal whose last message has left does not give its number a second time."""
    journal = shelf.journal(outgoing=outgoing)
    fill(shelf, journal, range(3))
    if outgoing:
        journal.release(3)
    else:
        shelf.time += 5000.0
        journal.prune(shelf.time, {})
    shelf.settle()
    assert shelf.rows("SELECT count(*) FROM entry") == [(0,)]
    assert fill(shelf, shelf.journal(shelf.reopen(), outgoing=outgoing), [7]) == [4]


@pytest.mark.parametrize(
    "damage", [b"this is no database, whatever its name says" * 100, b"\0" * 9000]
)
def test_a_damaged_file_keeps_the_server_from_starting_and_says_what_to_do(tmp_path, damage):
    """In words for a person, and the file is left as it is."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(damage)
    shelf = Shelf(tmp_path)
    with pytest.raises(SettingsError, match="move it away"):
        shelf.open()
    assert path.read_bytes() == damage


def test_a_file_that_lost_its_tables_is_damaged(shelf):
    """It is told at the start, and not at the first message."""
    shelf.open()
    shelf.close()
    connection = sqlite3.connect(shelf.path)
    connection.execute("DROP TABLE entry")
    connection.close()
    shelf.open()
    with pytest.raises(SettingsError, match="move it away"):
        shelf.journal()


def test_a_newer_format_is_refused(shelf):
    """An older co2 does not write into what it does not understand."""
    shelf.open()
    shelf.close()
    connection = sqlite3.connect(shelf.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SettingsError, match="newer co2"):
        shelf.open()


def test_closing_writes_what_waits(shelf):
    """Cursors of the last moment are in the file."""
    journal = shelf.journal()
    journal.keep_cursor("one", Cursor(0, 0))
    fill(shelf, journal, range(3))
    journal.keep_cursor("one", Cursor(0, 3))
    assert shelf.journal(shelf.reopen()).cursors() == {"one": Cursor(0, 3)}


def test_a_closed_file_takes_nothing(shelf):
    """It says so, instead of losing it."""
    file = shelf.open()
    journal = shelf.journal(file)
    shelf.close()
    with pytest.raises(JournalFailed, match="closed"):
        shelf.wait_for(journal.append(a_message(1)))
    assert isinstance(file, JournalFile)


def test_one_that_cannot_be_written_takes_no_other_with_it(shelf):
    """Groups that were handed over together are written one by one if they must be."""
    file = shelf.open()
    good = file.write(("INSERT INTO about VALUES ('a', '1')", ()))
    bad = file.write(("INSERT INTO nowhere VALUES (1)", ()))
    more = file.write(("INSERT INTO about VALUES ('b', '2')", ()))
    shelf.wait_for(good)
    with pytest.raises(JournalFailed):
        shelf.wait_for(bad)
    shelf.wait_for(more)
    assert file.rows("SELECT name FROM about ORDER BY name") == [("a",), ("b",)]
