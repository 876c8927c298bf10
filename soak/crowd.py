"""A thousand satellites that register at once, get messages, and are gone all at once.

They are real ones, each with its own port and identity, and share a process. What is looked at is
the relay: how long each takes, that it answers others meanwhile, and what it has in memory.
"""

from __future__ import annotations

import sys
import threading
import time
import xmlrpc.client
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from attrs import define, field
from e2e.network import Network, Server
from e2e.processes import Watched, eventually

ROOT = Path(__file__).parent.parent
LEASE = 10.0
_PATIENCE = 300.0


@define
class Crowd:
    """What a run came to: seconds, and the slowest answer to somebody else in each part."""

    count: int
    messages: int
    storm: float = 0.0
    traffic: float = 0.0
    departure: float = 0.0
    slowest: dict[str, float] = field(factory=dict)
    resident: int = 0

    def __str__(self) -> str:
        slowest = ", ".join(f"{part} {took:.2f} s" for part, took in self.slowest.items())
        return (
            f"{self.count:,} satellites were online after {self.storm:.1f} s; {self.messages} "
            f"messages reached all in {self.traffic:.1f} s "
            f"({self.messages * self.count / self.traffic:,.0f}/s); killed together, they were all "
            f"away after {self.departure:.1f} s (lease {LEASE:g} s); slowest answer to others: "
            f"{slowest}; the relay has {self.resident / 1024 / 1024:.0f} MB"
        )


class Visitor:
    """Calls a relay again and again from a thread, and keeps the slowest answer."""

    def __init__(self, relay: Server) -> None:
        self._relay = relay
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.slowest = 0.0

    def __enter__(self) -> Visitor:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            began = time.monotonic()
            try:
                self._relay.call("ping")
            except (OSError, xmlrpc.client.Error):
                self.slowest = float("inf")
            self.slowest = max(self.slowest, time.monotonic() - began)


def run(folder: Path, count: int, messages: int) -> Crowd:
    """Let so many satellites come, get so many messages each, and go; give the figures."""
    result = Crowd(count, messages)
    with Network(folder) as network:
        relay = network.relay(lease=LEASE, message_rate=1e6, message_burst=10**6)
        command = [sys.executable, "-m", "bench.satellites", relay.port, count, messages]
        began = time.monotonic()
        with Watched([str(word) for word in command], ROOT) as crowd:
            with Visitor(relay) as visitor:
                eventually(
                    lambda: _states(relay), lambda seen: seen == {"online": count}, _PATIENCE
                )
            result.storm = time.monotonic() - began
            result.slowest["storm"] = visitor.slowest
            with Visitor(relay) as visitor:
                result.traffic = _send(relay, crowd, messages)
            result.slowest["traffic"] = visitor.slowest
            crowd.kill()
        began = time.monotonic()
        with Visitor(relay) as visitor:
            eventually(lambda: _states(relay), lambda seen: seen == {"away": count}, _PATIENCE)
        result.departure = time.monotonic() - began
        result.slowest["departure"] = visitor.slowest
        result.resident = int(psutil.Process(relay.pid).memory_info().rss)
    return result


def _send(relay: Server, crowd: Watched, messages: int) -> float:
    me: dict[str, Any] = relay.call("relay.register", {"port": 9, "callback": False})
    proof = {"host_id": me["host_id"], "token": me["token"]}
    began = time.monotonic()
    for number in range(messages):
        relay.call("relay.relay", {**proof, "data": [number, "to all"]})
    crowd.wait_for("^all$", patience=_PATIENCE)
    took = time.monotonic() - began
    relay.call("relay.unregister", proof)
    return took


def _states(relay: Server) -> dict[str, int]:
    states = [one["state"] for one in relay.call("relay.get_satellites")]
    return {state: states.count(state) for state in set(states)}
