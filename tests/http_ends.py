"""Both ends of an HTTP connection in memory, for the tests of `co2.net`.

`MemoryTransport` stands for the transport of one end; `Client` holds the raw end of a connection
to a real `HttpServer` with the real codec and dispatcher behind it.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IConsumer, IPushProducer, ISystemHandle, ITCPTransport
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from zope.interface import implementer

from co2.model.calls import Level
from co2.model.procedure import Procedure
from co2.net.answering import Answering
from co2.net.http_limits import HttpLimits
from co2.net.http_server import HttpServer
from co2.rpc.conversation import Conversations
from co2.rpc.dispatch import Dispatcher
from co2.rpc.registry import Registry
from co2.rpc.rights import Gate
from co2.wire.xmlrpc import DEFAULT_LIMITS, encode_call

SERVER_ADDRESS = IPv4Address("TCP", "127.0.0.1", 2004)
CLIENT_ADDRESS = IPv4Address("TCP", "127.0.0.1", 50000)
TOKEN = "t" * 32


@implementer(ITCPTransport, IConsumer, IPushProducer)
class MemoryTransport:
    """One end's transport: keeps what is written until `take`; `full_at` bytes are too many."""

    def __init__(self, protocol: Any, host: Any, peer: Any, full_at: int = 1 << 30) -> None:
        self.protocol = protocol
        self.host, self.peer = host, peer
        self.full_at = full_at
        self.written = bytearray()
        self.producer: Any = None
        self.streaming = False
        self.reading = True
        self.disconnecting = False
        self.lost = False
        self.reason: Exception | None = None
        self.half_closed = False

    def connect(self) -> None:
        self.protocol.makeConnection(self)

    def write(self, data: bytes) -> None:
        assert type(data) is bytes
        if self.lost or self.disconnecting:
            return
        self.written += data
        if self.producer is not None and self.streaming and len(self.written) > self.full_at:
            self.producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def take(self) -> bytes:
        """Give what was written, as the other side that reads it."""
        data = bytes(self.written)
        self.written.clear()
        if self.disconnecting and not self.lost:
            self.lose(ConnectionDone())
        elif data and self.producer is not None and len(data) > self.full_at:
            self.producer.resumeProducing()
        return data

    def lose(self, reason: Exception) -> None:
        """The connection ends, whoever ended it."""
        if not self.lost:
            self.lost = True
            self.reason = reason
            producer, self.producer = self.producer, None
            if producer is not None:
                producer.stopProducing()
            self.protocol.connectionLost(Failure(reason))

    def loseConnection(self) -> None:
        self.disconnecting = True
        if not self.written:
            self.lose(ConnectionDone())

    def abortConnection(self) -> None:
        self.written.clear()
        self.lose(ConnectionAborted())

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def getPeer(self) -> Any:
        return self.peer

    def getHost(self) -> Any:
        return self.host

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert self.producer is None
        self.producer, self.streaming = producer, streaming

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def stopProducing(self) -> None:
        self.loseConnection()

    def setTcpNoDelay(self, enabled: bool) -> None: ...

    def getTcpNoDelay(self) -> bool:
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None: ...

    def getTcpKeepAlive(self) -> bool:
        return True


@implementer(ISystemHandle)
class SocketTransport(MemoryTransport):
    """A transport with a real socket; `drain` does what the reactor does when it is writable."""

    def __init__(self, handle: Any, protocol: Any, host: Any, peer: Any) -> None:
        super().__init__(protocol, host, peer)
        self.handle = handle

    def getHandle(self) -> Any:
        return self.handle

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        super().registerProducer(producer, streaming)
        if not streaming:
            producer.resumeProducing()

    def drain(self) -> None:
        while self.written:
            try:
                sent = self.handle.send(bytes(self.written))
            except BlockingIOError:
                return
            del self.written[:sent]
        if self.producer is not None:
            self.producer.resumeProducing()


class Methods:
    """What the test server can do; `waiting` holds the Deferreds that `wait` gave out."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[Any]] = []
        self.cancelled = 0
        self.ran: list[str] = []

    def procedures(self) -> list[Procedure]:
        return [
            Procedure("echo", self.echo),
            Procedure("add", self.add),
            Procedure("wait", self.wait),
            Procedure("ready", self.ready),
            Procedure("odd", self.odd),
            Procedure("broken", self.broken),
            Procedure("who", self.who, level=Level.OPEN, passes_caller=True),
        ]

    def echo(self, value: Any) -> Any:
        """Give the value back."""
        self.ran.append("echo")
        return value

    def add(self, first: int, second: int) -> int:
        """Add two numbers."""
        return first + second

    def wait(self) -> Deferred[Any]:
        """Answer when the test says so."""
        self.ran.append("wait")
        deferred: Deferred[Any] = Deferred(self._count_cancel)
        self.waiting.append(deferred)
        return deferred

    def _count_cancel(self, deferred: Deferred[Any]) -> None:
        self.cancelled += 1

    def ready(self) -> Deferred[Any]:
        """Answer by a Deferred that has fired already."""
        deferred: Deferred[Any] = Deferred()
        deferred.callback("ready")
        return deferred

    def odd(self) -> Any:
        """Return what cannot travel."""
        return {"list": [1, object()]}

    def broken(self) -> Any:
        """Raise what nobody foresaw."""
        raise RuntimeError("a secret of the server")

    def who(self, caller: Any) -> str:
        """Tell who calls."""
        return f"{caller.who} {caller.level.word} {caller.ip}"


class Page(Resource):
    """The pages of the test server: every path below /page."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        if request.path == b"/broken":
            raise RuntimeError("a secret of the page")
        if request.path != b"/page":
            request.setResponseCode(404)
            return b"no such page"
        request.setHeader(b"Content-Type", b"text/plain")
        return b"a page for " + request.caller.who.encode()


class Server:
    """A server with everything real behind it, and clocks that the test moves.

    `clock` is the steady one, `wall` is UNIX seconds.
    """

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.wall = 1_700_000_000.5
        self.methods = Methods()
        registry = Registry()
        for procedure in self.methods.procedures():
            registry.enter(procedure)
        conversations = Conversations(self.clock, lambda: "0" * 32)
        self.dispatcher = Dispatcher(registry, self.clock, conversations, Logger())
        self.http = HttpServer(
            self.clock,
            Answering(self.dispatcher, DEFAULT_LIMITS, {}),
            Gate(TOKEN, False, 2004),
            Page(),
            HttpLimits(**limits),
            lambda: self.wall,
        )

    def connect(self, peer: Any = CLIENT_ADDRESS, full_at: int = 1 << 30) -> Client:
        protocol = self.http.buildProtocol(peer)
        assert protocol is not None
        return Client(self, MemoryTransport(protocol, SERVER_ADDRESS, peer, full_at))


class Client:
    """The client's end of a connection to a `Server`."""

    def __init__(self, server: Server, transport: MemoryTransport) -> None:
        self.server = server
        self.transport = transport
        self.unread = b""
        transport.connect()

    def send(self, data: bytes) -> Client:
        self.transport.protocol.dataReceived(data)
        return self

    def drip(self, data: bytes, size: int = 1) -> Client:
        for start in range(0, len(data), size):
            if not self.transport.lost:
                self.send(data[start : start + size])
        return self

    def answers(self) -> list[Reply]:
        """Give what has come back, cut into answers; nothing may be left over."""
        replies, self.unread = split_replies(self.unread + self.transport.take())
        assert self.unread == b""
        return replies

    def answer(self) -> Reply:
        """Give the one answer that has come back."""
        replies = self.answers()
        assert len(replies) == 1, replies
        return replies[0]

    @property
    def closed(self) -> bool:
        return self.transport.lost

    def leave(self) -> None:
        self.transport.lose(ConnectionDone())


class Reply:
    """An answer, read by rules of the test's own: the code under test has no part in it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.version, status, self.phrase = first.split(" ", 2)
        self.status = int(status)
        self.headers = {}
        for line in lines:
            name, value = line.split(": ", 1)
            assert name.lower() not in self.headers
            self.headers[name.lower()] = value
        self.body = body

    def __repr__(self) -> str:
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


def split_replies(data: bytes) -> tuple[list[Reply], bytes]:
    replies = []
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100 "):
            data = rest
            continue
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        assert length is not None, head
        size = int(length[1])
        if len(rest) < size:
            break
        replies.append(Reply(head, rest[:size]))
        data = rest[size:]
    return replies, data


def request(
    body: bytes, *lines: bytes, line: bytes = b"POST /RPC2 HTTP/1.1", kind: bytes = b"text/xml"
) -> bytes:
    """Write a good request, with further header lines."""
    head = [line, b"Host: 127.0.0.1:2004", b"Content-Type: " + kind, *lines]
    head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def call(method: str, *params: Any) -> bytes:
    """Write a good request with a call."""
    return request(encode_call(method, params))


def chunked(*chunks: bytes) -> bytes:
    """Write a good request whose body comes in chunks."""
    head = (
        b"POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1:2004\r\nContent-Type: text/xml\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    return head + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"


class ScriptedServer:
    """The far end of a peer's connections, played by the test.

    It is the endpoint that the peer connects by: `accept` lets the connection that waits in, and
    `refuse` does not. `heard` is what the newest connection brought. With `handles`, the peer's
    ends are these sockets, one for each connection.
    """

    def __init__(self, accepts: bool = True, handles: list[Any] | None = None) -> None:
        self.accepts = accepts
        self.handles = handles
        self.waiting: list[tuple[Any, Deferred[Any]]] = []
        self.transports: list[MemoryTransport] = []
        self.attempts = 0

    def connect(self, factory: Any) -> Deferred[Any]:
        deferred: Deferred[Any] = Deferred()
        self.attempts += 1
        self.waiting.append((factory, deferred))
        if self.accepts:
            self.accept()
        return deferred

    def accept(self) -> None:
        factory, deferred = self.waiting.pop(0)
        protocol = factory.buildProtocol(SERVER_ADDRESS)
        ends = (protocol, CLIENT_ADDRESS, SERVER_ADDRESS)
        transport = (
            SocketTransport(self.handles.pop(0), *ends) if self.handles else MemoryTransport(*ends)
        )
        self.transports.append(transport)
        transport.connect()
        # connectProtocol's factory gives the protocol that was wrapped.
        deferred.callback(protocol)

    def refuse(self, error: Exception) -> None:
        _, deferred = self.waiting.pop(0)
        deferred.errback(Failure(error))

    @property
    def line(self) -> MemoryTransport:
        return self.transports[-1]

    def heard(self) -> bytes:
        return self.line.take()

    def say(self, data: bytes) -> None:
        self.line.protocol.dataReceived(data)

    def hang_up(self) -> None:
        self.line.lose(ConnectionDone())


def http_answer(body: bytes, *lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Write an answer with a length."""
    head = [status, b"Content-Type: text/xml", *lines, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body
