"""Servers that are killed with -9 at random points while messages travel, and started again.

Two satellites send numbered messages through a relay, 64 under way from each, to each other, to one
that only receives, and to one that nobody can connect to, which collects. What is killed when is
drawn at random: after so many more messages have arrived somewhere, which may be none. At the end
everything that was answered must have been received, in order and once; only a satellite that was
killed itself may have had messages twice, and then marked.
"""

from __future__ import annotations

import random
from pathlib import Path

from e2e.network import PLUGINS, Network, Server
from e2e.processes import eventually, free_port

from soak.records import Figures, await_last, examine

SENDERS = ("one", "two")
RECEIVERS = ("three", "hidden")
NAMES = (*SENDERS, *RECEIVERS)
_PATIENCE = 60.0
_LINE = 8
"""Bytes of a line of `received`, about; it says when to kill, not what is right."""

_SETTINGS = {
    "plugin_list": ["recorder"],
    "plugin_dirs": [str(PLUGINS)],
    "message_rate": 1e6,
    "message_burst": 10**6,
}


class CrashTest:
    """See the module.

    Args:
        network: where servers are started.
        randomness: decides when to kill.
        under_way: messages that each satellite keeps under way.
    """

    def __init__(self, network: Network, randomness: random.Random, under_way: int = 64) -> None:
        self._network = network
        self._randomness = randomness
        self._under_way = under_way
        self.figures = Figures()
        self._relay = network.relay(
            listen=f"tcp:{free_port()}:interface=127.0.0.1", message_rate=1e6, message_burst=10**6
        )
        hidden = f"unix:{network.folder}/hidden.sock"
        self._satellites = {
            name: network.satellite(
                name,
                relay=self._relay.url,
                listen=hidden if name == "hidden" else "tcp:0:interface=127.0.0.1",
                **_SETTINGS,
            )
            for name in NAMES
        }
        wanted = {**dict.fromkeys(NAMES, "online"), "hidden": "poll"}
        eventually(self._relay.states, lambda states: states == wanted)
        self._killed: set[str] = set()

    def run(self, relay_kills: int, receiver_kills: int, sender_kills: int) -> Figures:
        """Kill the relay, those that only receive in turn, and one that sends; in that order.

        The sender that is killed is 'two': so that 'one' shows at the end that a host which nobody
        killed has had nothing twice.
        """
        for name in SENDERS:
            self._load(name)
        for _ in range(relay_kills):
            self._await_progress(*NAMES)
            self._kill_relay()
        for number in range(receiver_kills):
            name = RECEIVERS[number % 2]
            self._await_progress(name)
            self._kill(name, "receiver")
        for _ in range(sender_kills):
            self._await_progress("one")
            self._kill("two", "sender")
            self._load("two")
        self._settle()
        folders = [self._folder(name) for name in NAMES]
        return examine(self.figures, folders, self._killed)

    def _load(self, name: str) -> None:
        self._satellites[name].call("recorder.recorder.load", self._under_way)

    def _await_progress(self, *names: str) -> None:
        """Wait until a random number of messages has arrived, at those all together."""
        wanted = self._size(*names) + self._randomness.randint(0, 300) * _LINE
        eventually(lambda: self._size(*names), lambda size: size >= wanted, _PATIENCE)

    def _size(self, *names: str) -> int:
        return sum((self._folder(name) / "received").stat().st_size for name in names)

    def _folder(self, name: str) -> Path:
        return self._network.folder / name

    def _kill_relay(self) -> None:
        self._relay.kill()
        self._network.dismiss(self._relay)
        self._relay = self._network.again("relay", "relay")
        self.figures.kills["relay"] += 1

    def _kill(self, name: str, role: str) -> None:
        self._satellites[name].kill()
        self._network.dismiss(self._satellites[name])
        self._satellites[name] = self._again(name)
        self._killed.add(name)
        self.figures.kills[role] += 1

    def _again(self, name: str) -> Server:
        return self._network.again("satellite", name)

    def _settle(self) -> None:
        """Let everything that is under way arrive."""
        last = {name: self._satellites[name].call("recorder.recorder.rest") for name in SENDERS}
        for name in NAMES:
            await_last(self._folder(name), last, _PATIENCE)


def run(folder: Path, kills: int, seed: int | None = None) -> Figures:
    """Run it with that many kills of each kind, and give the figures."""
    with Network(folder) as network:
        return CrashTest(network, random.Random(seed)).run(kills, kills, kills)
