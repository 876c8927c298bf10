"""What an inbox keeps its mail by: in memory, and on disk."""

from __future__ import annotations

import pytest
from journal_room import Shelf
from twisted.internet.defer import maybeDeferred

from co2.errors import JournalFailed
from co2.net.taken_notes import TakenNotes
from co2.net.taken_sqlite import SqliteTaken
from co2.satellite.in_hand import InHand
from co2.satellite.inbox import Inbox
from co2.satellite.taken import MemoryTaken
from co2.testing.journal_contract import TakenContract

pytestmark = pytest.mark.usefixtures("logged_failures")


class TestMemoryTaken(TakenContract):
    """In memory, kept by a test over what stands for a process's end."""

    def make_taken(self):
        return MemoryTaken(outlives=True)

    def reopen(self, taken):
        taken.restart()
        return taken


class TestSqliteTaken(TakenContract):
    """On disk."""

    @pytest.fixture(autouse=True)
    def on_a_shelf(self, tmp_path):
        self.shelf = Shelf(tmp_path)
        self.notes = []
        yield
        self.shelf.close()
        for one in self.notes:
            one.close()

    def make_taken(self):
        self.notes.append(TakenNotes(self.shelf.path.with_name("taken.notes")))
        return SqliteTaken(self.shelf.open(), self.notes[-1])

    def wait_for(self, deferred):
        return self.shelf.wait_for(deferred)

    def reopen(self, taken):
        self.shelf.close()
        return self.make_taken()

    def test_what_plugins_are_done_with_outlives_a_kill(self):
        """Its commit has not begun when the process dies: it is known by its note."""
        taken = self.make_taken()
        for number in range(3):
            self.wait_for(taken.begin(("a", str(number)), b"d"))
        taken.finish(("a", "0"), {"id": "0", "plugins": {"p": "ok"}})
        taken.finish(("a", "1"), {"id": "1", "plugins": {"p": "raised: é\n"}})
        later = self.make_taken()
        assert later.known(("a", "0")) == (b"d", {"id": "0", "plugins": {"p": "ok"}}, False)
        assert later.known(("a", "1")).answer["plugins"] == {"p": "raised: é\n"}
        assert later.known(("a", "2")) == (b"d", None, False)
        self.shelf.settle()
        rows = self.shelf.rows("SELECT id FROM taken WHERE answer IS NOT NULL ORDER BY id")
        assert rows == [("0",), ("1",)]
        assert later.known(("a", "0")).answer["id"] == "0"

    def test_a_full_disk_begins_nothing(self):
        """The message was not here: no plugin has seen it, and the next try is a first one."""
        taken = self.make_taken()
        self.wait_for(taken.begin(("a", "0"), b"d"))
        self.shelf.fill_disk()
        begun = [taken.begin(("a", str(number)), b"d" * 50_000) for number in range(1, 4)]
        for number, one in enumerate(begun, 1):
            with pytest.raises(JournalFailed):
                self.wait_for(one)
            assert taken.known(("a", str(number))) is None
        self.shelf.free_disk()
        self.shelf.reactor.pass_time(2.0)
        self.wait_for(taken.begin(("a", "1"), b"d"))
        assert taken.known(("a", "1")).running

    def test_an_answer_that_cannot_be_written_is_known_all_the_same(self):
        """As long as this host lives it runs nothing twice."""
        taken = self.make_taken()
        self.wait_for(taken.begin(("a", "1"), b"d"))
        self.shelf.fill_disk()
        answer = {"id": "1", "plugins": {"p": "x" * 100_000}}
        with pytest.raises(JournalFailed):
            self.wait_for(taken.finish(("a", "1"), answer))
        assert taken.known(("a", "1")) == (b"d", answer, False)

    def test_the_oldest_are_forgotten(self, monkeypatch):
        """The file is bounded."""
        monkeypatch.setattr("co2.net.taken_sqlite._REMEMBERED", 20)
        monkeypatch.setattr("co2.net.taken_sqlite._CLEAN_EVERY", 10)
        taken = self.make_taken()
        for number in range(100):
            self.wait_for(taken.begin(("a", str(number)), b"d"))
            self.wait_for(taken.finish(("a", str(number)), {}))
        ((count,),) = self.shelf.rows("SELECT count(*) FROM taken")
        assert count <= 30
        assert taken.known(("a", "99")) is not None
        assert taken.known(("a", "1")) is None

    def test_what_is_collected_together_is_committed_together(self):
        """A hundred messages of one answer take two commits, and plugins see them in order."""
        seen = []
        plugin = RecordingReceiver(seen)
        inbox = Inbox(lambda: [plugin], lambda: "made", self.make_taken(), self.shelf.reactor)
        commits = []
        self.shelf.open_files[-1]._writer._connection.set_trace_callback(
            lambda sql: commits.append(sql) if sql == "COMMIT" else None
        )
        hand = InHand()
        for number in range(1, 101):
            message = {"id": f"m{number}", "host_id": "a@10.0.0.9:1", "data": number}
            hand.take(number, maybeDeferred(inbox.take, message, "10.0.0.1", 2004))
        hand.reach(100)
        self.wait_for(hand.quiet())
        assert seen == list(range(1, 101))
        assert hand.after == 100
        assert len(commits) == 2


class RecordingReceiver:
    """A plugin as an inbox sees it."""

    name = "p"
    receives = True

    def __init__(self, seen):
        self.seen = seen

    def wants(self, topic, superseded):
        return True

    def deliver(self, struct):
        self.seen.append(struct["data"])
        return "ok"
