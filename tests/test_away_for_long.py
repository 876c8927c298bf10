"""A satellite is away for an hour of traffic: it catches up, and the relay holds no more for it.

The relay's journal stands for the one on disk: what is read from it is a copy, so that what the
relay holds of messages, anywhere, is those copies that are still there.
"""

from __future__ import annotations

import gc
import weakref

import pytest
from attrs import evolve

from co2.delivery.journal import MemoryJournal
from co2.model.calls import Level
from co2.service.relay_part import BATCH, WRITTEN_AHEAD
from co2.testing.samples import result_of
from co2.testing.state import MemoryState
from co2.testing.world import World

pytestmark = [pytest.mark.usefixtures("logged_failures"), pytest.mark.timeout(300)]

HOUR = 3600
EVERY = 2
"""Seconds from one message to the next."""


class FileLikeJournal(MemoryJournal):
    """Gives copies, and knows how many of them somebody holds, and how many that were at most."""

    held = 0
    most = 0

    def read(self, after, most):
        copies = [evolve(entry) for entry in super().read(after, most)]
        for copy in copies:
            weakref.finalize(copy, self._let_go)
        self.held += len(copies)
        self.most = max(self.most, self.held)
        return copies

    def _let_go(self):
        self.held -= 1


class FileLikeState(MemoryState):
    def journal(self, name, fresh_id, retention, outgoing):
        made = FileLikeJournal(fresh_id, retention.entries, retention.size, outgoing)
        return self._journals.setdefault(name, made)


class Hour:
    """A relay, a sender, one that is always there, and one that will be away."""

    def __init__(self, deaf):
        self.world = World()
        self.relay = self.world.relay("relay")
        self.world.kill("relay")
        self.relay.state = FileLikeState()
        self.world.start("relay")
        self.journal = self.relay.server.relay.journal
        self.world.satellite("sender", "relay")
        self.world.satellite("there", "relay")
        self.world.satellite("away", "relay", deaf=deaf)
        self.world.pass_time(10.0)

    def pass_with_traffic(self, seconds):
        """Let time pass, and give how many entries the relay held at the end of each minute."""
        held = []
        for number in range(seconds // EVERY):
            self.world.send("sender", number)
            self.world.pass_time(EVERY)
            if number % (60 // EVERY) == 0:
                gc.collect()
                held.append(self.journal.held)
        return held

    def record(self, name):
        self.world.pass_time(0.5)
        server = self.relay.server
        records = result_of(server.call("relay.get_satellites", level=Level.ADMIN))
        random = self.world.places[name].state.identity(None).random
        return next(one for one in records if one["host_id"].startswith(random + "@"))


@pytest.mark.parametrize("deaf", [False, True], ids=["called", "collects"])
def test_an_hour_away(deaf):
    """It comes back to all of it, in order and once; meanwhile nobody else waited."""
    hour = Hour(deaf)
    world = hour.world
    world.kill("away")
    held = hour.pass_with_traffic(HOUR)
    assert max(held) <= WRITTEN_AHEAD * BATCH
    assert held[-1] <= held[5]
    assert len(world.places["there"].data) == HOUR // EVERY
    record = hour.record("away")
    assert (record["state"], record["queued"]) == ("away", HOUR // EVERY)
    hour.journal.most = hour.journal.held
    world.start("away")
    world.pass_time(120.0)
    assert not world.complaints(["away", "there"], ["sender"])
    assert not any(struct.get("redelivered") for struct in world.places["away"].structs)
    # What is in flight, and the stretch that the next post, or the answer to a collector, takes.
    assert hour.journal.most <= (1000 if deaf else 2 * BATCH) + WRITTEN_AHEAD * BATCH
    gc.collect()
    assert hour.journal.held <= WRITTEN_AHEAD * BATCH
    record = hour.record("away")
    assert (record["state"], record["queued"]) == ("poll" if deaf else "online", 0)


def test_an_hour_with_a_satellite_that_takes_nothing():
    """It is there, answers pings, and its plugin hangs: what is kept for it is in the journal."""
    hour = Hour(deaf=False)
    hour.world.places["away"].slow = 1e9
    held = hour.pass_with_traffic(600)
    assert max(held) <= WRITTEN_AHEAD * BATCH
    assert len(hour.world.places["there"].data) == 600 // EVERY
