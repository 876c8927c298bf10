"""A satellite that was away for very many messages: it catches up, and the relay stays small.

The relay's resident memory is taken when its journal keeps as much in memory as it ever does, and
again and again while the backlog grows and is worked off.
"""

from __future__ import annotations

import time
from pathlib import Path

import psutil
from attrs import frozen
from e2e.network import PLUGINS, Network, Server
from e2e.processes import eventually

from soak.records import Figures, examine, received

WARM = 6_000
"""Messages after which the relay's journal has filled what it keeps in memory."""

_ROOM = 32 * 1024 * 1024
"""Bytes that the relay may grow by, whatever the backlog: what one satellite has under way."""

_PATIENCE = 1800.0
_MEGABYTE = 1024 * 1024
_RECORDING = {"plugin_list": ["recorder"], "plugin_dirs": [str(PLUGINS)]}


@frozen
class Backlog:
    """What a run came to: rates in messages a second, memory in bytes."""

    figures: Figures
    messages: int
    taken_rate: float
    caught_up_rate: float
    resident: int
    most: int

    def check(self) -> None:
        """Fail if something was lost, or if the relay grew with the backlog."""
        self.figures.check()
        assert self.most - self.resident < _ROOM, str(self)

    def __str__(self) -> str:
        return (
            f"away for {self.messages:,} messages (taken at {self.taken_rate:,.0f}/s), caught up "
            f"at {self.caught_up_rate:,.0f}/s; the relay had {self.resident / _MEGABYTE:.0f} MB "
            f"before and {self.most / _MEGABYTE:.0f} MB at most; {self.figures}"
        )


def run(folder: Path, messages: int, warm: int = WARM) -> Backlog:
    """Let a satellite miss so many messages, bring it back, and give the figures."""
    with Network(folder) as network:
        relay = network.relay(message_rate=1e6, message_burst=10**7)
        sender = network.satellite("sender", relay=relay.url, **_RECORDING)
        away = network.satellite("away", relay=relay.url, **_RECORDING)
        relay.sees("sender", "away")
        _send(sender, relay, warm)
        eventually(lambda: _has(folder, warm), patience=_PATIENCE)
        away.stop()
        memory = Memory(relay.pid)
        resident = memory.now()
        taken_in = _send(sender, relay, messages, memory)
        began = time.monotonic()
        network.again("satellite", "away")
        eventually(lambda: memory.now() and _has(folder, warm + messages), patience=_PATIENCE)
        took = time.monotonic() - began
        figures = examine(Figures(), [folder / "sender", folder / "away"])
    return Backlog(figures, messages, messages / taken_in, messages / took, resident, memory.most)


class Memory:
    """A process's resident memory, and the most that was seen of it, in bytes."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.most = 0

    def now(self) -> int:
        """Look."""
        resident = int(self._process.memory_info().rss)
        self.most = max(self.most, resident)
        return resident


def _send(sender: Server, relay: Server, count: int, memory: Memory | None = None) -> float:
    """Send so many, wait until the relay has them, and give the seconds that it took."""
    began = time.monotonic()
    while count > 0:
        # Not all at once: the sender's own memory is not what is looked at here.
        part = min(count, 10_000)
        sender.call("recorder.recorder.send", part)
        sender.call("recorder.recorder.rest")
        count -= part
        if memory is not None:
            memory.now()
    return time.monotonic() - began


def _has(folder: Path, count: int) -> bool:
    lines = (folder / "away" / "received").read_bytes().count(b"\n")
    return lines >= count and len(received(folder / "away")) >= count
