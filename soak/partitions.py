"""Hosts on a bad wire: frames lost, delayed and overtaken, links cut for longer than a lease.

A relay, two satellites that it can connect to, and one that it cannot, each in a network namespace.
All three send numbered messages to each other. The wire is bad for a while; then each host in turn
is cut off until the relay has given it up, and comes back; the relay is cut off too. At the end
nothing may be lost, disordered or repeated: nobody was killed, so there is no excuse.
"""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

from e2e.network import PLUGINS, Network, Server, call
from e2e.processes import eventually

from soak.records import Figures, await_last, examine, received
from soak.wire import Wire

RELAY = "relay"
NAMES = ("near", "far", "hidden")
_PATIENCE = 90.0
_PORT = 2004

_QUICK = {"send_timeout": 2.0, "receive_timeout": 3.0}


class PartitionTest:
    """See the module; `lease` in seconds."""

    def __init__(self, network: Network, wire: Wire, lease: float = 1.5) -> None:
        self._network = network
        self._wire = wire
        self._pause = threading.Event()
        self.figures = Figures()
        self._url = f"http://{wire.address(RELAY)}:{_PORT}/"
        self._servers: dict[str, Server] = {}
        self._start(RELAY, "relay", lease=lease, ping_interval=lease / 3)
        for name in NAMES:
            self._start_satellite(name)
        self._await_states({"near": "online", "far": "online", "hidden": "poll"})

    def run(self, messages: int, rounds: int, cut_for: float = 0.0, under_way: int = 16) -> Figures:
        """Let that many messages arrive on the bad wire and after each cut.

        Args:
            messages: more, at every host.
            rounds: how often everybody is cut off once.
            cut_for: seconds that a link stays cut after the relay has noticed.
            under_way: messages that each host keeps under way.
        """
        for name in NAMES:
            self._call(name, "recorder.recorder.load", under_way)
        self._wire.loss, self._wire.delay = 0.05, 0.02
        self._await_progress(messages)
        for _ in range(rounds):
            for name in NAMES:
                self._cut(name, cut_for)
                self._await_progress(messages)
            self._cut_relay(cut_for)
            self._await_progress(messages)
        self._wire.loss = self._wire.delay = 0.0
        self._settle()
        return examine(self.figures, [self._network.folder / name for name in NAMES])

    # -- links ---------------------------------------------------------------------------------

    def _cut(self, name: str, seconds: float) -> None:
        self._wire.cut.add(name)
        eventually(lambda: self._states()[name], lambda state: state == "away", _PATIENCE)
        self._pause.wait(seconds)
        self._wire.cut.clear()
        self.figures.kills[f"link to {name}"] += 1

    def _cut_relay(self, seconds: float) -> None:
        self._wire.cut.add(RELAY)
        away = dict.fromkeys(NAMES, "away")
        eventually(self._states, lambda states: states == away, _PATIENCE)
        self._pause.wait(seconds)
        self._wire.cut.clear()
        self.figures.kills["link to the relay"] += 1

    # -- hosts ---------------------------------------------------------------------------------

    def _start(self, name: str, role: str, **settings: Any) -> None:
        if name != "hidden":
            settings["listen"] = f"tcp:{_PORT}:interface={self._wire.address(name)}"
            settings["insecure"] = True
        settings.update(_QUICK, message_rate=1e6, message_burst=10**6)
        through = self._wire.through(name)
        self._servers[name] = self._network.start(role, name, through, **settings)

    def _start_satellite(self, name: str) -> None:
        plugins = {"plugin_list": ["recorder"], "plugin_dirs": [str(PLUGINS)]}
        self._start(name, "satellite", nick=name, relay=self._url, **plugins)

    def _call(self, name: str, method: str, *params: Any) -> Any:
        url = self._servers[name].url
        return self._wire.inside(name, lambda: call(url, method, *params))

    def _states(self) -> dict[str, str]:
        return {one["nick"]: one["state"] for one in self._call(RELAY, "relay.get_satellites")}

    def _await_states(self, wanted: dict[str, str]) -> None:
        eventually(self._states, lambda states: states == wanted, _PATIENCE)

    def _folder(self, name: str) -> Path:
        return self._network.folder / name

    def _await_progress(self, messages: int) -> None:
        before = {name: len(received(self._folder(name))) for name in NAMES}
        for name, there in before.items():
            wanted = there + messages
            eventually(
                lambda name=name: len(received(self._folder(name))),
                lambda count, wanted=wanted: count >= wanted,
                _PATIENCE,
            )

    def _settle(self) -> None:
        last = {name: self._call(name, "recorder.recorder.rest") for name in NAMES}
        for name in NAMES:
            await_last(self._folder(name), last, _PATIENCE)


def run(
    folder: Path, seed: int, messages: int, rounds: int, cut_for: float
) -> tuple[Figures, Wire]:
    """Make the wire and the hosts, run it, and give the figures and the wire's own.

    Raises:
        NotAllowed: no namespaces can be made here.
    """
    with Wire([RELAY, *NAMES], random.Random(seed)) as wire, Network(folder) as network:
        return PartitionTest(network, wire).run(messages, rounds, cut_for), wire
