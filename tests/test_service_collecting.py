"""Whole servers, one of which nobody can connect to: messages and calls that it collects."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from twisted.internet.task import deferLater

from co2.api import Co2Plugin
from co2.errors import Denied
from co2.model.calls import Level
from co2.testing.fates import GOOD, Fate, Loss
from co2.testing.plugins import RecordingPlugin
from co2.testing.samples import result_of
from co2.testing.world import World

pytestmark = pytest.mark.usefixtures("logged_failures")


class LosesOne:
    """Fates: what a host posts next is lost on its way there or back; the rest goes well."""

    def __init__(self, host, loss=Loss.ANSWER):
        self.host = host
        self.loss = loss
        self.lost = 0

    def __call__(self, source, destination):
        if source != self.host or self.lost:
            return GOOD
        self.lost += 1
        return Fate(loss=self.loss)


class Hidden:
    """A relay, a satellite that can be called, and one that cannot, which works slowly."""

    def __init__(self):
        self.world = World()
        self.world.relay("r")
        self.world.satellite("open", "r")
        self.world.satellite("hidden", "r", deaf=True)
        self.runs = runs = []
        reactor = self.hidden.server.host.reactor

        class X_Worker(Co2Plugin):
            def x_work(self, seconds):
                runs.append(seconds)
                return deferLater(reactor, seconds, lambda: "done")

        self.add(X_Worker, "work")
        self.world.pass_time(5.0)

    @property
    def hidden(self):
        return self.world.places["hidden"]

    def add(self, plugin, module):
        return self.hidden.server.add_plugin(plugin, "bench", module)

    def call(self, seconds, timeout=20.0, level=Level.CALL):
        request = {
            "host_id": self.hidden.server.satellite.enrolment.host_id,
            "method": "bench.work.work",
            "params": [seconds],
            "timeout": timeout,
        }
        return self.world.places["r"].server.call("relay.call", request, level=level)


def test_a_slow_method_is_answered_when_it_is_done():
    """The answer does not wait for the request that waits for messages."""
    room = Hidden()
    called = room.call(3.0)
    room.world.pass_time(3.5)
    assert result_of(called) == "done"


def test_a_call_whose_handing_out_was_lost_is_run_and_answered():
    """Long before its time; and it is run once."""
    room = Hidden()
    room.world.network.fates = fates = LosesOne(room.hidden.address)
    # What is collected ends the request that waits; the answer to the next one will be lost.
    room.world.send("open", "wake up")
    room.world.pass_time(0.5)
    called = room.call(1.0)
    room.world.pass_time(0.2)
    assert (fates.lost, room.runs) == (1, [])
    room.world.pass_time(5.0)
    assert result_of(called) == "done"
    assert room.runs == [1.0]


def test_a_call_whose_answer_was_lost_is_answered_again_and_not_run_again():
    """Soon, with no message or request between, and it gets what was said."""
    room = Hidden()
    called = room.call(1.0)
    room.world.pass_time(0.5)
    room.world.network.fates = fates = LosesOne(room.hidden.address, Loss.REQUEST)
    room.world.pass_time(1.0)
    assert fates.lost == 1
    room.world.pass_time(3.0)
    assert result_of(called) == "done"
    assert room.runs == [1.0]


def test_a_call_that_a_dead_process_may_have_run_is_not_run_by_the_next():
    """Its caller waits in vain; calls that are made from then on are run."""
    room = Hidden()
    called = room.call(5.0, timeout=20.0)
    room.world.pass_time(1.0)
    assert room.runs == [5.0]
    room.world.kill("hidden")
    room.world.start("hidden")
    room.world.pass_time(10.0)
    assert room.runs == [5.0]
    assert not called.called
    called.cancel()
    called.addErrback(lambda _: None)


def test_its_own_levels_apply_to_who_calls_it():
    """As they do where the relay can connect: the host says no, and not the relay."""
    room = Hidden()
    called = room.call(0.0, level=Level.READ)
    room.world.pass_time(1.0)
    with pytest.raises(Denied, match=r"bench\.work\.work needs call"):
        result_of(called)
    assert room.runs == []


def test_it_gets_times_as_exact_as_everybody():
    """A co2 host that nobody can ask what it is says so itself."""
    room = Hidden()
    when = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    room.world.send("open", [when, None])
    room.world.pass_time(1.0)
    assert room.hidden.data == [[when, None]]


def test_a_plugin_that_is_slow_keeps_nothing_from_another():
    """Nor from itself; and the author hears what it said when it is done."""
    room = Hidden()
    other = room.add(RecordingPlugin, "other")
    room.hidden.slow = 10.0
    for number in range(5):
        room.world.send("open", number)
        room.world.pass_time(1.0)
    assert other.data == [0, 1, 2, 3, 4]
    assert room.hidden.data == [0, 1, 2, 3, 4]
    (_, first), (_, last) = room.world.places["open"].sent[0], room.world.places["open"].sent[-1]

    def state(sent):
        asked = sent.receipts()
        room.world.pass_time(0.1)
        return {one["nick"]: one["state"] for one in result_of(asked)}

    random = next(iter(state(first)))
    assert state(first)[random] == "queued"
    room.world.pass_time(7.0)
    assert (state(first)[random], state(last)[random]) == ("delivered", "queued")
    room.world.pass_time(5.0)
    assert state(last)[random] == "delivered"
