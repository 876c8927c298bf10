"""A relay for the tests of its rooms: a `MemoryServer`, and hosts that talk to it as themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

from co2.errors import MethodNotFound
from co2.model.calls import Call, Caller, Level
from co2.model.hosts import Address
from co2.model.settings import Retention
from co2.testing.network import MemoryNetwork
from co2.testing.peer import MemoryPeer
from co2.testing.servers import MemoryServer
from co2.testing.state import MemoryState
from co2.wire.xmlrpc import decode_call, encode_fault, encode_reply

SECRET = "s" * 22
RELAY = Address("10.0.0.1", 2004)

_SETTINGS = {
    "lease": 60.0,
    "forget_after": 1000.0,
    "max_sats": 10,
    "message_rate": 1000.0,
    "message_burst": 1000,
    "ping_interval": 15.0,
    "send_timeout": 5.0,
    "retention": Retention(1e9, 1000, 1 << 24),
}


class Satellite:
    """A host that listens: co2's by its capabilities, or a foreign one that knows notify only."""

    def __init__(self, network: MemoryNetwork, address: Address, co2: bool = True) -> None:
        self.network, self.address, self.co2 = network, address, co2
        self.calls: list[Any] = []
        self.answers: dict[str, Any] = {}
        self.listen()

    def listen(self) -> None:
        self.network.attach(self.address, self.answer)

    def leave(self) -> None:
        self.network.detach(self.address)

    def answer(self, body: bytes, claim: Any) -> Any:
        call = decode_call(body)
        self.calls.append(call)
        answer = self.answers.get(call.method)
        if answer is not None:
            return answer
        if call.method == "notify":
            return encode_reply({"id": call.params[0]["id"], "plugins": {}})
        if call.method == "ping" and self.co2:
            return encode_reply({"host_id": str(self.address)})
        if call.method == "system.getCapabilities" and self.co2:
            return encode_reply({"co2": {"specUrl": "", "specVersion": 1}, "nil": {}})
        return encode_fault(MethodNotFound("no").as_fault())

    @property
    def received(self) -> list[Any]:
        return [call.params[0]["data"] for call in self.calls if call.method == "notify"]

    def count(self, method: str) -> int:
        return sum(call.method == method for call in self.calls)


class Methods:
    """The relay's methods, called by their last word as by a host or program somewhere.

    The first argument is the caller; without one an admin calls.
    """

    def __init__(self, server: MemoryServer) -> None:
        self._call = server.base.dispatcher.call

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if arguments and isinstance(arguments[0], Caller):
                caller, *params = arguments
            else:
                caller, params = a_caller(level=Level.ADMIN), list(arguments)
            return self._call(Call(f"relay.{name}", tuple(params)), caller)

        return call


class RelayRoom:
    """See the module. `restart` makes it anew on the same state.

    Args:
        store: what an earlier run has kept.
        network: where it is.
        most: messages that its journal keeps.
        settings: any of `Settings`.
    """

    def __init__(
        self,
        store: MemoryState | None = None,
        network: MemoryNetwork | None = None,
        most: int | None = None,
        **settings: Any,
    ) -> None:
        self.network = network or MemoryNetwork()
        self.clock = self.network.clock
        self.store = store or MemoryState()
        self.settings = {**_SETTINGS, **settings}
        if most is not None:
            self.settings["retention"] = Retention(1e9, most, 1 << 24)
        self.server = MemoryServer(self.network, RELAY, self.store, role="relay", **self.settings)
        assert self.server.relay is not None
        self.part = self.server.relay
        self.roster, self.journal = self.part.roster, self.part.journal
        self.admission, self.lines = self.part.admission, self.part.lines
        self.pinger, self.fanout = self.part.pinger, self.part.fanout
        self.relay_id = self.server.base.identity.random
        self.procedures = Methods(self.server)

    def start(self) -> RelayRoom:
        self.server.start()
        return self

    def stop(self) -> None:
        """End it in good order; timers that it leaves behind stay, to be seen."""
        self.part.stop()

    def restart(self) -> RelayRoom:
        self.stop()
        self.server.kill()
        return RelayRoom(self.store, self.network, **self.settings).start()

    def register(self, ip: str = "10.0.0.2", port: int = 2004, **more: Any) -> dict[str, Any]:
        """Register as a host does; give the answer."""
        level = more.pop("level", Level.CALL)
        answer: dict[str, Any] = self.procedures.register(
            a_caller(ip, level), {"port": port, **more}
        )
        return answer

    def relay(self, answer: dict[str, Any], data: Any = 1, **more: Any) -> Deferred[Any]:
        """Send a message of a registered host."""
        ip = more.pop("ip", None) or answer["host_id"].partition("@")[2].rpartition(":")[0]
        struct = {"host_id": answer["host_id"], "token": answer["token"], "data": data, **more}
        struct = {name: value for name, value in struct.items() if value is not None}
        return maybeDeferred(self.procedures.relay, a_caller(ip), struct)

    def satellite(self, number: int, co2: bool = True, **more: Any) -> tuple[Satellite, dict]:
        """Give a host that listens, and is registered and checked."""
        satellite = Satellite(self.network, Address(f"10.0.0.{number}", 2004), co2)
        if co2:
            more = {"random": f"sat{number}", "secret": SECRET, **more}
        answer = self.register(f"10.0.0.{number}", **more)
        self.pass_time(0.1)
        return satellite, answer

    @property
    def opened(self) -> list[MemoryPeer]:
        """Every way that the relay has opened to a host."""
        return self.server.host.peers

    def presence(self, answer: dict[str, Any]) -> Any:
        return self.roster.get(random_of(answer))

    def pass_time(self, seconds: float) -> None:
        self.clock.pass_time(seconds)


def random_of(answer: dict[str, Any]) -> str:
    """Give who a host is, out of the answer to its registration."""
    return str(answer["host_id"]).partition("@")[0]


def a_caller(ip: str = "10.0.0.2", level: Level = Level.CALL) -> Caller:
    return Caller(level, ip, 40000, level.word)
