"""co2.satellite.collector: the loop of a host that nobody can connect to."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed

from co2.delivery.backoff import Backoff
from co2.errors import (
    ConflictingDuplicate,
    JournalFailed,
    NotRegistered,
    ShuttingDown,
    TransportFailed,
)
from co2.model.hosts import Address
from co2.satellite.collector import Collector
from co2.satellite.handed_calls import HandedCalls
from co2.testing.clock import ClockReactor
from co2.wire.xmlrpc import decode_call, encode_fault, encode_reply, encode_value

pytestmark = pytest.mark.usefixtures("logged_failures")


class Relay:
    """The relay as a peer, whose answers a test gives by hand."""

    address = Address("10.0.0.1", 2004)

    def __init__(self):
        self.asked: list = []
        self.answers: list[Deferred] = []
        self.closed = 0

    def post(self, parts, timeout):
        call = decode_call(b"".join(parts))
        self.asked.append((call.method, call.params[0]))
        self.answers.append(Deferred())
        return self.answers[-1]

    def close(self):
        self.closed += 1
        return succeed(None)

    def last(self, method="relay.collect"):
        return [struct for name, struct in self.asked if name == method][-1]

    def give(self, index, messages=(), calls=(), after=0, **more):
        answer = {"messages": list(messages), "calls": list(calls), "after": after, **more}
        self.answers[index].callback(encode_reply(answer))


class Loop:
    """A collector and what it hands over."""

    def __init__(self):
        self.relay = Relay()
        self.answers = Relay()
        self.clock = ClockReactor()
        self.taken: list = []
        self.lost: list = []
        self.refuses: set[int] = set()
        self.outcomes: list[Deferred] = []
        self.outcome: object = {"id": "1", "plugins": {"p": "ok"}}
        self.result: object = 42
        self.collector = Collector(
            self.relay,
            self.clock,
            Backoff(lambda: 0.999999, first=1.0, longest=8.0),
            self.proof,
            self.take,
            HandedCalls(
                self.answers, self.proof, self.call, 10.0, self.clock, lambda: Backoff(lambda: 0.5)
            ),
            lambda: self.lost.append(1),
            10.0,
        )
        self.collector.start()

    def proof(self):
        return {"host_id": "me@10.0.0.2:1", "token": "t" * 20}

    def take(self, message):
        self.taken.append(message["data"])
        if message["seq"] in self.refuses:
            raise ShuttingDown("stopping", retry_after=1.0)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcomes.pop(0) if self.outcomes else self.outcome

    def call(self, call):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def a_struct(seq):
    return {"id": str(seq), "seq": seq, "host_id": "a@10.0.0.1:1", "data": seq}


def test_it_asks_again_with_what_it_has_and_what_became_of_it():
    """The number and the receipts go with the next request."""
    loop = Loop()
    assert (loop.relay.last()["after"], loop.relay.last()["receipts"]) == (0, [])
    loop.relay.give(0, [a_struct(3), a_struct(4)], after=7)
    assert loop.taken == [3, 4]
    asked = loop.relay.last()
    assert asked["after"] == 7
    assert asked["receipts"] == [
        {"seq": 3, "plugins": {"p": "ok"}},
        {"seq": 4, "plugins": {"p": "ok"}},
    ]
    assert (asked["host_id"], asked["token"]) == ("me@10.0.0.2:1", "t" * 20)


def test_the_messages_of_an_answer_are_handed_over_together():
    """In order and in one turn, so that they are written together; then all are waited for."""
    loop = Loop()
    slow = [Deferred(), Deferred(), Deferred()]
    loop.outcomes = list(slow)
    loop.relay.give(0, [a_struct(1), a_struct(2), a_struct(3)], after=3)
    assert loop.taken == [1, 2, 3]
    for one in reversed(slow):
        assert len(loop.relay.asked) == 1
        one.callback({"plugins": {"p": "ok"}})
    assert loop.relay.last()["after"] == 3
    assert [one["seq"] for one in loop.relay.last()["receipts"]] == [1, 2, 3]


def test_a_slow_plugin_keeps_nothing_from_the_others():
    """What is behind comes meanwhile, is not acknowledged before it, and not asked for twice."""
    loop = Loop()
    loop.outcome = slow = Deferred()
    loop.relay.give(0, [a_struct(1)], after=1)
    loop.outcome = {"plugins": {}}
    assert len(loop.relay.asked) == 1
    loop.clock.pass_time(0.3)
    asked = loop.relay.last()
    assert (asked["after"], asked["have"], asked["wait"], asked["receipts"]) == (0, 1, 1.0, [])
    loop.relay.give(1, [a_struct(2)], after=2)
    assert loop.taken == [1, 2]
    loop.clock.pass_time(0.3)
    assert (loop.relay.last()["after"], loop.relay.last()["have"]) == (0, 2)
    slow.callback({"plugins": {"p": "ok"}})
    loop.relay.give(2, after=2)
    asked = loop.relay.last()
    assert (asked["after"], asked["have"], asked["wait"]) == (2, 2, 25.0)
    assert [one["seq"] for one in asked["receipts"]] == [1, 2]


def test_what_is_not_taken_for_now_is_not_acknowledged():
    """A host that stops, or whose disk is full, gets it again; what came before it counts."""
    loop = Loop()
    loop.refuses = {2, 3}
    loop.relay.give(0, [a_struct(1), a_struct(2), a_struct(3)], after=3)
    assert loop.taken == [1, 2, 3]
    assert len(loop.relay.asked) == 1
    loop.refuses = set()
    loop.clock.pass_time(2.0)
    assert (loop.relay.last()["after"], loop.relay.last()["have"]) == (1, 1)
    assert [one["seq"] for one in loop.relay.last()["receipts"]] == [1]
    loop.relay.give(1, [a_struct(2), a_struct(3)], after=3)
    assert loop.taken == [1, 2, 3, 2, 3]
    assert loop.relay.last()["after"] == 3


def test_nothing_is_taken_behind_what_was_not():
    """Also if that is known only when the next answer has come: the order is kept."""
    loop = Loop()
    loop.outcome = slow = Deferred()
    loop.relay.give(0, [a_struct(1)], after=1)
    loop.clock.pass_time(0.3)
    slow.errback(JournalFailed("the disk is full", retry_after=1.0))
    loop.outcome = {"plugins": {}}
    loop.relay.give(1, [a_struct(2)], after=2)
    assert loop.taken == [1]
    loop.clock.pass_time(2.0)
    assert (loop.relay.last()["after"], loop.relay.last()["have"]) == (0, 0)
    loop.relay.give(2, [a_struct(1), a_struct(2)], after=2)
    assert loop.taken == [1, 1, 2]


def test_a_mistake_in_taking_ends_nothing(logged_failures):
    """It is logged, told as a refusal, and the next messages go on."""
    loop = Loop()
    loop.outcome = ValueError("a bug")
    loop.relay.give(0, [a_struct(1)], after=1)
    assert len(logged_failures.take(ValueError)) == 1
    assert loop.relay.last()["receipts"][0]["refused"].startswith("its host failed")
    loop.outcome = {"plugins": {}}
    loop.relay.give(1, [a_struct(2)], after=2)
    assert loop.relay.last()["after"] == 2


def test_a_message_as_deep_as_messages_may_be_is_collected():
    """The answer that holds it is deeper than a message by itself may be."""
    loop = Loop()
    data = 1
    for _ in range(62):
        data = [data]
    loop.relay.give(0, [{**a_struct(1), "data": encode_value(data)}], after=1)
    assert loop.taken == [data]


def test_what_is_refused_for_good_is_told():
    """The next goes on."""
    loop = Loop()
    loop.outcome = ConflictingDuplicate("another has that id")
    loop.relay.give(0, [a_struct(1)], after=1)
    asked = loop.relay.last()
    assert asked["after"] == 1
    assert asked["receipts"] == [{"seq": 1, "refused": "another has that id"}]


def test_after_a_failure_it_waits_and_asks_the_same():
    """Receipts included, which the relay may not have got; only who is not known registers."""
    loop = Loop()
    loop.relay.give(0, [a_struct(1)], after=1)
    loop.relay.answers[1].errback(TransportFailed("lost"))
    assert (len(loop.relay.asked), loop.lost) == (2, [])
    loop.clock.pass_time(2.0)
    assert loop.relay.last()["receipts"] == [{"seq": 1, "plugins": {"p": "ok"}}]
    loop.relay.answers[2].callback(encode_fault(NotRegistered("who?").as_fault()))
    assert loop.lost == [1]


@pytest.mark.parametrize("answer", [5, {"messages": []}, {"after": "x"}])
def test_what_is_no_answer_is_a_failure(answer):
    """It asks again later."""
    loop = Loop()
    loop.relay.answers[0].callback(encode_reply(answer))
    assert loop.taken == []
    loop.clock.pass_time(2.0)
    assert len(loop.relay.asked) == 2


def test_calls_are_handed_to_who_runs_them():
    """While the loop goes on, which says what it has heard once the relay has answered it."""
    loop = Loop()
    assert "heard" not in loop.relay.last()
    loop.result = slow = Deferred()
    call = {"call": "c1", "method": "m", "params": [], "caller": {}}
    loop.relay.give(0, calls=[call])
    assert loop.relay.last()["heard"] == ["c1"]
    slow.callback(42)
    assert loop.answers.last("relay.answer")["result"] == 42
    loop.answers.answers[0].callback(encode_reply(True))
    loop.relay.give(1)
    assert loop.relay.last()["heard"] == []


def test_stopped_it_leaves_nothing():
    """Nor does one that waits after a failure; it can be started again."""
    loop = Loop()
    loop.relay.answers[0].errback(TransportFailed("lost"))
    loop.collector.stop()
    assert not loop.collector.running
    assert loop.clock.getDelayedCalls() == []
    loop.collector.start()
    assert loop.collector.running
    loop.collector.close()
    assert (loop.relay.closed, loop.answers.closed) == (1, 1)
    assert loop.clock.getDelayedCalls() == []


def test_numbers_of_one_journal_are_not_shown_for_another():
    """A relay that has swapped addresses with the former one, or has begun a new file."""
    loop = Loop()
    loop.relay.give(0, [a_struct(7)], after=7, journal_id="first")
    asked = loop.relay.last()
    assert (asked["after"], asked["journal_id"], len(asked["receipts"])) == (7, "first", 1)
    loop.relay.give(1, [a_struct(2)], after=2, journal_id="second")
    asked = loop.relay.last()
    assert (asked["after"], asked["have"], asked["journal_id"]) == (2, 2, "second")
    assert [one["seq"] for one in asked["receipts"]] == [2]


def test_numbers_that_the_relay_does_not_know_are_shown_once():
    """Its journal is an older copy: shown for ever, they would keep everything new away."""
    loop = Loop()
    loop.relay.give(0, [a_struct(7)], after=7, journal_id="first")
    loop.relay.give(1, [a_struct(2)], after=2, journal_id="first")
    asked = loop.relay.last()
    assert (asked["after"], asked["have"]) == (2, 2)


def test_a_relay_that_names_no_journal_is_asked_without():
    """One of an older release."""
    loop = Loop()
    loop.relay.give(0, [a_struct(7)], after=7)
    asked = loop.relay.last()
    assert asked["after"] == 7
    assert "journal_id" not in asked
