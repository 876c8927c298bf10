"""Sockets: a Unix socket, or TCP on loopback; any number of clients at once.

Each connection has its own framing, so that what one client leaves unfinished is gone with it. A
client that does not read its answers is not read either.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Any
from typing import Protocol as Shape

from attrs import define
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress, IConsumer, IListeningPort, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from plugin.guest.exchange.waiting import Waiting
from plugin.guest.interfaces import IExchange

_log = Logger()
MOST_CLIENTS = 64
MOST_LINE = 4 * 1024 * 1024


class Framing(Shape):
    """Bytes to requests; one for each connection."""

    def feed(self, data: bytes) -> list[Any]:
        """Give the values or texts that are complete now."""


@define
class Lines:
    """One request a line: what parsers that say nothing else get."""

    _rest: bytes = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Give the complete lines that are not empty, as {'data': text}."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MOST_LINE:
            self._rest = b""
        return [{"data": line.decode("utf-8", "replace")} for line in lines if line.strip()]


class Client(Protocol):
    """One connection."""

    def __init__(self, exchange: SocketExchange, framing: Framing) -> None:
        self._exchange = exchange
        self._framing = framing
        self.waiting = 0

    def connectionMade(self) -> None:
        """Join, or be refused where there are too many."""
        if not self._exchange.joined(self):
            assert self.transport is not None
            self.transport.loseConnection()
        elif self.transport is not None:
            # The transport is its own producer: while answers are not read, requests are not.
            IConsumer(self.transport).registerProducer(IPushProducer(self.transport), True)

    def dataReceived(self, data: bytes) -> None:
        """Hand on what is complete."""
        for request in self._framing.feed(data):
            self._exchange.arrived(self, request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave; requests that were not begun are forgotten."""
        self._exchange.left(self)

    def send(self, data: bytes) -> None:
        """Write an answer, if somebody is still there."""
        if self.transport is not None and self.connected:
            self.transport.write(data)


@implementer(IExchange)
class SocketExchange:
    """Listens at an endpoint.

    A request is {'client': ..., 'data': text} or, with a parser that has a framing of its own,
    {'client': ..., 'value': what that framing gave}.
    """

    def __init__(self, endpoint: str) -> None:
        """Take a Twisted endpoint string; nothing listens before `start`."""
        self.endpoint = endpoint
        self.port: IListeningPort | None = None
        self._framing: Callable[[], Any] = Lines
        self._own_framing = False
        self._parse: Callable[[Any], Any] | None = None
        self._waiting = Waiting()
        self._clients: set[Client] = set()

    def use_framing(self, framing: Callable[[], Framing]) -> None:
        """Cut the stream as the parser needs it."""
        self._framing, self._own_framing = framing, True

    def answer_by(self, parse: Callable[[Any], Any]) -> None:
        """Answer at once by a parser that never waits, without a queue between."""
        self._parse = parse

    def start(self, reactor: Any) -> Deferred[None]:
        """Listen; where that fails, whoever waits for a request is told."""
        listening = serverFromString(reactor, self.endpoint).listen(_Clients(self))
        done: Deferred[None] = listening.addCallbacks(self._listening, self._failed)
        return done

    def get_request(self) -> Deferred[Any]:
        """Give the next request of any client."""
        return self._waiting.get()

    def put_response(self, request: Any, response: Any) -> Deferred[None]:
        """Write to the client that asked."""
        data = response["data"]
        raw = data if isinstance(data, bytes) else data.encode("utf-8") + b"\n"
        request["client"].send(raw)
        return self.discard_request(request)

    def discard_request(self, request: Any) -> Deferred[None]:
        """Give no answer."""
        client: Client = request["client"]
        client.waiting -= 1
        if client.waiting == 0 and client.transport is not None and client.connected:
            client.transport.resumeProducing()  # type: ignore[attr-defined]  # every stream has it
        return succeed(None)

    def close(self) -> Deferred[None]:
        """Stop listening and let the clients go."""
        self._waiting.close()
        for client in tuple(self._clients):
            if client.transport is not None:
                IConsumer(client.transport).unregisterProducer()
                client.transport.loseConnection()
        port, self.port = self.port, None
        stopped = port.stopListening() if port else None
        return stopped if stopped is not None else succeed(None)

    def new_client(self) -> Client:
        """Make the protocol of a connection."""
        return Client(self, self._framing())

    def joined(self, client: Client) -> bool:
        """Remember a client; False where there are too many."""
        if len(self._clients) >= MOST_CLIENTS:
            _log.warn("{count} clients are here: one more is refused", count=len(self._clients))
            return False
        self._clients.add(client)
        return True

    def left(self, client: Client) -> None:
        """Forget a client and what it asked for."""
        self._clients.discard(client)
        if client.waiting:
            self._waiting.drop(lambda request: request["client"] is client)

    def arrived(self, client: Client, value: Any) -> None:
        """Take a request; a client with many waits for its answers before it is read again."""
        if self._parse is not None:
            self._answer(client, value)
            return
        client.waiting += 1
        if client.waiting > 100 and client.transport is not None:
            client.transport.pauseProducing()  # type: ignore[attr-defined]  # every stream has it
        request = {"value": value} if self._own_framing else dict(value)
        self._waiting.put({**request, "client": client})

    def _answer(self, client: Client, value: Any) -> None:
        assert self._parse is not None
        try:
            response = self._parse({"value": value})
        except Exception:
            _log.failure("Error parsing request")
            return
        if response is not None:
            client.send(response["data"])

    def _listening(self, port: IListeningPort) -> None:
        self.port = port

    def _failed(self, failure: Failure) -> None:
        _log.failure("cannot listen at {endpoint}", failure, endpoint=self.endpoint)
        self._waiting.fail(failure.value)  # type: ignore[arg-type]  # what listen gives are Exceptions


class _Clients(Factory):
    noisy = False

    def __init__(self, exchange: SocketExchange) -> None:
        self._exchange = exchange

    def buildProtocol(self, addr: IAddress | None) -> Client:
        """Make the protocol of a connection."""
        return self._exchange.new_client()


class UnixSocket(SocketExchange):
    """A socket in the file system, which only its owner may use."""

    def __init__(self, path: str, mode: int = 0o600) -> None:
        """Take its path; a socket that nobody listens at any more is replaced."""
        escaped = path.replace("\\", "\\\\").replace(":", "\\:")
        super().__init__(f"unix:{escaped}:mode={mode:o}")
        self._path = path

    def start(self, reactor: Any) -> Deferred[None]:
        """Listen."""
        _remove_dead(self._path)
        return super().start(reactor)


class TcpLoopback(SocketExchange):
    """TCP on 127.0.0.1: every user of the machine can reach it."""

    def __init__(self, port: int) -> None:
        super().__init__(f"tcp:{port}:interface=127.0.0.1")


def _remove_dead(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)  # who has a full queue listens
            if probe.connect_ex(path) == errno.ECONNREFUSED:
                os.unlink(path)
    except FileNotFoundError:
        return
