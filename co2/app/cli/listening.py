"""A satellite without plugins that hands every message to one function, for `co2 tail`.

Wiring only: the rooms are those of a real satellite, so what is said of `notify`, tokens,
duplicates and leases holds here as well. It listens before it registers, and leaves the roster at
its end.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.resource import Resource
from zope.interface import implementer

from co2.app.cli.target import Target
from co2.app.cli.visiting import draw_visitor
from co2.delivery.backoff import Backoff
from co2.delivery.doors import Doors
from co2.interfaces import IReceiver
from co2.model.ulid import UlidSource
from co2.net.answering import Answering
from co2.net.http_peer import HttpNetwork
from co2.net.http_server import HttpServer
from co2.rpc.about import About
from co2.rpc.conversation import Conversations
from co2.rpc.dispatch import Dispatcher
from co2.rpc.introspection import Introspection
from co2.rpc.registry import Registry
from co2.rpc.rights import Gate
from co2.satellite.enrolment import Enrolment
from co2.satellite.inbox import Inbox
from co2.satellite.procedures import SatelliteProcedures
from co2.satellite.taken import MemoryTaken
from co2.wire.limits import DEFAULT_LIMITS

_FEATURES = ("redelivered", "fine_times")
_GRACE = 1.0
"""Seconds for the relay's last calls to be answered, at the end."""


@implementer(IReceiver)
class Receiver:
    """Hands messages to a function."""

    name = "co2.tail"
    receives = True

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self._take = take

    def wants(self, topic: str | None, superseded: bool) -> bool:
        """Want everything: the relay knows which topics to send."""
        return True

    def deliver(self, struct: dict[str, Any]) -> str:
        """Hand a message over; it is taken whatever becomes of it here."""
        self._take(struct)
        return "ok"


class Listening:
    """See the module.

    Args:
        relay: where it registers.
        reactor: the one that will run.
        interface: the address to listen on; the relay must be able to reach it.
        take: gets every message, as a plugin's `receive` does.
        registered: told of the host_id, each time it registers.
    """

    def __init__(
        self,
        relay: Target,
        reactor: Any,
        interface: str,
        take: Callable[[dict[str, Any]], None],
        registered: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._interface = interface
        self._notify_token = secrets.token_urlsafe(24)
        make_id = UlidSource(time.time, secrets.randbits).make
        self._inbox = Inbox([Receiver(take)].copy, make_id, MemoryTaken(), reactor)
        self._doors = Doors()
        self._doors.open(self._notify_token, self._inbox.take)
        self._port: IListeningPort | None = None
        self._visitor: dict[str, Any] = {}
        self._server = self._serve()
        self._enrolment = Enrolment(
            HttpNetwork(reactor).peer(relay.address, relay.authorization),
            reactor,
            Backoff(random.random, longest=5.0),
            lambda: self._visitor,
            lambda answer: registered(str(answer["host_id"])),
            relay.timeout,
            visiting=True,
        )

    def start(self) -> None:
        """Listen, and register.

        Raises:
            CannotListenError: the address is not this machine's.
        """
        port: IListeningPort = self._reactor.listenTCP(0, self._server, interface=self._interface)
        self._port = port
        number = port.getHost().port  # type: ignore[attr-defined]  # what TCP ports give has it
        self._server.change_gate(Gate("", False, number))
        self._visitor = draw_visitor("co2 tail", number)
        self._visitor["notify_token"] = self._notify_token
        self._enrolment.start()

    def stop(self) -> Deferred[None]:
        """Leave the roster, and stop listening."""
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        self._inbox.close()
        await self._enrolment.stop()
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        await self._server.drain(_GRACE)

    def _serve(self) -> HttpServer:
        registry, reactor = Registry(), self._reactor
        conversations = Conversations(reactor, lambda: secrets.token_urlsafe(18))
        dispatcher = Dispatcher(registry, reactor, conversations, Logger(namespace="co2.rpc"))
        for source in (
            About(lambda: self._enrolment.host_id, time.time, reactor.seconds, ()),
            Introspection(registry, dispatcher, features=_FEATURES),
            self._doors,
            SatelliteProcedures(dispatcher, lambda: self._notify_token, lambda: False),
        ):
            for refusal in registry.enter_source(source):
                raise refusal.reason
        answering = Answering(dispatcher, DEFAULT_LIMITS, {})
        return HttpServer(reactor, answering, Gate("", False, 0), Resource())
