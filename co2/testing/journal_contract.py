"""What every journal that is a ledger too must do, and everything that an inbox keeps its mail by.

    class TestMemoryJournal(LedgerContract):
        def make_journal(self):
            return MemoryJournal('j1', 50, 1_000_000)

Each contract can be asked for a restart: `reopen` gives what the next process finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from co2.interfaces import ILedger, ITaken
from co2.model.messages import Cursor, Message, Outcome, digest_of
from co2.testing.contracts import JournalContract
from co2.testing.samples import a_message, result_of


class LedgerContract(JournalContract):
    """Every `IJournal` of a relay that is an `ILedger` too."""

    def reopen(self, journal: Any) -> Any:
        """Give the journal as the next process finds it."""
        return journal

    def before_and_after(self, journal: Any) -> Iterator[Any]:
        """Give the journal, and then what the next process finds."""
        yield journal
        yield self.reopen(journal)

    def keep(self, journal: Any, message: Message) -> int:
        """Append a message, and give its number."""
        return int(self.wait_for(journal.append(message)).seq)

    def test_it_provides_the_ledger(self) -> None:
        """It has every name of ILedger, with the same arguments."""
        verifyObject(ILedger, self.make_journal())

    def test_what_was_appended_is_there_after_a_restart(self) -> None:
        """Numbers, bytes and the journal's id are the same, and numbers go on."""
        journal = self.make_journal()
        entries = self.fill(journal, 3)
        again = self.reopen(journal)
        assert again.journal_id == journal.journal_id
        assert (again.first_seq, again.last_seq) == (1, 3)
        assert [one.xml for one in again.read(0, 10)] == [one.xml for one in entries]
        assert [one.message.key for one in again.read(0, 10)] == [
            one.message.key for one in entries
        ]
        assert self.keep(again, a_message(99)) == 4
        assert [one.seq for one in again.read(2, 10)] == [3, 4]

    def test_it_knows_what_was_here(self) -> None:
        """By author and id, with the digest of the content; also after a restart."""
        journal = self.make_journal()
        self.fill(journal, 2)
        for one in self.before_and_after(journal):
            assert one.known("author", a_message(1).id) == (2, digest_of(a_message(1)))
            assert one.known("other", a_message(1).id) is None
            assert one.known("author", a_message(9).id) is None

    def test_it_finds_messages_by_their_id(self) -> None:
        """Of whatever authors: an id is unique with its author only."""
        journal = self.make_journal()
        self.keep(journal, a_message(1))
        self.keep(journal, a_message(1, "other"))
        for one in self.before_and_after(journal):
            found = one.find(a_message(1).id)
            assert sorted(kept.entry.message.host_id.random for kept in found) == [
                "author",
                "other",
            ]
            assert not any(kept.expired for kept in found)
            assert one.find("never") == []

    def test_it_tells_the_newest_of_an_author_and_of_a_topic(self) -> None:
        """Other authors and other topics are not meant."""
        journal = self.make_journal()
        for number, topic in enumerate(("a", "b", "a", None)):
            self.keep(journal, evolve(a_message(number), topic=topic))
        self.keep(journal, evolve(a_message(7, "other"), topic="a"))
        for one in self.before_and_after(journal):
            assert one.latest("author").seq == 4
            assert one.latest("author", "a").seq == 3
            assert one.latest("author", "never") is None
            assert one.latest("nobody") is None

    def test_the_last_value_of_each_author_and_topic_is_retained(self) -> None:
        """The newest that asked for it, oldest first; one that did not ask replaces nothing."""
        journal = self.make_journal()
        for number, (topic, retain) in enumerate(
            [("a", True), ("b", True), ("a", True), ("b", False), (None, True)]
        ):
            self.keep(journal, evolve(a_message(number), topic=topic, retain=retain))
        for one in self.before_and_after(journal):
            assert [entry.seq for entry in one.retained()] == [2, 3, 5]

    def test_cursors_are_kept(self) -> None:
        """How far everybody has come, until they are forgotten."""
        journal = self.make_journal()
        self.fill(journal, 5)
        journal.keep_cursor("one", Cursor(0, 3))
        journal.keep_cursor("other", Cursor(1, 1, False))
        journal.keep_cursor("one", Cursor(0, 4))
        again = self.reopen(journal)
        assert again.cursors() == {"one": Cursor(0, 4), "other": Cursor(1, 1, False)}
        again.forget_cursor("one")
        again.forget_cursor("never seen")
        assert self.reopen(again).cursors() == {"other": Cursor(1, 1, False)}

    def test_outcomes_are_kept(self) -> None:
        """What went otherwise, by message and satellite, until the satellite is forgotten."""
        journal = self.make_journal()
        self.fill(journal, 2)
        raised, refused = Outcome("raised", "p: raised", 5.0, 0), Outcome("refused", "no", 6.0, 1)
        journal.keep_outcome(1, "one", raised)
        journal.keep_outcome(1, "other", refused)
        again = self.reopen(journal)
        assert again.outcomes(1) == {"one": raised, "other": refused}
        assert again.outcomes(2) == {}
        again.forget_cursor("one")
        assert self.reopen(again).outcomes(1) == {"other": refused}

    def test_pruning_keeps_what_there_is_room_for(self) -> None:
        """Within its bounds nothing leaves."""
        journal = self.make_journal()
        self.fill(journal, 20)
        journal.prune(1000.0, {"lags": 0})
        assert len(journal.read(0, 100)) == 20


class TakenContract:
    """Every `ITaken`; inherit and give `make_taken` and `reopen`."""

    def make_taken(self) -> Any:
        """Give a new, empty one."""
        raise NotImplementedError

    def reopen(self, taken: Any) -> Any:
        """Give it as the next process finds it, after the former one was killed."""
        return taken

    def wait_for(self, deferred: Deferred[Any] | None) -> Any:
        """Give a Deferred's result; override it where that takes more than looking."""
        return None if deferred is None else result_of(deferred)

    def test_it_provides_the_interface(self) -> None:
        """It has every name of ITaken, with the same arguments."""
        verifyObject(ITaken, self.make_taken())

    def test_what_is_new_is_not_known(self) -> None:
        """Another author's message with the same id is another message."""
        taken = self.make_taken()
        self.wait_for(taken.begin(("a", "1"), b"d"))
        assert taken.known(("a", "2")) is None
        assert taken.known(("b", "1")) is None

    def test_what_was_begun_runs(self) -> None:
        """Its digest is known at once, its answer is not."""
        taken = self.make_taken()
        begun = taken.begin(("a", "1"), b"d")
        assert taken.known(("a", "1")) == (b"d", None, True)
        self.wait_for(begun)
        assert taken.known(("a", "1")) == (b"d", None, True)

    def test_what_was_finished_has_an_answer(self) -> None:
        """The same one for as long as it is known, after a restart too."""
        taken = self.make_taken()
        answer = {"id": "1", "plugins": {"p": "ok", "é": "raised: ü"}}
        self.wait_for(taken.begin(("a", "1"), b"d"))
        self.wait_for(taken.finish(("a", "1"), answer))
        assert taken.known(("a", "1")) == (b"d", answer, False)
        assert self.reopen(taken).known(("a", "1")) == (b"d", answer, False)

    def test_what_died_in_between_is_known_and_does_not_run(self) -> None:
        """It may be begun again, and finished then."""
        taken = self.make_taken()
        self.wait_for(taken.begin(("a", "1"), b"d"))
        again = self.reopen(taken)
        assert again.known(("a", "1")) == (b"d", None, False)
        self.wait_for(again.begin(("a", "1"), b"d"))
        assert again.known(("a", "1")).running
        self.wait_for(again.finish(("a", "1"), {"id": "1"}))
        assert self.reopen(again).known(("a", "1")).answer == {"id": "1"}
