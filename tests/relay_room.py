"""The relay's room put together for its tests: everything real but network, clock and store."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

from twisted.internet.defer import maybeDeferred

from co2.delivery.backoff import Backoff
from co2.delivery.courier import Courier
from co2.delivery.journal import MemoryJournal
from co2.delivery.one_at_a_time import OneAtATime
from co2.errors import MethodNotFound
from co2.model.calls import Caller, Level
from co2.model.hosts import Address, HostState
from co2.relay.admission import Admission
from co2.relay.calling import Calling
from co2.relay.fanout import Fanout
from co2.relay.intake import Intake
from co2.relay.limiter import Limiter
from co2.relay.lines import Lines
from co2.relay.pinger import Pinger
from co2.relay.procedures import RelayProcedures
from co2.relay.receipts import Receipts
from co2.relay.roster import PUSHED, Roster
from co2.testing.network import MemoryNetwork
from co2.testing.state import MemoryState
from co2.wire.xmlrpc import decode_call, encode_fault, encode_members, encode_reply

KEY = b"k" * 32
SECRET = "s" * 22
RELAY = Address("10.0.0.1", 2004)


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


class RelayRoom:
    """See the module. `restart` makes it anew on the same store."""

    def __init__(self, store: MemoryState | None = None, network: Any = None, **options: Any):
        self.network = network or MemoryNetwork()
        self.clock = self.network.clock
        self.store = store or MemoryState()
        self.options = options
        self.host = self.network.host(RELAY)
        self.opened: list[Any] = []
        self.changes: list[tuple[str, HostState]] = []
        lease, forget_after = options.get("lease", 60.0), options.get("forget_after", 1000.0)
        self.roster = Roster(self.store, lease, forget_after, self.changed)
        self.journal = options.get("journal") or MemoryJournal(
            "j1", options.get("most", 1000), 1 << 24
        )
        self.lines = Lines(self.open_line)
        numbers = itertools.count(1)
        self.fanout = Fanout(
            self.journal,
            self.journal,
            self.roster,
            self.clock,
            self.now,
            lambda: f"call{next(numbers)}",
            self.open_courier,
        )
        self.admission = Admission(
            self.roster,
            KEY,
            lambda: f"drawn{next(numbers)}",
            options.get("max_sats", 10),
            options.get("allow_untokened", False),
        )
        self.limiter = Limiter(options.get("rate", 1000.0), options.get("burst", 1000))
        self.intake = Intake(
            self.admission,
            self.limiter,
            self.journal,
            self.fanout,
            lambda: 5000.0,
            self.clock.seconds,
            lambda: f"made{next(numbers)}",
            self.clock,
            "relay-id",
            lambda: self.roster.has_relays,
        )
        interval = options.get("interval", 15.0)
        self.pinger = Pinger(self.roster, self.clock, interval, 5.0, self.lines)
        self.calling = Calling(self.roster, self.lines, self.fanout.collecting)
        self.receipts = Receipts(
            self.journal, self.journal, self.roster, self.admission, self.fanout.wants
        )
        self.procedures = RelayProcedures(
            "relay-id",
            self.roster,
            self.journal,
            self.admission,
            self.intake,
            self.fanout,
            self.receipts,
            self.calling,
            self.clock,
            self.now,
        )

    def now(self) -> float:
        return 5000.0 + self.clock.seconds()

    def start(self) -> RelayRoom:
        self.roster.load(self.clock.seconds(), self.journal.cursors(), self.journal.last_seq)
        self.pinger.start()
        return self

    def stop(self) -> None:
        self.pinger.stop()
        for presence in self.roster:
            self.lines.drop(presence)
        self.intake.close()
        self.fanout.close()

    def restart(self) -> RelayRoom:
        self.stop()
        return RelayRoom(self.store, self.network, **self.options).start()

    def register(self, ip: str = "10.0.0.2", port: int = 2004, **more: Any) -> dict[str, Any]:
        """Register as a host does; give the answer."""
        level = more.pop("level", Level.CALL)
        return self.procedures.register(a_caller(ip, level), {"port": port, **more})

    def relay(self, answer: dict[str, Any], data: Any = 1, **more: Any) -> Any:
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

    def presence(self, answer: dict[str, Any]) -> Any:
        return self.roster.get(answer["host_id"].partition("@")[0])

    def pass_time(self, seconds: float) -> None:
        self.clock.pass_time(seconds)

    # -- wiring, as co2.service does it ------------------------------------------------------------

    def changed(self, presence: Any) -> None:
        self.changes.append((presence.random, presence.state))
        if presence.state is HostState.GONE:
            self.limiter.forget(presence.random)
        self.fanout.follow(presence)
        if presence.state not in PUSHED:
            self.lines.drop(presence)
        if presence.state is HostState.CHECKING:
            self.pinger.check(presence)

    def open_line(self, registration: Any) -> OneAtATime:
        line = OneAtATime(self.host.peer(registration.address), self.clock)
        self.opened.append(line)
        return line

    def open_courier(self, presence: Any, errand: Any) -> Courier:
        registration = presence.registration
        token = registration.notify_token
        co2 = registration.co2
        return Courier(
            self.journal,
            self.host.peer(registration.address) if co2 else self.lines.shared(presence),
            self.clock,
            Backoff(Random(1).random),
            method="notify",
            members=encode_members({"token": token}) if token else b"",
            wants=errand.wants,
            refuses=errand.refuses,
            settled=errand.settled,
            missed=errand.missed,
            extra=errand.extra,
            greeting=errand.greeting,
            greeted=errand.greeted,
            window=4 if co2 else 1,
            batch=self.options.get("batch", 1) if co2 else 1,
            plain=not co2,
            after=presence.cursor,
            reached=presence.reached,
        )


def a_caller(ip: str = "10.0.0.2", level: Level = Level.CALL) -> Caller:
    return Caller(level, ip, 40000, level.word)
