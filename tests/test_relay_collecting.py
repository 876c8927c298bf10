"""co2.relay.collecting: hosts that ask for what has come, since nobody can connect to them."""

from __future__ import annotations

import pytest
from relay_room import RelayRoom, a_caller
from twisted.internet.defer import ensureDeferred

from co2.model.hosts import HostState

pytestmark = pytest.mark.usefixtures("logged_failures")


def test_who_waits_is_not_taken_for_away():
    """A request waits for half a lease at most, however long it would: the next one is a sign."""
    room = RelayRoom().start()
    answer = room.register(callback=False)
    proof = {"host_id": answer["host_id"], "token": answer["token"], "after": 0}
    for _ in range(5):
        collected = ensureDeferred(room.procedures.collect(a_caller(), {**proof, "wait": 1000}))
        room.pass_time(room.roster.lease / 2 - 0.1)
        assert not collected.called
        room.pass_time(0.2)
        assert collected.called
        assert room.presence(answer).state is HostState.POLL
    room.stop()
