"""co2.delivery.one_at_a_time: a host with one thread is asked one thing at a time."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from co2.delivery.one_at_a_time import OneAtATime
from co2.errors import TimedOut, TransportFailed
from co2.model.hosts import Address
from co2.testing.network import MemoryNetwork
from co2.testing.peer_contract import PeerContract
from co2.testing.samples import result_of

pytestmark = pytest.mark.usefixtures("logged_failures")

A, B = Address("10.0.0.1", 2004), Address("10.0.0.2", 2004)


class _Wrapping:
    """A network whose peers are all asked one thing at a time."""

    def __init__(self, network):
        self._network = network

    def peer(self, address, authorization=None):
        return OneAtATime(self._network.peer(address, authorization), self._network.clock)


class TestOneAtATime(PeerContract):
    """It is a peer like others, except that nothing is written ahead."""

    test_they_provide_the_interfaces = None
    test_what_was_written_behind_a_late_one_fails_too = None
    test_a_cancelled_post_fails_what_was_written_behind_it = None

    def make_network(self):
        self.network = MemoryNetwork()
        return _Wrapping(self.network)

    def serve(self, answer):
        self.network.attach(A, lambda body, claim: answer(body))
        return A

    def nowhere(self):
        return B

    def pump(self, seconds):
        self.network.clock.pass_time(seconds)


class Line:
    """One such peer, and a server that answers when it is told to."""

    def __init__(self):
        self.network = MemoryNetwork()
        self.asked: list[bytes] = []
        self.cancelled: list[bytes] = []
        self.waiting: list[Deferred[bytes]] = []
        self.network.attach(A, self.answer)
        self.inner = self.network.peer(A)
        self.peer = OneAtATime(self.inner, self.network.clock)

    def answer(self, body, claim):
        self.asked.append(body)
        deferred = Deferred(lambda _: self.cancelled.append(body))
        self.waiting.append(deferred)
        return deferred

    def post(self, body, timeout=10.0):
        return self.peer.post((body,), timeout)

    def pass_time(self, seconds=0.1):
        self.network.clock.pass_time(seconds)


def test_the_next_is_written_when_the_one_before_is_answered():
    """Nothing is in the peer but the one post that is asked now."""
    line = Line()
    first, second = line.post(b"1"), line.post(b"2")
    line.pass_time()
    assert line.inner.posted == [b"1"]
    line.waiting[0].callback(b"one")
    line.pass_time()
    assert result_of(first) == b"one"
    assert line.inner.posted == [b"1", b"2"]
    line.waiting[1].callback(b"two")
    line.pass_time()
    assert result_of(second) == b"two"


def test_time_runs_while_a_post_waits_for_its_turn():
    """A post that waits longer than its time fails at its time, and is never written."""
    line = Line()
    line.post(b"1", 100.0).addErrback(lambda _: None)
    late = line.post(b"2", 1.0)
    line.pass_time(0.9)
    assert not late.called
    line.pass_time(0.2)
    with pytest.raises(TimedOut):
        result_of(late)
    line.waiting[0].callback(b"one")
    line.pass_time()
    assert line.inner.posted == [b"1"]


def test_a_post_has_only_what_is_left_of_its_time():
    """The wait for the turn counts."""
    line = Line()
    line.post(b"1")
    late = line.post(b"2", 2.0)
    line.pass_time(1.5)
    line.waiting[0].callback(b"one")
    line.pass_time(0.4)
    assert not late.called
    line.pass_time(0.2)
    with pytest.raises(TimedOut):
        result_of(late)


def test_cancelling_the_one_that_is_asked_lets_the_next_go():
    """The connection is closed, as IPeer says, and the next post has a new one."""
    line = Line()
    first, second = line.post(b"1", 100.0), line.post(b"2", 100.0)
    line.pass_time()
    first.cancel()
    with pytest.raises(CancelledError):
        result_of(first)
    line.pass_time()
    assert line.cancelled == [b"1"]
    assert line.asked == [b"1", b"2"]
    line.waiting[1].callback(b"two")
    line.pass_time()
    assert result_of(second) == b"two"


def test_cancelling_one_that_waits_leaves_the_others():
    """It is never written."""
    line = Line()
    line.post(b"1")
    second, third = line.post(b"2"), line.post(b"3")
    second.cancel()
    with pytest.raises(CancelledError):
        result_of(second)
    line.pass_time()
    line.waiting[0].callback(b"one")
    line.pass_time()
    line.waiting[1].callback(b"three")
    line.pass_time()
    assert result_of(third) == b"three"
    assert line.inner.posted == [b"1", b"3"]


def test_closing_fails_all_and_leaves_no_timer():
    """What is asked and what waits fail with TransportFailed; so does what comes."""
    line = Line()
    posts = [line.post(b"1"), line.post(b"2"), line.post(b"3")]
    line.pass_time()
    line.peer.close()
    for post in [*posts, line.post(b"4")]:
        with pytest.raises(TransportFailed):
            result_of(post)
    line.pass_time(1.0)
    assert line.network.clock.getDelayedCalls() == []
