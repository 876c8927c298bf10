"""Posts to a remote server: in order, each at most once, and never without an end."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
from http_ends import MemoryTransport, ScriptedServer, Server, call, http_answer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TimeoutError,
)
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from co2.errors import TimedOut, TransportFailed
from co2.interfaces import INetwork, IPeer
from co2.model.hosts import Address
from co2.net.http_peer import HttpNetwork, HttpPeer
from co2.wire.xmlrpc import decode_reply, encode_call

ADDRESS = Address("127.0.0.1", 2004)


class PeerTests(SynchronousTestCase):
    """One peer against a server that the test plays."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = ScriptedServer()
        self.peer = HttpPeer(self.server, self.clock, ADDRESS, b"Bearer x")

    def post(self, body: bytes = b"document", timeout: float = 30) -> Deferred[bytes]:
        return self.peer.post((body,), timeout)

    def failed(self, deferred: Deferred[bytes], kind: type[Exception], text: str) -> None:
        """Check that a post has failed with that error, and a text that names the server."""
        error = self.failureResultOf(deferred, kind).value
        self.assertRegex(str(error), text)
        self.assertIn("127.0.0.1:2004", str(error))

    def test_interfaces(self) -> None:
        """Peer and network are what the interfaces ask for."""
        verifyObject(IPeer, self.peer)
        verifyObject(INetwork, HttpNetwork(MemoryReactorClock()))

    def test_post(self) -> None:
        """A post goes out at once, as a request that any server understands."""
        answer = self.peer.post((b"one ", b"two"), 30)
        self.assertEqual(
            self.server.heard(),
            b"POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1:2004\r\nAuthorization: Bearer x\r\n"
            b"Content-Type: text/xml\r\nContent-Length: 7\r\n\r\none two",
        )
        self.server.say(http_answer(b"answer"))
        self.assertEqual(self.successResultOf(answer), b"answer")

    def test_connects_late_and_once(self) -> None:
        """Nothing is connected before the first post; one connection serves all."""
        self.assertEqual(self.server.attempts, 0)
        for _ in range(3):
            answer = self.post()
            self.server.say(http_answer(b"x"))
            self.successResultOf(answer)
        self.assertEqual(self.server.attempts, 1)

    def test_written_ahead(self) -> None:
        """Posts go out before earlier ones are answered; answers are matched in order."""
        answers = [self.post(b"%d" % n) for n in range(5)]
        self.assertEqual(self.server.heard().count(b"POST"), 5)
        self.server.say(b"".join(http_answer(b"answer %d" % n) for n in range(5)))
        self.assertEqual(
            [self.successResultOf(answer) for answer in answers],
            [b"answer %d" % n for n in range(5)],
        )

    def test_waiting_for_the_connection(self) -> None:
        """Posts made while it connects leave together when it is there."""
        self.server.accepts = False
        answers = [self.post(), self.post()]
        self.server.accept()
        self.assertEqual(self.server.heard().count(b"POST"), 2)
        self.server.say(http_answer(b"1") + http_answer(b"2"))
        self.assertEqual([self.successResultOf(answer) for answer in answers], [b"1", b"2"])

    def test_posts_in_answers_leave_together(self) -> None:
        """What is posted while answers are handed out is sent when they all were."""
        written: list[int] = []

        def post_again(body: bytes) -> None:
            self.post(b"again")
            written.append(len(self.server.line.written))

        for _ in range(3):
            self.post().addCallback(post_again)
        self.server.heard()
        self.server.say(http_answer(b"x") * 3)
        self.assertEqual(written, [0, 0, 0])
        self.assertEqual(self.server.heard().count(b"POST"), 3)

    def test_refused(self) -> None:
        """Who cannot be connected to fails every post that waits, with a plain sentence."""
        self.server.accepts = False
        for error, text in (
            (ConnectionRefusedError(), "refused the connection"),
            (TimeoutError(), "did not accept a connection within 10 s"),
            (DNSLookupError(), "cannot be looked up"),
            (NoRouteError(), "no route"),
            (OSError("odd"), "cannot be reached: odd"),
        ):
            answers = [self.post(), self.post()]
            self.server.refuse(error)
            for answer in answers:
                self.failed(answer, TransportFailed, text)

    def test_status(self) -> None:
        """A status other than 200 fails the post, and names what the server said."""
        answer = self.post()
        self.server.say(
            http_answer(b"Calls go to\x1b /RPC2.\nmore", status=b"HTTP/1.1 404 Not Found")
        )
        self.failed(answer, TransportFailed, r"HTTP status 404: Calls go to /RPC2\.$")
        later = self.post()
        self.server.say(http_answer(b"x"))
        self.assertEqual(self.successResultOf(later), b"x")

    def test_connection_lost(self) -> None:
        """Who goes away without an answer fails what was written; nothing is sent again."""
        answers = [self.post(), self.post()]
        self.server.say(http_answer(b"x")[:-1])
        self.server.hang_up()
        for answer in answers:
            self.failed(answer, TransportFailed, "closed the connection before it answered")
        self.assertEqual(self.server.attempts, 1)

    def test_reconnects(self) -> None:
        """A connection that was closed while idle is opened again by the next post."""
        self.post().addCallback(lambda _: self.server.heard())
        self.server.say(http_answer(b"x"))
        self.server.hang_up()
        answer = self.post(b"second")
        self.assertEqual(self.server.attempts, 2)
        self.assertIn(b"second", self.server.heard())
        self.server.say(http_answer(b"y"))
        self.assertEqual(self.successResultOf(answer), b"y")

    def test_server_that_closes(self) -> None:
        """A server that ends each answer with the connection fails what was sent ahead."""
        first, second = self.post(), self.post()
        third: list[Deferred[bytes]] = []
        first.addCallback(lambda body: third.append(self.post(b"third")) or body)
        self.server.say(http_answer(b"old", status=b"HTTP/1.0 200 OK"))
        self.assertEqual(self.successResultOf(first), b"old")
        self.failed(second, TransportFailed, "after its answer to an earlier call")
        self.assertEqual(self.server.attempts, 2)
        self.server.say(http_answer(b"new", status=b"HTTP/1.0 200 OK"))
        self.assertEqual(self.successResultOf(third[0]), b"new")

    def test_answer_until_the_end(self) -> None:
        """An answer without a length is complete when the connection closes."""
        answer = self.post()
        self.server.say(b"HTTP/1.0 200 OK\r\n\r\nall")
        self.assertNoResult(answer)
        self.server.hang_up()
        self.assertEqual(self.successResultOf(answer), b"all")

    def test_chunked(self) -> None:
        """Chunked answers and 100-continue are understood."""
        answer = self.post()
        self.server.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
        self.server.say(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        self.assertEqual(self.successResultOf(answer), b"abc")

    def test_not_http(self) -> None:
        """What is not HTTP closes the connection and fails every post."""
        answers = [self.post(), self.post()]
        self.server.say(b"220 mail.example ESMTP\r\n\r\n")
        for answer in answers:
            self.failed(answer, TransportFailed, "not HTTP")
        self.assertTrue(self.server.line.lost)

    def test_too_large(self) -> None:
        """An answer over the limit is not kept, and fails the post."""
        peer = HttpPeer(self.server, self.clock, ADDRESS, most=100)
        answer = peer.post((b"x",), 30)
        self.server.say(http_answer(b"x" * 101)[:-60])
        self.failed(answer, TransportFailed, "larger than 100 bytes")

    def test_unasked(self) -> None:
        """An answer that nobody asked for ends the connection."""
        self.post()
        self.server.heard()
        self.server.say(http_answer(b"1") + http_answer(b"2"))
        self.assertTrue(self.server.line.lost)
        self.post()
        self.assertEqual(self.server.attempts, 2)

    def test_timeout(self) -> None:
        """A post without an answer fails in time, and what was behind it cannot be answered."""
        first = self.post(timeout=10)
        self.clock.advance(5)
        second = self.post(timeout=10)
        self.clock.advance(5)
        self.failed(first, TimedOut, "within 10 s")
        self.failed(second, TransportFailed, "an earlier call in time")
        self.assertTrue(self.server.line.lost)

    def test_timeout_of_a_later_one(self) -> None:
        """A post that is out of time behind others stops waiting, and the others go on."""
        first, second, third = self.post(timeout=30), self.post(timeout=5), self.post(timeout=30)
        self.clock.advance(6)
        self.failed(second, TimedOut, "within 5 s")
        self.server.say(http_answer(b"1") + http_answer(b"2") + http_answer(b"3"))
        self.assertEqual(self.successResultOf(first), b"1")
        self.assertEqual(self.successResultOf(third), b"3")

    def test_timeout_while_connecting(self) -> None:
        """The time counts from the call, connecting included."""
        self.server.accepts = False
        answer, later = self.post(timeout=3), self.post(timeout=9)
        self.clock.advance(3)
        self.failed(answer, TimedOut, "within 3 s")
        self.server.accept()
        self.assertEqual(self.server.heard().count(b"POST"), 1)
        self.server.say(http_answer(b"x"))
        self.assertEqual(self.successResultOf(later), b"x")

    def test_one_timer(self) -> None:
        """However many posts are made, one call of the clock is armed."""
        for _ in range(50):
            self.post()
            self.server.say(http_answer(b"x"))
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(31)
        self.assertFalse(self.clock.getDelayedCalls())

    def test_cancel_written(self) -> None:
        """Cancelling a post that was written closes the connection, which tells the server."""
        first, second = self.post(), self.post()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.failed(second, TransportFailed, "cancelled")
        self.assertTrue(self.server.line.lost)

    def test_cancel_waiting(self) -> None:
        """A post that was not written is taken back when it is cancelled."""
        self.server.accepts = False
        first, second = self.post(b"first"), self.post(b"second")
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.server.accept()
        self.assertNotIn(b"first", self.server.heard())
        self.server.say(http_answer(b"x"))
        self.successResultOf(second)

    def test_cancel_among_answers(self) -> None:
        """A post that is cancelled in the turn in which it was made is never written."""
        made: list[Deferred[bytes]] = []

        def post_and_cancel(body: bytes) -> None:
            made.append(self.post(b"never"))
            made[0].cancel()

        self.post().addCallback(post_and_cancel)
        self.server.heard()
        self.server.say(http_answer(b"x"))
        self.failureResultOf(made[0], CancelledError)
        self.assertEqual(self.server.heard(), b"")
        self.assertFalse(self.server.line.lost)

    def test_close(self) -> None:
        """Closing fails what is unanswered, and every later post."""
        answer = self.post()
        self.successResultOf(self.peer.close())
        self.failed(answer, TransportFailed, "closed here")
        self.failed(self.post(), TransportFailed, "closed here")
        self.assertTrue(self.server.line.lost)
        self.assertFalse(self.clock.getDelayedCalls())
        self.successResultOf(self.peer.close())

    def test_close_idle(self) -> None:
        """An idle connection is closed in order."""
        self.post()
        self.server.say(http_answer(b"x"))
        self.server.heard()
        self.successResultOf(self.peer.close())
        self.assertIn("cleanly", str(self.server.line.reason))

    def test_close_while_connecting(self) -> None:
        """Closing stops the attempt to connect."""
        self.server.accepts = False
        answer = self.post()
        self.successResultOf(self.peer.close())
        self.failed(answer, TransportFailed, "closed here")

    def test_close_unused(self) -> None:
        """A peer that was never used closes at once."""
        self.successResultOf(self.peer.close())


class NetworkTests(SynchronousTestCase):
    """How peers connect."""

    def test_addresses(self) -> None:
        """Both kinds of IP address are connected to as they are."""
        for ip in ("127.0.0.1", "::1"):
            reactor = MemoryReactorClock()
            HttpNetwork(reactor).peer(Address(ip, 2004)).post((b"x",), 30)
            self.assertEqual(reactor.tcpClients[0][:2], (ip, 2004))
            self.assertEqual(reactor.tcpClients[0][3], 10.0)

    def test_name(self) -> None:
        """A name is looked up."""
        reactor = MemoryReactorClock()
        looked_up: list[str] = []

        class Resolver:
            def resolveHostName(self, receiver: Any, name: str, *args: Any, **kw: Any) -> Any:
                looked_up.append(name)
                receiver.resolutionBegan(self)
                receiver.resolutionComplete()

        reactor.installNameResolver(Resolver())
        answer = HttpNetwork(reactor).peer(Address("relay.example", 2004)).post((b"x",), 30)
        self.assertEqual(looked_up, ["relay.example"])
        self.failureResultOf(answer, TransportFailed)


class Matching(RuleBasedStateMachine):
    """Whatever happens to the connection, each post ends once, and never with another's answer."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.server = ScriptedServer()
        self.peer = HttpPeer(self.server, self.clock, ADDRESS)
        self.results: dict[int, list[Any]] = {}
        self.asked: dict[MemoryTransport, list[bytes]] = {}
        self.sent: list[bytes] = []

    @rule(count=st.integers(1, 4), timeout=st.sampled_from([5, 20]))
    def post(self, count: int, timeout: float) -> None:
        for _ in range(count):
            number = len(self.results)
            self.results[number] = []
            answer = self.peer.post((b"<%d>" % number,), timeout)
            answer.addBoth(self.results[number].append)

    @rule(count=st.integers(1, 4), last=st.booleans())
    def answer(self, count: int, last: bool) -> None:
        for _ in range(count):
            self.listen()
            if not self.server.transports or self.server.line.lost:
                return
            queue = self.asked.get(self.server.line, [])
            if queue:
                lines = [b"Connection: close"] if last else []
                self.server.say(http_answer(b"to " + queue.pop(0), *lines))

    @rule()
    def hang_up(self) -> None:
        self.listen()
        if self.server.transports:
            self.server.hang_up()

    @rule(seconds=st.sampled_from([1, 6, 30]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def listen(self) -> None:
        for transport in self.server.transports:
            numbers = re.findall(rb"<\d+>", transport.take())
            self.sent += numbers
            self.asked.setdefault(transport, []).extend(numbers)

    @invariant()
    def each_ends_once(self) -> None:
        for number, results in self.results.items():
            assert len(results) <= 1
            if results and isinstance(results[0], bytes):
                assert results[0] == b"to <%d>" % number

    def teardown(self) -> None:
        self.listen()
        assert len(self.sent) == len(set(self.sent)), "something was sent twice"
        self.clock.advance(1000)
        assert all(len(results) == 1 for results in self.results.values())


MatchingTests = Matching.TestCase
MatchingTests.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


class LoopbackTests(TestCase):
    """The real peer and the real server over loopback."""

    async def serve(self, protocol_factory: Any) -> HttpPeer:
        from twisted.internet import reactor

        port = reactor.listenTCP(0, protocol_factory, interface="127.0.0.1")  # type: ignore
        self.addCleanup(port.stopListening)
        peer = HttpNetwork(reactor).peer(Address("127.0.0.1", port.getHost().port))  # type: ignore
        self.addCleanup(peer.close)
        return peer

    def real_server(self) -> Any:
        from twisted.internet import reactor

        from co2.net.http_server import HttpServer

        double = Server()
        serving = double.http._serving
        server = HttpServer(reactor, serving.answering, serving.gate, None)  # type: ignore
        self.addCleanup(server.drain, 5)
        return server

    async def test_calls(self) -> None:
        """Small and large calls, written ahead, come back whole and in order."""
        peer = await self.serve(self.real_server())
        values = [1, "x" * 2_000_000, [1, 2], "y" * 300_000, "end"]
        answers = [peer.post((encode_call("echo", (value,)),), 30) for value in values]
        self.assertEqual([decode_reply(await answer) for answer in answers], values)

    async def test_large_pieces(self) -> None:
        """A document in large pieces arrives as one."""
        peer = await self.serve(self.real_server())
        begin, end = encode_call("echo", ("SPLIT",)).split(b"SPLIT")
        answer = await peer.post((begin, b"a" * 1_000_000, b"b" * 1_000_000, end), 30)
        self.assertEqual(decode_reply(answer), "a" * 1_000_000 + "b" * 1_000_000)

    async def test_nobody_listens(self) -> None:
        """A closed port is a TransportFailed that says so."""
        peer = await self.serve(self.real_server())
        nobody = HttpNetwork(_reactor()).peer(Address("127.0.0.1", 1))
        self.addCleanup(nobody.close)
        with pytest.raises(TransportFailed, match=r"127\.0\.0\.1:1 refused"):
            await nobody.post((b"x",), 30)
        await peer.close()

    async def test_stock_server(self) -> None:
        """A satellite that is Twisted's stock XML-RPC server answers as ours does."""
        from twisted.web.server import Site

        with warnings.catch_warnings():
            # The module's client half uses what Twisted itself has deprecated.
            warnings.simplefilter("ignore")
            from twisted.web.xmlrpc import XMLRPC

        class Stock(XMLRPC):
            def xmlrpc_echo(self, value: Any) -> Any:
                return value

        site = Site(Stock(), reactor=_reactor())
        peer = await self.serve(site)
        answers = [peer.post((encode_call("echo", (n,)),), 30) for n in range(20)]
        self.assertEqual([decode_reply(await answer) for answer in answers], list(range(20)))


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor


def test_authorization_of_two_lines() -> None:
    """A credential cannot smuggle a header in."""
    with pytest.raises(ValueError, match="one line"):
        HttpPeer(ScriptedServer(), Clock(), ADDRESS, b"Bearer x\r\nX: y")


def test_request_of_test_ends() -> None:
    """The tests' own requests are what a peer writes, so that both ends are tested alike."""
    server = ScriptedServer()
    HttpPeer(server, Clock(), ADDRESS).post((encode_call("echo", (1,)),), 5)
    assert server.heard() == call("echo", 1)
