"""co2.testing.network: hosts in memory keep the promises of IPeer, and break where a test says."""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.defer import Deferred

from co2.errors import TimedOut, TransportFailed
from co2.model.hosts import Address
from co2.testing.fates import Fate, Loss, RandomFates, ScriptedFates
from co2.testing.network import MemoryNetwork
from co2.testing.peer_contract import PeerContract
from co2.testing.samples import result_of

pytestmark = pytest.mark.usefixtures("logged_failures")

A, B, C = (Address(f"10.0.0.{number}", 2004) for number in (1, 2, 3))


class TestMemoryNetwork(PeerContract):
    """The network as it is seen from nowhere in particular."""

    def make_network(self):
        self.network = MemoryNetwork()
        return self.network

    def serve(self, answer):
        self.network.attach(A, lambda body, claim: answer(body))
        return A

    def nowhere(self):
        return B

    def pump(self, seconds):
        self.network.clock.pass_time(seconds)


class TestMemoryHost(TestMemoryNetwork):
    """The network as one of its hosts sees it."""

    def make_network(self):
        return super().make_network().host(C)


class Ends:
    """Two hosts; one of them answers with what it gets, and keeps a list."""

    def __init__(self, fates=None):
        self.network = MemoryNetwork(fates=fates)
        self.seen: list[bytes] = []
        self.here, self.there = self.network.host(A), self.network.host(B)
        self.there.listen(self.answer)
        self.peer = self.here.peer(B)

    def answer(self, body, claim):
        self.claim = claim
        self.seen.append(body)
        return body

    def post(self, body=b"a", timeout=5.0):
        return self.peer.post((body,), timeout)

    def pass_time(self, seconds):
        self.network.clock.pass_time(seconds)


def fails(deferred, kind):
    with pytest.raises(kind):
        result_of(deferred)
    return True


def test_the_server_sees_where_a_request_comes_from():
    """The claim names the client's ip, the server's own, the Host asked for and the credential."""
    ends = Ends()
    ends.here.peer(B, b"Bearer t").post((b"a",), 1.0)
    ends.pass_time(1.0)
    assert (ends.claim.ip, ends.claim.local_ip) == (A.ip, B.ip)
    assert ends.claim.authorization == b"Bearer t"
    assert ends.claim.host == b"10.0.0.2:2004"


def test_a_lost_request_was_not_handled():
    """With Loss.REQUEST the connection breaks before the server reads."""
    ends = Ends(ScriptedFates([Fate(loss=Loss.REQUEST)]))
    lost = ends.post()
    ends.pass_time(1.0)
    assert fails(lost, TransportFailed)
    assert ends.seen == []


def test_a_lost_answer_was_handled():
    """With Loss.ANSWER the server has done it, and the client cannot know."""
    ends = Ends(ScriptedFates([Fate(loss=Loss.ANSWER)]))
    lost = ends.post()
    ends.pass_time(1.0)
    assert fails(lost, TransportFailed)
    assert ends.seen == [b"a"]


def test_what_is_written_behind_a_loss_is_not_handled():
    """A broken connection takes everything behind with it, and the next post has a new one."""
    ends = Ends(ScriptedFates([Fate(), Fate(loss=Loss.ANSWER)]))
    first, second, third = ends.post(b"1"), ends.post(b"2"), ends.post(b"3")
    ends.pass_time(1.0)
    assert result_of(first) == b"1"
    assert fails(second, TransportFailed)
    assert fails(third, TransportFailed)
    fourth = ends.post(b"4")
    ends.pass_time(1.0)
    assert result_of(fourth) == b"4"
    assert ends.seen == [b"1", b"2", b"4"]


def test_nothing_passes_a_cut_and_it_arrives_when_it_is_healed():
    """A partition delays what is on its way, and tells nobody."""
    ends = Ends()
    ends.network.cut(A, B)
    answer = ends.post(timeout=60.0)
    ends.pass_time(10.0)
    assert ends.seen == []
    ends.network.heal(A, B)
    ends.pass_time(1.0)
    assert result_of(answer) == b"a"


def test_a_cut_may_go_one_way():
    """With both=False requests arrive, and answers do not."""
    ends = Ends()
    ends.network.cut(B, A, both=False)
    answer = ends.post(timeout=5.0)
    ends.pass_time(6.0)
    assert ends.seen == [b"a"]
    assert fails(answer, TimedOut)


def test_healing_names_one_pair_or_all():
    """`heal(a, b)` opens that way; others stay cut until `heal()`."""
    network = MemoryNetwork()
    network.cut(A, B)
    network.cut(A, C)
    network.heal(B, A)
    assert not network.is_cut(A, B)
    assert not network.is_cut(B, A)
    assert network.is_cut(A, C)
    network.heal()
    assert not network.is_cut(A, C)


def test_what_a_client_gave_up_still_arrives():
    """A request that was written before its client lost patience is handled after the cut."""
    ends = Ends()
    ends.network.cut(A, B)
    late = ends.post(timeout=1.0)
    ends.pass_time(2.0)
    assert fails(late, TimedOut)
    ends.network.heal()
    ends.pass_time(1.0)
    assert ends.seen == [b"a"]


def test_different_connections_may_overtake_one_another():
    """Order holds on one connection only."""
    ends = Ends(ScriptedFates([Fate(there=0.5), Fate(there=0.1), Fate(there=0.0)]))
    ends.post(b"slow")
    ends.here.peer(B).post((b"other",), 5.0)
    ends.post(b"behind the slow one")
    ends.pass_time(1.0)
    assert ends.seen == [b"other", b"slow", b"behind the slow one"]


def test_a_request_waits_for_the_answer_before_it():
    """The server's end answers one request after the other."""
    ends = Ends()
    slow: Deferred[bytes] = Deferred()
    answers = [slow, b"2"]
    ends.there.listen(lambda body, claim: ends.seen.append(body) or answers.pop(0))
    ends.post(b"1")
    second = ends.post(b"2")
    ends.pass_time(1.0)
    assert ends.seen == [b"1"]
    slow.callback(b"1")
    ends.pass_time(1.0)
    assert result_of(second) == b"2"


def test_the_server_learns_that_its_client_left():
    """A call whose caller has left is cancelled, and what came behind is dropped."""
    ends = Ends()
    cancelled = []
    ends.there.listen(lambda body, claim: ends.seen.append(body) or Deferred(cancelled.append))
    first, second = ends.post(b"1"), ends.post(b"2")
    ends.pass_time(0.1)
    ends.peer.close()
    ends.pass_time(1.0)
    assert len(cancelled) == 1
    assert ends.seen == [b"1"]
    assert fails(first, TransportFailed)
    assert fails(second, TransportFailed)


def test_a_server_that_is_replaced_does_not_answer_old_connections():
    """What was written to a server that has gone is not handled by the one after it."""
    ends = Ends()
    slow: Deferred[bytes] = Deferred()
    ends.there.listen(lambda body, claim: slow)
    lost, behind = ends.post(b"1"), ends.post(b"2")
    ends.pass_time(0.1)
    ends.there.listen(ends.answer)
    ends.pass_time(1.0)
    assert fails(lost, TransportFailed)
    assert fails(behind, TransportFailed)
    assert ends.seen == []


def test_a_killed_host_does_nothing_more():
    """No timer of it runs, no Deferred of it fires, and who asks it is told that it is away."""
    ends = Ends()
    ran = []
    ends.here.reactor.callLater(1.0, ran.append, 1)
    never = ends.post()
    ends.here.kill()
    ends.pass_time(10.0)
    assert ran == []
    assert not never.called
    ends.there.kill()
    answer = ends.network.peer(B).post((b"x",), 5.0)
    ends.pass_time(1.0)
    assert fails(answer, TransportFailed)


def test_broken_connections_are_told_and_opened_again():
    """`break_connections` fails what is under way between two hosts, and nothing else."""
    ends = Ends(ScriptedFates([Fate(there=0.5), Fate(there=0.5)]))
    broken = ends.post()
    other = ends.network.host(C).peer(B).post((b"c",), 5.0)
    ends.network.break_connections(A, B)
    ends.pass_time(1.0)
    assert fails(broken, TransportFailed)
    assert result_of(other) == b"c"


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_takes_the_same_course(seed):
    """Random fates are decided by their seed alone, and keep the order of one connection."""

    def course():
        ends = Ends(RandomFates(Random(seed), loss=0.2))
        told: list[object] = []
        for number in range(30):
            ends.post(b"%d" % number).addBoth(lambda result: told.append(type(result)))
            ends.pass_time(0.05)
        ends.pass_time(10.0)
        return ends.seen, told

    seen, told = course()
    assert (seen, told) == course()
    assert len(told) == 30
    assert seen == sorted(seen, key=int)


def test_nothing_is_left_behind():
    """When every post is settled no timer is left."""
    ends = Ends(RandomFates(Random(1), loss=0.3))
    for _ in range(20):
        ends.post(timeout=1.0).addErrback(lambda _: None)
        ends.pass_time(0.2)
    ends.pass_time(10.0)
    assert ends.network.clock.getDelayedCalls() == []
