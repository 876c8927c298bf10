"""Our way to one daemon: a DEALER for requests, and a SUB once somebody listens.

Connections are made when they are needed, and again when they were lost, with growing pauses. A
request whose connection is lost fails; subscriptions are made again, and those who listen are told
that they may have missed something. In the reactor's thread only.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from plugin.mktl.net.peer import Peer
from plugin.mktl.net.sockets import Dealer, Subscriber, subscription
from plugin.mktl.wire.dialects import Dialect, New, Old
from plugin.mktl.wire.message import MalformedMessage, Payload, Request

ANSWER_WITHIN = 5.0
"""Seconds for the ACK or REP of a request."""
DONE_WITHIN = 120.0
"""Seconds for the REP of one that was acknowledged, from when it was asked."""
PROBE_WITHIN = 1.0
"""Seconds for that of a question whether somebody is still there."""
_retry = backoffPolicy(initialDelay=0.05, maxDelay=5.0, factor=1.7)
_number = itertools.count()
_DIALECTS: dict[str, type[Dialect]] = {"new": New, "old": Old}


class RemoteRefusal(RuntimeError):
    """A daemon has answered with an error.

    Attributes:
        kind: the type that the daemon gave, as 'KeyError'.
        text: what it said.
    """

    def __init__(self, request: Request, kind: str, text: str) -> None:
        super().__init__(f"{request.type} of {request.target} failed: {kind}: {text}")
        self.kind = kind
        self.text = text


class Origin(NamedTuple):
    """Where a daemon is."""

    host: str
    rep: int
    pub: int | None = None
    dialect: str = "new"


class _Waiting:
    """A request that was not answered yet."""

    __slots__ = ("answer", "data", "deadline", "request", "until", "written")

    def __init__(self, request: Request, data: bytes, until: float) -> None:
        self.request = request
        self.data = data
        self.until = until
        self.answer: Deferred[Payload] = Deferred()
        self.deadline: IDelayedCall | None = None
        self.written = False


class Link:
    """See the module.

    Args:
        reactor: connects and times.
        origin: the daemon.
    """

    _log = Logger()

    def __init__(self, reactor: Any, origin: Origin) -> None:
        self.origin = origin
        self.dialect = _DIALECTS[origin.dialect]()
        self._reactor = reactor
        self._peer: Peer | None = None
        self._service: ClientService | None = None
        self._waiting: dict[bytes, _Waiting] = {}
        self._numbers = itertools.count()
        self.ear = Ear(reactor, origin, self.dialect)

    # -- requests ----------------------------------------------------------------------------------

    def probe(self, request: Request) -> Deferred[Payload]:
        """Ask as `ask` does, but give up at once where nobody listens, and soon in any case."""
        answer = self.ask(request, PROBE_WITHIN)
        if self._peer is None and self._service is not None:

            def refused(failure: Failure) -> None:
                waiting = self._waiting.pop(request.id, None)
                if waiting is not None and waiting.deadline is not None:
                    waiting.deadline.cancel()
                    host, port = self.origin[:2]
                    text = f"nobody listens at {host}:{port}"
                    waiting.answer.errback(Failure(ConnectionError(text)))

            self._service.whenConnected(failAfterFailures=1).addCallbacks(lambda _: None, refused)
        return answer

    def ask(
        self, request: Request, within: float = ANSWER_WITHIN, done_within: float = DONE_WITHIN
    ) -> Deferred[Payload]:
        """Send a request; its id is chosen here.

        Args:
            within: seconds for an ACK or REP.
            done_within: seconds for the REP.

        Returns:
            a Deferred of the answer's payload. It fails with RemoteRefusal, TimeoutError (neither
            ACK nor REP came in time, or an ACK only) or ConnectionError (the connection
            went before the REP).
        """
        self._connect()
        request.id = b"%08x" % (next(self._numbers) & 0xFFFFFFFF)
        until = self._reactor.seconds() + done_within
        waiting = _Waiting(request, self.dialect.request(request), until)
        if request.reply or request.ack:
            self._waiting[request.id] = waiting
            waiting.deadline = self._reactor.callLater(
                min(within, done_within), self._late, waiting
            )
        elif self._peer is None:
            self._waiting[request.id] = waiting
        if not (request.reply or request.ack):
            waiting.answer.callback(Payload(None))
        if self._peer is not None:
            self._write(waiting)
        return waiting.answer

    def _connect(self) -> None:
        if self._service is not None:
            return
        identity = b"request.Client.%d.%d" % (os.getpid(), next(_number))
        dealer = Dealer(self._reactor, self, identity)
        endpoint = HostnameEndpoint(self._reactor, self.origin.host, self.origin.rep)
        self._service = ClientService(endpoint, dealer, _retry, self._reactor)
        self._service.startService()

    def opened(self, peer: Peer) -> None:
        """Write what was asked meanwhile."""
        self._peer = peer
        for waiting in list(self._waiting.values()):
            self._write(waiting)

    def _write(self, waiting: _Waiting) -> None:
        waiting.written = True
        if not (waiting.request.reply or waiting.request.ack):
            self._waiting.pop(waiting.request.id, None)
        if self._peer is not None:
            self._peer.send(waiting.data)

    def received(self, frames: list[bytes]) -> None:
        """Take an ACK or REP."""
        try:
            id, kind, payload = self.dialect.read_response(frames)
        except MalformedMessage as error:
            self._log.warn("{origin}: {error}", origin=self.origin, error=str(error))
            return
        waiting = self._waiting.get(id)
        if waiting is None:
            return
        if waiting.deadline is not None:
            waiting.deadline.cancel()
            waiting.deadline = None
        if kind == "ACK" and waiting.request.reply:
            left = max(0.0, waiting.until - self._reactor.seconds())
            waiting.deadline = self._reactor.callLater(left, self._late, waiting)
            return
        del self._waiting[id]
        if payload.error:
            kind, text = payload.error.get("type", "Error"), payload.error.get("text", "")
            waiting.answer.errback(Failure(RemoteRefusal(waiting.request, kind, text)))
        else:
            waiting.answer.callback(payload)

    def _late(self, waiting: _Waiting) -> None:
        waiting.deadline = None
        self._waiting.pop(waiting.request.id, None)
        host, port = self.origin[:2]
        text = f"{waiting.request.type} @ {host}:{port}: no answer in time"
        waiting.answer.errback(Failure(TimeoutError(text)))

    def left(self) -> None:
        """Fail what was written and not answered; what was not written waits for a connection."""
        self._peer = None
        lost = [one for one in self._waiting.values() if one.written]
        for waiting in lost:
            del self._waiting[waiting.request.id]
            if waiting.deadline is not None:
                waiting.deadline.cancel()
            host, port = self.origin[:2]
            text = f"{waiting.request.target}: the connection to {host}:{port} was lost"
            if not waiting.answer.called:
                waiting.answer.errback(Failure(ConnectionError(text)))

    def close(self) -> Deferred[Any] | None:
        """Close both connections."""
        self.ear.close()
        for waiting in self._waiting.values():
            waiting.written = True
        self.left()
        service, self._service = self._service, None
        return service.stopService() if service is not None else None


@asynccontextmanager
async def brief_link(reactor: Any, origin: Origin) -> AsyncIterator[Link]:
    """Give a link for a few questions, which is closed after them: nobody dials again for it."""
    link = Link(reactor, origin)
    try:
        yield link
    finally:
        reactor.callLater(0, link.close)  # not within what may be its own service's callback


class Ear:
    """The publications of one daemon; see the module."""

    _log = Logger()

    def __init__(self, reactor: Any, origin: Origin, dialect: Dialect) -> None:
        self._reactor = reactor
        self._origin = origin
        self._dialect = dialect
        self._peer: Peer | None = None
        self._service: ClientService | None = None
        self._listening: dict[str, Callable[[Payload], None]] = {}
        self._gaps: dict[str, Callable[[bool], None]] = {}

    def listen(
        self, target: str, news: Callable[[Payload], None], gap: Callable[[bool], None]
    ) -> None:
        """Hear of an item.

        Args:
            news: called with each publication.
            gap: called with True when the subscription was sent, with False when the connection
                was lost.
        """
        if self._origin.pub is None:
            return
        self._listening[target], self._gaps[target] = news, gap
        if self._service is None:
            endpoint = HostnameEndpoint(self._reactor, self._origin.host, self._origin.pub)
            factory = Subscriber(self._reactor, self)
            self._service = ClientService(endpoint, factory, _retry, self._reactor)
            self._service.startService()
        if self._peer is not None:
            self._peer.send(subscription(f"{target}.".encode()))
            gap(True)

    def opened(self, peer: Peer) -> None:
        """Subscribe to everything that is listened to."""
        self._peer = peer
        for target, gap in self._gaps.items():
            peer.send(subscription(f"{target}.".encode()))
            gap(True)

    def received(self, frames: list[bytes]) -> None:
        """Take a publication."""
        try:
            publication = self._dialect.read_publication(frames)
        except MalformedMessage as error:
            self._log.warn("{origin}: {error}", origin=self._origin, error=str(error))
            return
        news = self._listening.get(publication.target)
        if news is not None:
            news(publication.payload)

    def left(self) -> None:
        """Tell everybody that they hear nothing now."""
        self._peer = None
        for gap in self._gaps.values():
            gap(False)

    def close(self) -> None:
        """Hear nothing more."""
        if self._service is not None:
            self._service.stopService()
            self._service = None
