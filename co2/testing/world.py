"""A small world of relays and satellites in memory, and what its satellites have received.

Every server is whole, and can be cut off, killed and started again from its state; the record of
what plugins saw is the test's own and survives them.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from co2.api import Co2Plugin
from co2.model.hosts import Address
from co2.model.sent import Sent
from co2.model.settings import UpstreamSetting
from co2.testing.network import MemoryNetwork
from co2.testing.servers import ADMIN_TOKEN, MemoryServer
from co2.testing.state import MemoryState

PORT = 2004


@define(eq=False)
class Place:
    """A server's place in the world: who is there now, and what was seen there.

    Attributes:
        seen: for each message that a plugin got: (author, data, whether it said `redelivered`).
        deaf: nobody can connect to it, as behind NAT.
        slow: seconds that its plugin takes for each message.
        wall_ahead: seconds that its wall clock is ahead of the others'.
        sent: what was sent from here, in order: (data, the receipt).
    """

    name: str
    address: Address
    settings: dict[str, Any]
    state: MemoryState = field(factory=MemoryState)
    server: MemoryServer | None = None
    seen: list[tuple[str, Any, bool]] = field(factory=list)
    structs: list[dict[str, Any]] = field(factory=list)
    sent: list[tuple[Any, Sent]] = field(factory=list)
    slow: float = 0.0
    deaf: bool = False
    wall_ahead: float = 0.0
    wanted: dict[str, Any] = field(factory=dict)

    @property
    def data(self) -> list[Any]:
        """The data of what was received, in order."""
        return [data for _, data, _ in self.seen]


class World:
    """See the module."""

    def __init__(self, network: MemoryNetwork | None = None) -> None:
        self.network = network or MemoryNetwork()
        self.places: dict[str, Place] = {}

    # -- servers -------------------------------------------------------------------------------

    def relay(self, name: str, *upstream: str, **settings: Any) -> Place:
        """Start a relay that joins those others."""
        joined = tuple(UpstreamSetting(self.places[one].address, ADMIN_TOKEN) for one in upstream)
        return self._found(name, {"role": "relay", "upstream": joined, **settings})

    def satellite(
        self,
        name: str,
        relay: str | None,
        wanted: dict[str, Any] | None = None,
        deaf: bool = False,
        **settings: Any,
    ) -> Place:
        """Start a satellite of a relay.

        Args:
            name: what it is called here.
            relay: which relay, None for none.
            wanted: attributes of its plugin's class.
            deaf: nobody can connect to it.
            settings: any of `Settings`.
        """
        at = None if relay is None else self.places[relay].address
        return self._found(name, {"relay": at, **settings}, wanted or {}, deaf)

    def _found(
        self,
        name: str,
        settings: dict[str, Any],
        wanted: dict[str, Any] | None = None,
        deaf: bool = False,
    ) -> Place:
        address = Address(f"10.0.0.{len(self.places) + 1}", PORT)
        place = Place(name, address, settings, wanted=wanted or {}, deaf=deaf)
        self.places[name] = place
        self.start(name)
        return place

    def start(self, name: str) -> None:
        """Start a server from its state, unless it runs."""
        place = self.places[name]
        if place.server is not None:
            return
        server = MemoryServer(self.network, place.address, place.state, **place.settings)
        place.server = server
        server.wall_ahead = place.wall_ahead
        if server.satellite is not None:
            server.add_plugin(_recorder(place, server))
        server.start()
        if place.deaf:
            self.network.detach(place.address)

    def kill(self, name: str) -> None:
        """End a server as `kill -9` does."""
        place = self.places[name]
        if place.server is not None:
            place.server.kill()
            place.server = None

    def stop(self, name: str) -> None:
        """End a server in good order."""
        server, self.places[name].server = self.places[name].server, None
        if server is not None:
            ended = server.stop()
            self.network.clock.pass_time(15.0)
            assert ended.called, f"{name} does not end"

    # -- what happens --------------------------------------------------------------------------

    def send(self, name: str, data: Any, **options: Any) -> Sent:
        """Send a message from a satellite that runs."""
        place = self.places[name]
        assert place.server is not None
        assert place.server.satellite is not None
        sent = place.server.satellite.send({"data": data}, **options)
        place.sent.append((data, sent))
        return sent

    def move(self, name: str, address: Address) -> None:
        """Let a server be at another address from now on, whether it runs or not."""
        place = self.places[name]
        place.address = address
        if place.server is not None:
            place.server.move(address)

    def set_wall(self, name: str, ahead: float) -> None:
        """Set a server's wall clock so many seconds ahead of the others'; it stays so."""
        place = self.places[name]
        place.wall_ahead = ahead
        if place.server is not None:
            place.server.wall_ahead = ahead

    def cut(self, one: str, other: str, both: bool = True) -> None:
        """Let nothing pass from the one to the other, or either way."""
        self.network.cut(self.places[one].address, self.places[other].address, both)

    def heal(self) -> None:
        """Let everything pass again."""
        self.network.heal()

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.network.clock.pass_time(seconds)

    # -- what is expected ----------------------------------------------------------------------

    def complaints(
        self, receivers: list[str], authors: list[str], so_far: bool = False
    ) -> list[str]:
        """Say what is wrong: messages that are missing, out of order, or repeated unmarked.

        Args:
            receivers: who should have them.
            authors: whose messages.
            so_far: those that are still missing may come yet.
        """
        return [
            f"{receiver} of {author}: {wrong}"
            for receiver in receivers
            for author in authors
            if receiver != author
            for wrong in self._wrong(self.places[receiver], self.places[author], so_far)
        ]

    def _wrong(self, receiver: Place, author: Place, so_far: bool) -> list[str]:
        random = author.state.identity(_unknown).random
        first: dict[Any, None] = {}
        wrong = []
        for one, data, again in receiver.seen:
            if one != random:
                continue
            if data in first and not again:
                wrong.append(f"{data!r} came again and did not say so")
            first[data] = None
        expected = [data for data, _ in author.sent]
        if list(first) != (expected[: len(first)] if so_far else expected):
            wrong.append(f"expected {expected}, got {list(first)}")
        return wrong


def _unknown() -> Any:
    raise AssertionError("a server that never ran has no identity")


def _recorder(place: Place, server: MemoryServer) -> type[Co2Plugin]:
    class X_Recorder(Co2Plugin):
        def receive(self, data_dict: dict[str, Any]) -> Any:
            author = str(data_dict["host_id"]).partition("@")[0]
            again = data_dict.get("redelivered") is True
            place.seen.append((author, data_dict["data"], again))
            place.structs.append(data_dict)
            if not place.slow:
                return None
            done: Deferred[None] = Deferred()
            server.host.reactor.callLater(place.slow, done.callback, None)
            return done

    for name, value in place.wanted.items():
        setattr(X_Recorder, name, value)
    return X_Recorder
