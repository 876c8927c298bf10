"""What every implementation of a seam must do: mixins to inherit from in a test.

    class TestMemoryJournal(JournalContract):
        def make_journal(self):
            return MemoryJournal('j1', 1000, 1_000_000)

pytest runs the mixin's tests for each class that inherits from one. Each of them begins with
`verifyObject`, so that no double can drift away from its interface.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from co2.errors import Co2Error
from co2.interfaces import IBackoff, IIdentityStore, IJournal, IReceiver, IRosterStore
from co2.model.hosts import HostState, Identity
from co2.model.messages import Entry
from co2.testing.samples import a_message, a_registration, result_of


class JournalContract:
    """Every `IJournal`; inherit and give `make_journal`, of one that takes 50 messages."""

    def make_journal(self) -> Any:
        """Give a new, empty journal."""
        raise NotImplementedError

    def wait_for(self, deferred: Deferred[Any]) -> Any:
        """Give a Deferred's result; override it where that takes more than looking."""
        return result_of(deferred)

    def fill(self, journal: Any, count: int) -> list[Entry]:
        """Append so many messages, each with an id of its own."""
        first = int(journal.last_seq)
        numbers = range(first, first + count)
        return [self.wait_for(journal.append(a_message(number))) for number in numbers]

    def test_it_provides_the_interface(self) -> None:
        """It has every name of IJournal, with the same arguments."""
        verifyObject(IJournal, self.make_journal())

    def test_numbers_begin_at_one_and_leave_none_out(self) -> None:
        """The first message has the number 1, each further one the next."""
        journal = self.make_journal()
        assert journal.last_seq == 0
        assert [entry.seq for entry in self.fill(journal, 5)] == [1, 2, 3, 4, 5]
        assert (journal.first_seq, journal.last_seq) == (1, 5)

    def test_an_empty_journal_has_no_first_number(self) -> None:
        """The oldest kept number is the next one, while nothing is kept."""
        journal = self.make_journal()
        assert journal.first_seq == journal.last_seq + 1
        assert journal.read(0, 10) == []

    def test_it_reads_what_comes_after_a_number(self) -> None:
        """`read` gives entries above the number, oldest first, and no more than asked for."""
        journal = self.make_journal()
        self.fill(journal, 10)
        assert [entry.seq for entry in journal.read(3, 4)] == [4, 5, 6, 7]
        assert [entry.seq for entry in journal.read(8, 100)] == [9, 10]
        assert journal.read(10, 1) == []
        assert journal.read(99, 1) == []

    def test_what_was_released_may_be_forgotten_and_the_rest_stays(self) -> None:
        """After `release(n)` everything above n is still read, with its own numbers."""
        journal = self.make_journal()
        self.fill(journal, 10)
        journal.release(4)
        assert [entry.seq for entry in journal.read(4, 100)] == [5, 6, 7, 8, 9, 10]
        assert journal.first_seq <= 5
        assert journal.last_seq == 10

    def test_numbers_go_on_after_everything_was_released(self) -> None:
        """A number is never given twice."""
        journal = self.make_journal()
        self.fill(journal, 3)
        journal.release(3)
        assert self.fill(journal, 1)[0].seq == 4
        assert [entry.seq for entry in journal.read(3, 10)] == [4]

    def test_a_reader_behind_what_is_kept_gets_the_oldest_kept(self) -> None:
        """Who asks for what is forgotten gets what there is, and sees the gap by its number."""
        journal = self.make_journal()
        self.fill(journal, 10)
        journal.release(6)
        first = journal.read(0, 1)[0].seq
        assert first == journal.first_seq

    def test_releasing_beyond_the_end_forgets_no_number(self) -> None:
        """A release of more than there is leaves an empty journal that goes on."""
        journal = self.make_journal()
        self.fill(journal, 2)
        journal.release(100)
        assert journal.last_seq == 2
        assert self.fill(journal, 1)[0].seq == 3

    def test_an_entry_holds_its_message_and_bytes(self) -> None:
        """What is read again is what was appended."""
        journal = self.make_journal()
        appended = self.fill(journal, 1)[0]
        (read,) = journal.read(0, 1)
        assert read.xml == appended.xml
        assert read.message.key == a_message(0).key
        assert b"<name>data</name>" in read.xml

    def test_what_cannot_be_written_fails_the_deferred(self) -> None:
        """A value that cannot travel is no reason to raise out of `append`, and takes no number."""
        journal = self.make_journal()
        try:
            self.wait_for(journal.append(a_message(data=object())))
        except Co2Error:
            pass
        else:
            raise AssertionError("it was taken")
        assert journal.last_seq == 0


class RosterStoreContract:
    """Every `IRosterStore`; inherit and give `make_store` and `reopen`."""

    def make_store(self) -> Any:
        """Give a new, empty store."""
        raise NotImplementedError

    def reopen(self, store: Any) -> Any:
        """Give the store as a server finds it after its end."""
        return store

    def test_it_provides_the_roster_store(self) -> None:
        """It has every name of IRosterStore, with the same arguments."""
        verifyObject(IRosterStore, self.make_store())

    def test_a_new_store_holds_nobody(self) -> None:
        """There is nothing to load at first."""
        assert self.make_store().load() == []

    def test_what_was_kept_is_there_after_a_restart(self) -> None:
        """Every field of a registration survives."""
        store = self.make_store()
        one = a_registration(
            "one", proof=b"p" * 32, nil=True, properties={"version": "1", "list": [1]}
        )
        token = "n" * 20
        other = a_registration(
            "other", 2006, ip="fe80::1", co2=True, relays_others=True, notify_token=token
        )
        store.keep(one)
        store.keep(other)
        assert sorted(self.reopen(store).load(), key=lambda each: each.random) == [one, other]

    def test_keeping_again_replaces(self) -> None:
        """There is one registration for a random part: the last."""
        store = self.make_store()
        store.keep(a_registration("one"))
        moved = a_registration("one", 2999, state=HostState.AWAY, epoch=2)
        store.keep(moved)
        assert self.reopen(store).load() == [moved]

    def test_what_was_forgotten_is_not_there_after_a_restart(self) -> None:
        """A forgotten registration is gone, and an unknown one is no error."""
        store = self.make_store()
        store.keep(a_registration("one"))
        store.forget("one")
        store.forget("never seen")
        assert self.reopen(store).load() == []


class IdentityStoreContract:
    """Every `IIdentityStore`; inherit and give `make_store` and `reopen`."""

    def make_store(self) -> Any:
        """Give a new, empty store."""
        raise NotImplementedError

    def reopen(self, store: Any) -> Any:
        """Give the store as a server finds it after its end."""
        return store

    def test_it_provides_the_identity_store(self) -> None:
        """It has every name of IIdentityStore, with the same arguments."""
        verifyObject(IIdentityStore, self.make_store())

    def test_an_identity_is_drawn_once(self) -> None:
        """Whoever asks first draws; all others get the same, after a restart too."""
        store = self.make_store()
        first = store.identity(lambda: Identity("r", "s" * 22))
        assert first == Identity("r", "s" * 22)
        assert store.identity(_not_drawn) == first
        assert self.reopen(store).identity(_not_drawn) == first


def _not_drawn() -> Identity:
    raise AssertionError("an identity was drawn a second time")


class BackoffContract:
    """Every `IBackoff`; inherit and give `make_backoff`."""

    def make_backoff(self) -> Any:
        """Give a new one."""
        raise NotImplementedError

    def test_it_provides_the_backoff(self) -> None:
        """It has every name of IBackoff, with the same arguments."""
        verifyObject(IBackoff, self.make_backoff())

    def test_a_wait_is_above_nothing_and_bounded(self) -> None:
        """However often it fails, a wait is a positive number of seconds, below ten minutes."""
        backoff = self.make_backoff()
        assert all(0 < backoff.next() < 600 for _ in range(200))

    def test_after_a_success_waits_begin_anew(self) -> None:
        """The first wait after a reset is no longer than the longest first wait."""
        backoff = self.make_backoff()
        first = backoff.next()
        for _ in range(20):
            longest = backoff.next()
        backoff.reset()
        assert backoff.next() <= max(2 * first, longest / 2)


class ReceiverContract:
    """Every `IReceiver`; inherit and give `make_receiver`."""

    def make_receiver(self) -> Any:
        """Give one that wants messages."""
        raise NotImplementedError

    def test_it_provides_the_receiver(self) -> None:
        """It has every name of IReceiver, with the same arguments."""
        verifyObject(IReceiver, self.make_receiver())

    def test_it_answers_with_a_word(self) -> None:
        """A message that is taken without trouble is answered 'ok', now or by a Deferred."""
        answer = self.make_receiver().deliver({"data": 1})
        assert (result_of(answer) if isinstance(answer, Deferred) else answer) == "ok"
