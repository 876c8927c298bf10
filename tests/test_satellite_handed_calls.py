"""co2.satellite.handed_calls: each call is run once, and answered until the relay has it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed

from co2.delivery.backoff import Backoff
from co2.errors import Denied, Gone, PluginRaised, ShuttingDown, TimedOut, TransportFailed
from co2.model.hosts import Address
from co2.satellite.handed_calls import HandedCalls
from co2.testing.clock import ClockReactor
from co2.wire.xmlrpc import decode_call, encode_fault, encode_reply

pytestmark = pytest.mark.usefixtures("logged_failures")

CALL = {"call": "c1", "method": "m", "params": [], "caller": {}}
TAKEN = encode_reply(True)


class Host:
    """The calls of a host, what it runs, and the relay that takes its answers."""

    address = Address("10.0.0.1", 2004)

    def __init__(self, result=42):
        self.result: object = result
        self.runs = 0
        self.sent: list[dict] = []
        self.answers: list[Deferred] = []
        self.clock = ClockReactor()
        self.calls = HandedCalls(
            self,
            lambda: {"token": "t"},
            self.run,
            10.0,
            self.clock,
            lambda: Backoff(lambda: 0.999999, first=1.0),
        )

    def run(self, call):
        self.runs += 1
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def post(self, parts, timeout):
        self.sent.append(decode_call(b"".join(parts)).params[0])
        self.answers.append(Deferred())
        return self.answers[-1]

    def close(self):
        return succeed(None)


def test_a_call_is_run_and_answered():
    """It counts as heard until the relay has its answer."""
    host = Host()
    host.calls.take(CALL)
    assert host.sent == [{"token": "t", "call": "c1", "result": 42}]
    assert host.calls.heard == ["c1"]
    host.answers[0].callback(TAKEN)
    assert host.calls.heard == []


def test_a_fault_is_an_answer():
    """The caller gets the class that was raised here."""
    host = Host(PluginRaised("by hand"))
    host.calls.take(CALL)
    assert host.sent[0]["fault"] == {"faultCode": 1007, "faultString": "by hand"}


def test_a_call_that_comes_again_while_it_runs_is_not_run_again():
    """Its answer may just be on its way."""
    host = Host(slow := Deferred())
    host.calls.take(CALL)
    host.calls.take(CALL)
    slow.callback(1)
    host.calls.take(CALL)
    assert (host.runs, len(host.sent)) == (1, 1)


@pytest.mark.parametrize(
    "lost", [TransportFailed("lost"), TimedOut("late"), ShuttingDown("soon", retry_after=1.0)]
)
def test_an_answer_that_did_not_get_through_is_soon_given_again(lost):
    """Nobody has to ask for it, and meanwhile the call counts as heard."""
    host = Host()
    host.calls.take(CALL)
    host.answers[0].errback(lost)
    host.clock.advance(0.9)
    assert (len(host.sent), host.calls.heard) == (1, ["c1"])
    host.clock.advance(0.2)
    assert [one["result"] for one in host.sent] == [42, 42]
    host.answers[1].callback(TAKEN)
    assert (host.calls.heard, host.runs) == ([], 1)
    assert host.clock.getDelayedCalls() == []


def test_an_answer_that_does_not_get_through_for_long_is_kept():
    """The call is not heard any more, so it comes again; it is not run again."""
    host = Host()
    host.calls.take(CALL)
    for number in range(6):
        assert host.calls.heard == ["c1"]
        host.answers[number].errback(TransportFailed("lost"))
        host.clock.advance(30.0)
    assert (len(host.sent), host.calls.heard) == (6, [])
    host.result = "another"
    host.calls.take(CALL)
    assert host.runs == 1
    assert [one["result"] for one in host.sent] == [42] * 7
    host.answers[6].callback(TAKEN)
    assert host.calls.heard == []


def test_an_answer_that_the_relay_refuses_is_not_forced_on_it():
    """Only what may go better soon is tried at once."""
    host = Host()
    host.calls.take(CALL)
    host.answers[0].callback(encode_fault(Denied("no").as_fault()))
    host.clock.advance(30.0)
    assert (len(host.sent), host.calls.heard) == (1, [])


def test_nothing_is_tried_after_the_end():
    """Neither what waits then, nor what fails later, leaves a timer."""
    host = Host()
    host.calls.take(CALL)
    host.calls.take({**CALL, "call": "c2"})
    host.answers[0].errback(TransportFailed("lost"))
    host.calls.close()
    host.answers[1].errback(TransportFailed("closed"))
    host.clock.advance(30.0)
    assert len(host.sent) == 2
    assert host.clock.getDelayedCalls() == []


def test_a_caller_that_waits_no_more_ends_it():
    """There is nothing to keep."""
    host = Host()
    host.calls.take(CALL)
    host.answers[0].callback(encode_fault(Gone("too late").as_fault()))
    assert host.calls.heard == []


def test_a_result_that_cannot_travel_is_a_fault():
    """The caller is told, and does not wait for its time."""
    host = Host({1, 2})
    host.calls.take(CALL)
    assert "XML-RPC cannot carry" in host.sent[0]["fault"]["faultString"]


def test_a_mistake_is_logged_and_forgotten(logged_failures):
    """What runs calls raises co2's errors only; anything else must not leave it heard for good."""
    host = Host(ValueError("a bug"))
    host.calls.take(CALL)
    assert len(logged_failures.take(ValueError)) == 1
    assert host.calls.heard == []
