"""The wall clock of one real process is set by a year: leases, receipts and messages stay right."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from e2e.faked_clock import YEAR, FakedClock
from e2e.network import Network, Server
from e2e.processes import eventually, free_port

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

HOUR = 3600
PATIENT = 300.0
"""Seconds of lease: nobody's ends while this test runs, unless a clock makes it."""

JUMPS = (YEAR, -YEAR, 0)


@pytest.fixture
def clock(tmp_path: Path) -> FakedClock:
    return FakedClock(tmp_path / "clock")


class Trio:
    """A relay and two satellites, one of the three with a clock of its own."""

    def __init__(self, network: Network, clock: FakedClock, faked: str) -> None:
        through = {faked: clock.through}
        self.network = network
        self.relay = network.start(
            "relay",
            "relay",
            through.get("relay", ()),
            listen=f"tcp:{free_port()}:interface=127.0.0.1",
            lease=PATIENT,
            ping_interval=0.5,
        )
        self.sender = network.satellite(
            "sender", through=through.get("sender", ()), relay=self.relay.url
        )
        self.receiver = network.satellite(
            "receiver", through=through.get("receiver", ()), relay=self.relay.url
        )
        self.relay.sees("sender", "receiver")
        self.own = self.relay.call("relay.register", {"port": 9, "callback": False, "nick": "own"})

    def records(self) -> dict[str, dict[str, Any]]:
        return {one["nick"]: one for one in self.relay.call("relay.get_satellites")}

    def leases_are_right(self) -> None:
        """Everybody is there, has most of a lease left, and goes on being pinged."""
        before = self.records()
        eventually(lambda: self.pinged_since(before))
        now = self.records()
        states = {nick: one["state"] for nick, one in now.items()}
        assert states == {"sender": "online", "receiver": "online", "own": "poll"}
        assert all(PATIENT / 2 < one["lease"] <= PATIENT for one in now.values()), now

    def pinged_since(self, before: dict[str, dict[str, Any]]) -> bool:
        now = self.records()
        return all(
            now[nick]["ping_count"] >= before[nick]["ping_count"] + 3
            for nick in ("sender", "receiver")
        )

    def receipt(self, id: str) -> dict[str, dict[str, Any]]:
        found = self.relay.call("relay.receipt", {"id": id}, **self.relay.as_admin)
        return {one["nick"]: one for one in found}


def its_time(server: Server) -> float:
    return float(server.call("ping")["time"])


def is_set(server: Server, ahead: int) -> bool:
    return abs(its_time(server) - time.time() - ahead) < HOUR


@pytest.mark.parametrize("faked", ["relay", "sender", "receiver"])
def test_a_clock_that_is_set_by_a_year(network: Network, clock: FakedClock, faked: str) -> None:
    """Ahead, back and right again, on the relay, the sender or the receiver, while it runs."""
    trio = Trio(network, clock, faked)
    server = {"relay": trio.relay, "sender": trio.sender, "receiver": trio.receiver}[faked]
    ids = [trio.sender.probe("send_and_wait", 0)["id"]]
    for number, ahead in enumerate(JUMPS, 1):
        clock.set(ahead)
        eventually(lambda ahead=ahead: is_set(server, ahead))
        trio.leases_are_right()
        ids.append(trio.sender.probe("send_and_wait", number)["id"])
        heard = trio.receiver.hears(number + 1)
        assert [message["data"] for message in heard] == list(range(number + 1))
        assert [message["id"] for message in heard] == ids
        off = ahead if faked == "sender" else 0
        assert abs(heard[-1]["time"] - time.time() - off) < HOUR
        receipt = eventually(
            lambda: trio.receipt(ids[-1]), lambda one: one["receiver"]["state"] == "delivered"
        )
        assert receipt["own"]["state"] == "queued"
        off = ahead if faked == "relay" else 0
        assert abs(receipt["receiver"]["time"] - time.time() - off) < HOUR
        assert trio.receipt(ids[0])["receiver"]["state"] == "delivered"
    assert "registered again" not in trio.sender.log + trio.receiver.log


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_relay_is_started_with_its_clock_a_year_off(
    network: Network, clock: FakedClock, jump: int
) -> None:
    """What it had accepted for a host that was away has not expired, and is delivered."""
    trio = Trio(network, clock, "relay")
    trio.receiver.kill()
    id = trio.sender.probe("send_and_wait", "kept")["id"]
    trio.relay.kill()
    clock.set(jump)
    trio.relay = network.again("relay", "relay", clock.through)
    assert is_set(trio.relay, jump)
    assert trio.receipt(id)["receiver"]["state"] in ("queued", "unreachable")
    trio.receiver = network.again("satellite", "receiver")
    assert [message["data"] for message in trio.receiver.hears(1)] == ["kept"]
    receipt = eventually(
        lambda: trio.receipt(id), lambda one: one["receiver"]["state"] == "delivered"
    )
    assert abs(receipt["receiver"]["time"] - time.time() - jump) < HOUR
