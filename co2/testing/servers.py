"""Whole relays and satellites in memory: the real rooms, wired as in a real server.

Only what a server stands on is a double: the network, the clock, the state. So a test can start a
relay and a dozen satellites, cut the network between them, kill one with everything it was about
to do, start it again from its state, and let an hour pass in milliseconds.
"""

from __future__ import annotations

from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred

from co2.api import Co2Plugin
from co2.loading.cell import Cell
from co2.model.calls import Call, Caller, Level
from co2.model.hosts import Address
from co2.model.settings import RelaySetting, Settings
from co2.service.foundation import Foundation, role_words
from co2.service.relay_part import RelayPart
from co2.service.satellite_part import SatellitePart
from co2.service.surroundings import Surroundings
from co2.testing.network import MemoryNetwork, answers_at
from co2.testing.plugins import plugin_var_dict
from co2.testing.state import MemoryState

BEGIN = 1_700_000_000.0
"""UNIX seconds when a test's clock begins."""

ADMIN_TOKEN = "a" * 32

_Plugin = TypeVar("_Plugin", bound=Co2Plugin)


class MemoryServer:
    """A relay, a satellite, or both in one.

    Args:
        network: where it is.
        address: where it listens.
        state: what an earlier run of it kept; a new one by default.
        settings: any of `Settings`; `relay` may be the address of one.

    Attributes:
        host: its place in the network.
        base, relay, satellite: its parts, as `co2.service` wires them; None where it has none.
        wall_ahead: seconds that this host's wall clock is ahead of the others'; set it at will.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        address: Address,
        state: MemoryState | None = None,
        **settings: Any,
    ) -> None:
        self.address = address
        self.wall_ahead = 0.0
        self.state = state or MemoryState()
        self.state.taken.restart()
        self.host = network.host(address)
        self.settings = _settings(settings)
        self.base = Foundation(self.settings, self._surroundings(network))
        self.relay = RelayPart(self.base) if "relay" in role_words(self.settings) else None
        satellite = self.settings.role == "satellite"
        self.satellite = SatellitePart(self.base) if satellite else None

    def add_plugin(
        self, cls: type[_Plugin], package: str = "bench", module: str = "bench"
    ) -> _Plugin:
        """Make a plugin of that class, as the loader does, and enter its methods."""
        assert self.satellite is not None
        satellite = self.satellite
        plugin = cls(plugin_var_dict(f"{package}.{module}", satellite.send))
        cell = Cell(
            plugin, package, module, self.host.reactor, lambda: self.settings.receive_timeout, None
        )
        satellite.loader.cells.append(cell)
        for refusal in cell.enter(self.base.registry):
            raise refusal.reason
        return plugin

    def start(self) -> None:
        """Listen and begin."""
        self.base.listening_at(self.address)
        self.host.listen(answers_at(self.base.gate(self.address.port), self.base.answering))
        if self.relay is not None:
            self.relay.start()
        if self.satellite is not None:
            self.satellite.start()

    def stop(self) -> Deferred[Any]:
        """End in good order."""
        ending: Deferred[Any] = maybeDeferred(self._stop_satellite)
        if self.relay is not None:
            relay = self.relay
            ending.addCallback(lambda _: relay.stop())
        return ending.addCallback(lambda _: self.host.kill())

    def kill(self) -> None:
        """End as `kill -9` does; the state stays for the next server."""
        self.host.kill()

    def move(self, address: Address) -> None:
        """Be at another address from now on, as a machine that joins another network."""
        self.address = address
        self.host.move(address)

    def call(self, method: str, *params: Any, level: Level = Level.CALL) -> Deferred[Any]:
        """Call a method here, as somebody with that level on this machine."""
        caller = Caller(level, "127.0.0.1", 40000, level.word)
        return maybeDeferred(self.base.dispatcher.call, Call(method, params), caller)

    def _stop_satellite(self) -> Any:
        if self.satellite is None:
            return None
        satellite, timeout = self.satellite, self.settings.stop_timeout
        ending = satellite.end_plugins(timeout)
        ending.addCallback(lambda _: satellite.drain(timeout))
        return ending.addCallback(lambda _: satellite.stop())

    def _surroundings(self, network: MemoryNetwork) -> Surroundings:
        clock = network.clock
        return Surroundings(
            self.host.reactor,
            self.host,
            self.state,
            self.state,
            ADMIN_TOKEN,
            self.state.journal,
            self.state.taken,
            now=lambda: BEGIN + clock.seconds() + self.wall_ahead,
            draw=Random(str(self.address)).random,  # noqa: S311  # for waits, not for secrets
        )


def _settings(wanted: dict[str, Any]) -> Settings:
    relay = wanted.get("relay")
    if isinstance(relay, Address):
        wanted = {**wanted, "relay": RelaySetting(relay)}
    return Settings(**{"insecure": True, "plugin_list": (), "plugin_dirs": (), **wanted})
