"""The general way, and that it does not differ from the fast one."""

from __future__ import annotations

import pytest
from http_ends import Client, Reply, Server, call, chunked, request
from twisted.trial.unittest import SynchronousTestCase

from co2.wire.xmlrpc import decode_reply, encode_call

GET = b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
ECHO = encode_call("echo", ("hello",))
LINE = b"POST /RPC2 HTTP/1.1\r\n"
HOST = b"Host: 127.0.0.1:2004\r\n"
KIND = b"Content-Type: text/xml\r\n"
CHUNKED = LINE + HOST + KIND + b"Transfer-Encoding: chunked\r\n\r\n"


def general(**limits: object) -> Client:
    """Connect a client, and bring it to the general way by a first page."""
    client = Server(**limits).connect()
    assert client.send(GET).answer().status == 200
    return client


BOTH_WAYS = {
    "call": call("echo", "hello"),
    "second path": request(ECHO, line=b"POST / HTTP/1.1"),
    "application/xml": request(ECHO, kind=b"application/xml; charset=utf-8"),
    "close": request(ECHO, b"Connection: close"),
    "fault": call("nothing"),
    "no document": request(b"nonsense"),
    "no body": request(b""),
    "deferred": call("ready"),
    "two": call("echo", 1) + call("echo", 2),
    "admin": request(encode_call("who", ()), b"Authorization: Bearer " + b"t" * 32),
    "origin": request(encode_call("who", ()), b"Origin: http://evil.example"),
    "forwarded": request(encode_call("who", ()), b"X-Forwarded-For: 1.2.3.4"),
    "page": GET,
    "page and close": GET[:-2] + b"Connection: close\r\n\r\n",
    "empty call and close": request(b"", b"Connection: close"),
    "head": GET.replace(b"GET", b"HEAD"),
    "no page": GET.replace(b"/page", b"/nothing"),
    "wrong path": request(ECHO, line=b"POST /nowhere HTTP/1.1"),
    "wrong type": request(ECHO, kind=b"text/plain"),
    "no type": LINE + HOST + b"Content-Length: 1\r\n\r\nx",
    "gzip": request(ECHO, b"Content-Encoding: gzip"),
    "no length": LINE + HOST + KIND + b"\r\n",
    "too large": request(b"x" * 5000),
    "huge head": request(ECHO, b"X: " + b"y" * 20_000),
    "many headers": request(ECHO, *([b"X: y"] * 200)),
    "endless line": b"POST /" + b"x" * 20_000,
    "put": request(ECHO, line=b"PUT /RPC2 HTTP/1.1"),
    "unknown method": request(ECHO, line=b"BREW /RPC2 HTTP/1.1"),
    "http/2": request(ECHO, line=b"POST /RPC2 HTTP/2.0"),
    "no request": b"hello\r\n\r\n",
    "no host": LINE + KIND + b"Content-Length: 1\r\n\r\nx",
    "two lengths": request(ECHO, b"Content-Length: 3"),
    "length and chunked": request(ECHO, b"Transfer-Encoding: chunked"),
    "folded": request(ECHO, b"X: a\r\n b"),
    "bare lf": request(ECHO, b"X: a\nY: b"),
    "nul": request(ECHO, b"X: a\0b"),
    "expectation": request(ECHO, b"Expect: a-miracle"),
    "continue": request(ECHO, b"Expect: 100-continue"),
    "chunked": chunked(ECHO[:7], ECHO[7:]),
    "too many chunks": chunked(*([b"x" * 100] * 40)),
    "bad chunk": CHUNKED + b"zz\r\nxx\r\n",
    "http/1.0": LINE.replace(b"1.1", b"1.0")
    + KIND
    + b"Content-Length: %d\r\n\r\n" % len(ECHO)
    + ECHO,
    "empty line before": b"\r\n" + call("echo", "hello"),
    "empty lines before": b"\r\n\r\n" + call("echo", "hello"),
}


def seen(client: Client, data: bytes) -> list[object]:
    """Give what a client sees of the answers to a request, a second after it."""
    client.send(data)
    client.server.clock.advance(1)
    written = client.transport.take()
    length = written.find(b"Content-Length")
    if data.startswith(b"HEAD"):
        return [written[:20], written[length:]]
    client.unread = written
    return [*map(visible, client.answers()), client.transport.disconnecting]


def visible(reply: Reply) -> object:
    names = ("content-type", "content-length", "connection", "allow", "date", "server")
    headers = {name: reply.headers.get(name) for name in names}
    return (reply.version, reply.status, reply.phrase, headers, reply.body)


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_both_ways_are_one(name: str) -> None:
    """A request gets the same status, headers and body, whichever way it goes."""
    fast = seen(Server(max_body=3000).connect(), BOTH_WAYS[name])
    slow = seen(general(max_body=3000), BOTH_WAYS[name])
    assert fast == slow
    assert fast


class GeneralTests(SynchronousTestCase):
    """What only the general way does."""

    def test_no_server_header(self) -> None:
        """Nothing tells which versions serve."""
        client = Server().connect()
        self.assertNotIn("server", client.send(GET).answer().headers)
        self.assertNotIn("server", client.send(chunked(ECHO)).answer().headers)

    def test_continue(self) -> None:
        """A client that waits for a go-ahead gets it, and its answer."""
        data = request(ECHO, b"Expect: 100-continue")
        client = Server().connect()
        head, _, body = data.partition(b"\r\n\r\n")
        client.send(head + b"\r\n\r\n")
        self.assertEqual(client.transport.take(), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(decode_reply(client.send(body).answer().body), "hello")

    def test_no_continue_for_what_is_refused(self) -> None:
        """A body that would be too large is refused instead of asked for."""
        client = Server(max_body=10).connect()
        client.send(request(ECHO, b"Expect: 100-continue")[: -len(ECHO)])
        self.assertEqual(client.answer().status, 413)

    def test_chunks_are_counted_while_they_arrive(self) -> None:
        """A chunked body is refused at the byte that is too many, and not kept."""
        client = Server(max_body=1000).connect()
        client.send(CHUNKED)
        for _ in range(10):
            client.send(b"64\r\n" + b"x" * 100 + b"\r\n")
        self.assertEqual(client.answers(), [])
        self.assertEqual(client.server.http.buffered, 1000)
        client.send(b"1\r\nx\r\n0\r\n\r\n")
        self.assertEqual(client.answer().status, 413)
        self.assertEqual(client.server.http.buffered, 0)
        client.send(b"0\r\n\r\n" + call("echo", 1))
        self.assertEqual(client.answers(), [])
        client.server.clock.advance(3)
        self.assertTrue(client.closed)

    def test_chunks_and_the_budget(self) -> None:
        """Chunked bodies count in the server's budget too."""
        server = Server(max_buffered=1000)
        clients = [server.connect().send(CHUNKED) for _ in range(3)]
        for client in clients:
            client.send(b"190\r\n" + b"x" * 400 + b"\r\n")
        self.assertEqual(clients[2].answer().status, 503)
        self.assertEqual(server.http.buffered, 800)
        for client in clients:
            client.leave()
        self.assertEqual(server.http.buffered, 0)

    def test_slow_chunks(self) -> None:
        """A body that drips in chunks is refused when its time is up."""
        client = Server(request_timeout=30).connect().send(CHUNKED)
        for _ in range(16):
            client.send(b"1\r\nx\r\n")
            client.server.clock.advance(2)
        self.assertEqual(client.answer().status, 408)
        client.server.clock.advance(3)
        self.assertTrue(client.closed)

    def test_slow_head(self) -> None:
        """A head that drips is refused when its time is up."""
        client = general(request_timeout=30)
        for byte in b"POST /RPC2 HTTP/1.1\r\n":
            client.send(bytes([byte]))
            client.server.clock.advance(2)
        self.assertEqual(client.answer().status, 408)

    def test_refused_client_that_does_not_read(self) -> None:
        """A refused client that takes neither the refusal nor the end is cut off."""
        client = general(linger=2, write_timeout=10).send(request(ECHO, kind=b"text/plain"))
        client.server.clock.advance(2)
        self.assertTrue(client.transport.disconnecting)
        self.assertFalse(client.closed)
        client.server.clock.advance(10)
        self.assertTrue(client.closed)
        self.assertFalse(client.server.clock.getDelayedCalls())

    def test_idle(self) -> None:
        """A connection without requests closes after the idle time."""
        client = general(idle_timeout=75)
        client.server.clock.advance(74)
        self.assertFalse(client.closed)
        client.server.clock.advance(2)
        self.assertTrue(client.closed)
        self.assertFalse(client.server.clock.getDelayedCalls())

    def test_slow_method(self) -> None:
        """A call may take as long as its method needs."""
        client = general(request_timeout=30, idle_timeout=75).send(call("wait"))
        client.server.clock.pump([20] * 20)
        client.server.methods.waiting[0].callback("at last")
        self.assertEqual(decode_reply(client.answer().body), "at last")

    def test_disconnect_cancels(self) -> None:
        """The call that a client waits for is cancelled when it leaves."""
        client = general().send(call("wait"))
        client.leave()
        self.assertEqual(client.server.methods.cancelled, 1)

    def test_broken_page(self) -> None:
        """A page that raises gives 500, tells nothing, and is logged."""
        client = Server().connect().send(GET.replace(b"/page", b"/broken"))
        reply = client.answer()
        self.assertEqual(reply.status, 500)
        self.assertNotIn(b"secret", reply.body)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_old_client(self) -> None:
        """HTTP/1.0, which 2003's clients speak, is answered and closed."""
        client = Server().connect().send(BOTH_WAYS["http/1.0"])
        reply = client.answer()
        self.assertEqual(decode_reply(reply.body), "hello")
        self.assertEqual(reply.version, "HTTP/1.0")
        self.assertTrue(client.closed)

    def test_rights(self) -> None:
        """Each head is judged for itself here as well."""
        client = general()
        plain = call("who")
        admin = request(encode_call("who", ()), b"Authorization: Bearer " + b"t" * 32)
        replies = client.send(plain + admin + plain).answers()
        who = [decode_reply(reply.body).split()[0] for reply in replies]
        self.assertEqual(who, ["loopback", "admin", "loopback"])
