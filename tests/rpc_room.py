"""The rpc room put together for its tests: everything real, the clock and the log in hand."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.python.failure import Failure

from co2.errors import Co2Error
from co2.model.calls import Call, Caller, Level
from co2.model.procedure import Procedure
from co2.rpc.conversation import ConversationMethods, Conversations
from co2.rpc.dispatch import Dispatcher
from co2.rpc.exchange import Limits
from co2.rpc.introspection import Introspection
from co2.rpc.registry import Registry


def a_caller(level: Level = Level.CALL, who: str = "loopback", ip: str = "127.0.0.1") -> Caller:
    return Caller(level, ip, 40000, who, "it is so in this test")


class Room:
    """A registry, a dispatcher, conversations and introspection, as a server wires them."""

    def __init__(self, limits: Limits | None = None, idle_timeout: float = 300.0) -> None:
        self.clock = Clock()
        self.logged: list[dict[str, Any]] = []
        log = Logger("co2.rpc", observer=self.logged.append)
        self.registry = Registry()
        ids = (f"c{number}" for number in range(10_000))
        self.conversations = Conversations(self.clock, ids.__next__, idle_timeout, limits)
        self.dispatcher = Dispatcher(self.registry, self.clock, self.conversations, log)
        for source in (
            ConversationMethods(self.conversations, self.dispatcher.begin),
            Introspection(self.registry, self.dispatcher, 1, ["nil-aware"]),
        ):
            assert self.registry.enter_source(source) == []

    def add(self, name: str, function: Any, **more: Any) -> Procedure:
        """Enter a plugin's method `lab.bench.<name>`."""
        procedure = Procedure(f"lab.bench.{name}", function, owner="lab.bench", **more)
        self.registry.enter(procedure)
        return procedure

    def call(self, method: str, *params: Any, caller: Caller | None = None) -> Any:
        """Call as the network does: a value, a Deferred, or a raised Co2Error."""
        return self.dispatcher.call(Call(method, params), caller or a_caller())


def outcome(deferred: Deferred[Any]) -> Any:
    """Give what a Deferred has come to by now, or raise it."""
    got: list[Any] = []
    deferred.addBoth(got.append)
    assert got, "nothing has come yet"
    if isinstance(got[0], Failure):
        assert isinstance(got[0].value, Co2Error), got[0].value
        raise got[0].value
    return got[0]
