"""The server as a whole: who may connect, how it stops, and that it works over real sockets."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from http_ends import CLIENT_ADDRESS, Page, Server, call, request, split_replies
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    SSL4ClientEndpoint,
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
)
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import CertificateOptions, PrivateCertificate
from twisted.trial.unittest import SynchronousTestCase, TestCase

from co2.net.answering import Answering
from co2.net.http_server import HttpServer
from co2.rpc.rights import Gate
from co2.wire.xmlrpc import DEFAULT_LIMITS, decode_reply, encode_call

GET = b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class ServerTests(SynchronousTestCase):
    """The server in memory."""

    def test_max_connections(self) -> None:
        """A connection over the limit is not taken; one that ends makes room."""
        server = Server(max_connections=2)
        first, _ = server.connect(), server.connect()
        self.assertIsNone(server.http.buildProtocol(CLIENT_ADDRESS))
        first.leave()
        self.assertEqual(server.http.connections, 1)
        server.connect()

    def test_the_date_is_the_wall_clocks(self) -> None:
        """On the fast way, the general one, and for refusals; no time limit follows that clock."""
        server = Server(idle_timeout=60)
        fast, general, refused = server.connect(), server.connect(), server.connect()
        for year in (2023, 2025, 2024):
            server.wall = datetime(year, 6, 1, tzinfo=UTC).timestamp()
            server.clock.advance(1.0)
            for client, data in ((fast, call("echo", 1)), (general, GET)):
                self.assertIn(f" Jun {year} ", client.send(data).answer().headers["date"])
        date = refused.send(b"no HTTP at all\r\n\r\n").answer().headers["date"]
        self.assertIn(" Jun 2024 ", date)
        self.assertEqual((fast.closed, general.closed), (False, False))

    def test_drain_idle(self) -> None:
        """Connections that wait for nothing close at once when the server stops."""
        server = Server()
        clients = [server.connect(), server.connect(), server.connect().send(GET)]
        clients[1].send(call("echo", 1))
        for client in clients:
            client.answers()
        self.successResultOf(server.http.drain())
        self.assertTrue(all(client.closed for client in clients))
        self.assertFalse(server.clock.getDelayedCalls())

    def test_drain_waits_for_answers(self) -> None:
        """What was begun is answered, with the word that it is the last, and then closed."""
        server = Server()
        fast, general = server.connect(), server.connect().send(GET)
        general.answer()
        for client in (fast, general):
            client.send(call("wait"))
        drained = server.http.drain()
        self.assertNoResult(drained)
        self.assertIsNone(server.http.buildProtocol(CLIENT_ADDRESS))
        for deferred in server.methods.waiting:
            deferred.callback("done")
        reply = fast.answer()
        self.assertEqual(decode_reply(reply.body), "done")
        self.assertEqual(reply.headers["connection"], "close")
        self.assertEqual(decode_reply(general.answer().body), "done")
        self.successResultOf(drained)

    def test_drain_half_a_request(self) -> None:
        """A request that is arriving is served before its connection closes."""
        server = Server()
        data = call("echo", "x" * 100)
        fast, general = server.connect(), server.connect().send(GET)
        general.answer()
        for client in (fast, general):
            client.send(data[:100])
        drained = server.http.drain()
        for client in (fast, general):
            self.assertEqual(decode_reply(client.send(data[100:]).answer().body), "x" * 100)
        self.successResultOf(drained)

    def test_drain_waits_for_slow_readers(self) -> None:
        """An answer that the client has not taken yet is not cut off."""
        server = Server()
        client = server.connect(full_at=1000).send(call("echo", "x" * 5000))
        drained = server.http.drain()
        self.assertNoResult(drained)
        self.assertEqual(decode_reply(client.answer().body), "x" * 5000)
        self.successResultOf(drained)

    def test_drain_grace(self) -> None:
        """What is still open after the grace is cut, and its call cancelled."""
        server = Server()
        clients = [server.connect().send(call("wait")), server.connect().send(GET + call("wait"))]
        drained = server.http.drain(grace=5)
        server.clock.advance(4)
        self.assertNoResult(drained)
        server.clock.advance(1)
        self.successResultOf(drained)
        self.assertEqual(server.methods.cancelled, 2)
        self.assertTrue(all(client.closed for client in clients))

    def test_drain_without_connections(self) -> None:
        """A server without connections has stopped at once."""
        self.successResultOf(Server().http.drain())

    def test_change_gate(self) -> None:
        """New rules hold for those who are connected already."""
        server = Server()
        clients = [server.connect(), server.connect().send(GET)]
        clients[1].answer()
        admin = request(encode_call("who", ()), b"Authorization: Bearer " + b"t" * 32)
        for client in clients:
            self.assertIn("admin", decode_reply(client.send(admin).answer().body))
        server.http.change_gate(Gate("other" * 8, False, 2004))
        for client in clients:
            self.assertIn("stranger", decode_reply(client.send(admin).answer().body))


class Raw(Protocol):
    """A client that collects what comes."""

    def __init__(self) -> None:
        self.data = b""
        self.waiting: list[tuple[int, Deferred[bytes]]] = []
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if self.waiting and len(split_replies(self.data)[0]) >= self.waiting[0][0]:
            self.waiting.pop(0)[1].callback(self.data)

    def replies(self, count: int) -> Deferred[bytes]:
        """Give a Deferred of everything, once that many answers are there."""
        deferred: Deferred[bytes] = Deferred()
        self.waiting.append((count, deferred))
        return deferred

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


def own_certificate() -> PrivateCertificate:
    """Make a certificate that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    day = timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
    certificate = builder.sign(key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return PrivateCertificate.loadPEM(pem + certificate.public_bytes(Encoding.PEM))


class SocketTests(TestCase):
    """The server over loopback, where the direct way out and real buffers are."""

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        double = Server()
        self.methods = double.methods
        answering = Answering(double.dispatcher, DEFAULT_LIMITS, {})
        gate = Gate("t" * 32, False, 2004)
        self.server = HttpServer(self.reactor, answering, gate, Page())

    async def open_tcp(self) -> Raw:
        """Listen, and connect a client; both are closed after the test."""
        port = self.reactor.listenTCP(0, self.server, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", port.getHost().port)
        return await self.connect(endpoint)

    async def connect(self, endpoint: Any) -> Raw:
        client = await connectProtocol(endpoint, Raw())
        self.addCleanup(self.close, client)
        return client

    async def close(self, client: Raw) -> None:
        assert client.transport is not None
        client.transport.loseConnection()
        await client.lost
        await self.server.drain(5)

    async def test_calls_and_pages(self) -> None:
        """Calls, a page and calls again come back over one socket."""
        client = await self.open_tcp()
        awaited = client.replies(4)
        client.transport.write(call("echo", 1) + call("who") + GET + call("echo", 2))
        replies, rest = split_replies(await awaited)
        self.assertEqual(rest, b"")
        self.assertEqual(decode_reply(replies[0].body), 1)
        self.assertEqual(decode_reply(replies[1].body), "loopback call 127.0.0.1")
        self.assertEqual(replies[2].body, b"a page for loopback")
        self.assertEqual(decode_reply(replies[3].body), 2)

    async def test_large_pipelined(self) -> None:
        """Answers larger than a socket's buffer come back whole and in order."""
        client = await self.open_tcp()
        texts = [letter * 3_000_000 for letter in "abc"]
        awaited = client.replies(6)
        for text in texts:
            client.transport.write(call("echo", text) + call("echo", text[:5]))
        replies, _ = split_replies(await awaited)
        got = [decode_reply(reply.body) for reply in replies]
        self.assertEqual(got, [part for text in texts for part in (text, text[:5])])
        self.assertEqual(self.server.buffered, 0)

    async def test_many_turns(self) -> None:
        """A long row of requests needs many turns, and every one comes."""
        client = await self.open_tcp()
        awaited = client.replies(2000)
        client.transport.write(b"".join(call("echo", n) for n in range(2000)))
        replies, _ = split_replies(await awaited)
        self.assertEqual([decode_reply(reply.body) for reply in replies], list(range(2000)))

    async def test_refused_while_sending(self) -> None:
        """A client in the middle of a body that is too large reads why."""
        client = await self.open_tcp()
        awaited = client.replies(1)
        head = call("echo", 1).partition(b"Content-Length")[0]
        client.transport.write(head + b"Content-Length: 99999999\r\n\r\n" + b"x" * 2_000_000)
        replies, _ = split_replies(await awaited)
        self.assertEqual(replies[0].status, 413)

    async def test_encrypted(self) -> None:
        """Over TLS everything goes through the transport, and a closed connection ends in order."""
        options = own_certificate().options()
        port = self.reactor.listenSSL(0, self.server, options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number = port.getHost().port
        # Who the server is, is not asked here: the certificate is its own.
        tls = SSL4ClientEndpoint(self.reactor, "127.0.0.1", number, CertificateOptions())
        client = await self.connect(tls)
        awaited = client.replies(3)
        client.transport.write(call("echo", "x" * 1_000_000) + call("who") + GET)
        replies, _ = split_replies(await awaited)
        self.assertEqual(decode_reply(replies[0].body), "x" * 1_000_000)
        self.assertEqual(decode_reply(replies[1].body), "loopback call 127.0.0.1")
        self.assertEqual(replies[2].body, b"a page for loopback")
        last = await self.connect(tls)
        last.transport.write(request(encode_call("echo", (1,)), b"Connection: close"))
        await last.lost
        self.assertEqual(split_replies(last.data)[0][0].status, 200)
        # Twisted itself still calls pyOpenSSL in ways that pyOpenSSL has deprecated.
        warned = {warning["category"] for warning in self.flushWarnings()}
        self.assertLessEqual(warned, {DeprecationWarning})

    async def test_unix(self) -> None:
        """The server listens on a UNIX socket as well."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = folder.name + "/socket"
        port = self.reactor.listenUNIX(path, self.server)
        self.addCleanup(port.stopListening)
        client = await self.connect(UNIXClientEndpoint(self.reactor, path))
        awaited = client.replies(1)
        client.transport.write(call("who"))
        replies, _ = split_replies(await awaited)
        self.assertEqual(decode_reply(replies[0].body), "loopback call 127.0.0.1")
