"""co2.satellite.inbox: from whom, whether for the first time, and to which plugins."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.task import Clock

from co2.delivery.doors import Doors
from co2.errors import (
    ConflictingDuplicate,
    InvalidParams,
    JournalFailed,
    ShuttingDown,
    Spoofed,
)
from co2.model.calls import Caller, Level
from co2.model.topics import TopicFilter
from co2.satellite.inbox import Inbox
from co2.satellite.taken import MemoryTaken
from co2.testing.contracts import ReceiverContract
from co2.testing.plugins import RecordingReceiver
from co2.testing.samples import result_of
from co2.wire.xmlrpc import encode_value

pytestmark = pytest.mark.usefixtures("logged_failures")

RELAY, PEER = "r" * 20, "p" * 20


class TestRecordingReceiver(ReceiverContract):
    """The double that these tests use."""

    def make_receiver(self):
        return RecordingReceiver()


class Room:
    """An inbox that expects a relay and a peer, and its plugins."""

    def __init__(self, *receivers, taken=None):
        self.receivers = list(receivers) or [RecordingReceiver()]
        self.taken = taken or MemoryTaken()
        self.clock = Clock()
        self.inbox = Inbox(lambda: self.receivers, lambda: "MADE", self.taken, self.clock)
        self.doors = Doors()
        self.doors.open(RELAY, self.inbox.take)
        self.doors.open(PEER, self.inbox.take_from_peer)

    def take(self, data=1, ip="10.0.0.1", **more):
        struct = {"id": "1", "host_id": "them@10.0.0.9:2004", "data": data, "token": RELAY, **more}
        struct = {name: value for name, value in struct.items() if value is not None}
        return self.doors.notify(Caller(Level.OPEN, ip, 4000, "stranger"), struct)

    @property
    def received(self):
        return self.receivers[0].received


def test_the_relay_may_bring_messages_of_anybody():
    """Its token is enough; plugins see the author, the source, and no token."""
    room = Room()
    answer = room.take({"a": 1}, topic="t")
    assert answer == {"id": "1", "plugins": {"bench.bench.X_Receiver": "ok"}}
    (struct,) = room.received
    assert struct["client_address"] == ("10.0.0.1", 4000)
    assert struct["host_id"] == "them@10.0.0.9:2004"
    assert struct["topic"] == "t"
    assert "token" not in struct


def test_a_peer_brings_its_own_messages_only():
    """A listed peer's secret counts from the address that the message names."""
    room = Room()
    assert room.take(token=PEER, ip="10.0.0.9")["id"] == "1"
    with pytest.raises(Spoofed, match=r"10\.0\.0\.1"):
        room.take(token=PEER, ip="10.0.0.1")
    assert len(room.received) == 1


@pytest.mark.parametrize("token", [None, "", "wrong", 5, RELAY[:-1]])
def test_nobody_else_may_notify(token):
    """Without the right token nothing runs, and the fault holds no secret."""
    room = Room()
    with pytest.raises(Spoofed) as refused:
        room.take(token=token)
    assert RELAY not in refused.value.text
    assert room.received == []


def test_a_secret_never_reaches_a_plugin():
    """Both of the members that hold one are taken out."""
    room = Room()
    room.take(secret="hidden")
    assert "secret" not in room.received[0]


@pytest.mark.parametrize("more", [{"host_id": None}, {"host_id": "x"}, {"id": 5}])
def test_what_is_no_message_is_refused(more):
    """The fault says what is wrong, and nothing runs."""
    room = Room()
    with pytest.raises(InvalidParams):
        room.take(**more)
    assert room.received == []


def test_a_message_needs_data():
    """Data may be anything but absent."""
    room = Room()
    with pytest.raises(InvalidParams, match="data"):
        room.inbox.take({"host_id": "a@1.2.3.4:5", "token": RELAY}, "1.2.3.4", 1)


def test_a_2003_message_gets_an_id():
    """`host_id` and `data` are enough."""
    room = Room()
    assert room.take(id=None)["id"] == "MADE"
    assert room.received[0]["id"] == "MADE"


def test_a_duplicate_runs_nothing_and_is_answered_the_same():
    """At least once on the way, once in the plugin."""
    room = Room()
    first = room.take()
    assert room.take(redelivered=True) == first
    assert len(room.received) == 1


def test_the_key_is_author_and_id():
    """The same id of another author is another message; so it is after that author has moved."""
    room = Room()
    room.take()
    room.take(host_id="others@10.0.0.9:2004")
    room.take(host_id="them@10.0.0.77:1")
    assert len(room.received) == 2


def test_the_same_id_with_another_content_is_a_fault():
    """Ids are made once."""
    room = Room()
    room.take(1)
    with pytest.raises(ConflictingDuplicate):
        room.take(2)
    with pytest.raises(ConflictingDuplicate):
        room.take(1, topic="other")


def test_encoded_data_are_told_apart_by_their_bytes():
    """What came as bytes is compared as bytes, and reaches plugins as a value."""
    room = Room()
    first = room.take(encode_value({"a": 1}))
    assert room.received[0]["data"] == {"a": 1}
    assert room.take(encode_value({"a": 1})) == first
    with pytest.raises(ConflictingDuplicate):
        room.take(encode_value({"a": 2}))


def test_plugins_do_not_see_what_others_did_to_a_message():
    """Each has a copy of its own, all the way down."""

    class Vandal(RecordingReceiver):
        def deliver(self, struct):
            super().deliver({"data": struct["data"]["list"][0]})
            struct["data"]["list"].clear()
            struct.clear()
            return "ok"

    receivers = [Vandal("a"), Vandal("b"), Vandal("c")]
    room = Room(*receivers)
    room.take({"list": [{"x": 1}]})
    assert [one.received for one in receivers] == [[{"data": {"x": 1}}]] * 3


def test_a_plugin_that_wants_nothing_is_skipped():
    """It is named in the answer, and not called."""
    idle = RecordingReceiver("idle", receives=False)
    room = Room(RecordingReceiver("busy"), idle)
    assert room.take()["plugins"] == {"busy": "ok", "idle": "skipped"}
    assert idle.received == []


def test_one_that_takes_long_does_not_keep_the_others_waiting():
    """All plugins have the message at once; the answer comes when the last is done."""
    slow, quick = RecordingReceiver("slow"), RecordingReceiver("quick")
    slow.answer = Deferred()
    room = Room(slow, quick)
    answer = room.take()
    assert len(quick.received) == 1
    assert not answer.called
    slow.answer.callback("timeout")
    assert result_of(answer)["plugins"] == {"slow": "timeout", "quick": "ok"}


def test_a_duplicate_of_one_that_is_under_way_waits_for_it():
    """Nothing runs twice, and both callers get the answer."""
    room = Room()
    room.receivers[0].answer = Deferred()
    first, second = room.take(), room.take()
    assert len(room.received) == 1
    room.receivers[0].answer.callback("ok")
    assert result_of(first) == result_of(second)
    assert room.take() == result_of(second)


def test_who_brings_it_waits_no_longer_than_it_says():
    """It hears that a plugin is at it, and by asking again what became of it; it is run once."""
    room = Room()
    slow = room.receivers[0].answer = Deferred()
    given = room.take(patience=0.25)
    room.clock.advance(0.2)
    assert not given.called
    room.clock.advance(0.1)
    assert result_of(given) == {"id": "1", "pending": True}
    again = room.take(patience=0.25)
    slow.callback("raised: late")
    assert result_of(again)["plugins"] == {"bench.bench.X_Receiver": "raised: late"}
    assert room.take(patience=0.25) == result_of(again)
    assert len(room.received) == 1
    assert "patience" not in room.received[0]
    assert room.clock.getDelayedCalls() == []


def test_one_that_plugins_do_not_have_yet_is_waited_for():
    """If it could not be written after all, what comes behind must not have gone ahead."""
    room = Room()
    writing, begin = Deferred(), room.taken.begin
    room.taken.begin = lambda key, digest: begin(key, digest) or writing
    given = room.take(patience=0.25)
    room.clock.pump([0.25] * 8)
    assert not given.called
    writing.errback(JournalFailed("the disk is full", retry_after=1.0))
    with pytest.raises(JournalFailed):
        result_of(given)
    assert room.clock.getDelayedCalls() == []


def test_who_is_impatient_and_leaves_leaves_no_timer():
    """The plugin goes on."""
    room = Room()
    room.receivers[0].answer = Deferred()
    given = room.take(patience=0.25)
    given.cancel()
    given.addErrback(lambda _: None)
    assert room.clock.getDelayedCalls() == []
    room.receivers[0].answer.callback("ok")


def test_a_caller_that_leaves_disturbs_nobody():
    """Cancelling one notify leaves the plugin at work and the other callers waiting."""
    room = Room()
    cancelled: list = []
    room.receivers[0].answer = Deferred(cancelled.append)
    first, second = room.take(), room.take()
    first.cancel()
    with pytest.raises(CancelledError):
        result_of(first)
    assert cancelled == []
    room.receivers[0].answer.callback("ok")
    assert result_of(second)["plugins"]["bench.bench.X_Receiver"] == "ok"


def test_closed_it_takes_nothing_and_says_when_to_come_again():
    """A host that stops leaves messages to whoever brings them."""
    room = Room()
    room.inbox.close()
    with pytest.raises(ShuttingDown) as refused:
        room.take()
    assert refused.value.retry_after > 0
    assert room.received == []


def test_what_died_in_the_middle_is_run_once_more_and_marked():
    """The next process knows that plugins may have seen it."""
    taken = MemoryTaken(outlives=True)
    first = Room(taken=taken)
    first.receivers[0].answer = Deferred()
    first.take()
    taken.restart()
    again = Room(taken=taken)
    assert again.take()["plugins"] == {"bench.bench.X_Receiver": "ok"}
    assert [one.get("redelivered") for one in again.received] == [True]
    assert again.take(redelivered=True)["id"] == "1"
    assert len(again.received) == 1


def test_one_that_was_never_here_is_not_marked_whatever_the_sender_fears():
    """A host that keeps what it had knows better; one that keeps nothing does not."""
    room = Room(taken=MemoryTaken(outlives=True))
    room.take(redelivered=True)
    assert "redelivered" not in room.received[0]
    forgetful = Room(taken=MemoryTaken())
    forgetful.take(redelivered=True)
    assert forgetful.received[0]["redelivered"] is True


def test_what_cannot_be_noted_is_not_run():
    """The sender is told to come again, and the next try is a first one."""

    class Failing(MemoryTaken):
        fails = True

        def begin(self, key, digest):
            if self.fails:
                return fail(JournalFailed("the disk is full", retry_after=5.0))
            return super().begin(key, digest)

    taken = Failing()
    room = Room(taken=taken)
    with pytest.raises(JournalFailed):
        result_of(room.take())
    assert (room.received, room.inbox._running) == ([], {})
    taken.fails = False
    assert room.take()["id"] == "1"


def test_what_servers_say_to_each_other_is_hidden():
    """Plugins get the message."""
    room = Room()
    room.take(hops=["r"], after="0", superseded=True)
    assert not {"hops", "after", "superseded", "token"} & set(room.received[0])


def test_who_wants_the_newest_only_skips_what_is_superseded():
    """And topics are each plugin's own."""
    newest, lights = RecordingReceiver("a.a.X_A"), RecordingReceiver("b.b.X_B")
    newest.newest = True
    lights.topics = TopicFilter(["lights.>"])
    room = Room(newest, lights)
    answer = room.take(topic="lights.hall", superseded=True)
    assert answer["plugins"] == {"a.a.X_A": "skipped", "b.b.X_B": "ok"}
    assert room.take(id="2", topic="sound")["plugins"] == {"a.a.X_A": "ok", "b.b.X_B": "skipped"}
