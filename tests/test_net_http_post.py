"""What a connection's end means for the posts that it carries, over real sockets."""

from __future__ import annotations

import socket
from typing import Any

from http_ends import ScriptedServer, http_answer
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from co2.errors import TransportFailed
from co2.model.hosts import Address
from co2.net.http_peer import HttpPeer


class ClosedUnnoticed(SynchronousTestCase):
    """The server has closed the connection, and the reactor has not said so yet."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.ours, self.theirs = [], []
        for _ in range(3):
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            self.addCleanup(ours.close)
            self.addCleanup(theirs.close)
            self.ours.append(ours)
            self.theirs.append(theirs)
        self.server = ScriptedServer(handles=list(self.ours))
        self.peer = HttpPeer(self.server, self.clock, Address("127.0.0.1", 2004))

    def post(self, body: bytes) -> Deferred[bytes]:
        return self.peer.post((body,), 30)

    def serve(self, number: int, body: bytes) -> bytes:
        """Read what came over that connection, and answer it."""
        heard = self.theirs[number].recv(100_000)
        self.server.say(http_answer(body))
        return heard

    def begin(self) -> None:
        """Make a first post that is answered."""
        answer = self.post(b"first")
        self.serve(0, b"1")
        self.assertEqual(self.successResultOf(answer), b"1")

    def test_idle(self) -> None:
        """A connection that was idle is looked at first; the post goes over a new one."""
        self.begin()
        self.theirs[0].close()
        self.clock.advance(5)
        answer = self.post(b"second")
        self.assertIn(b"second", self.serve(1, b"2"))
        self.assertEqual(self.successResultOf(answer), b"2")
        self.assertTrue(self.server.transports[0].lost)

    def test_at_once(self) -> None:
        """A post of which the socket takes no byte goes over a new connection."""
        self.begin()
        self.theirs[0].close()
        answer = self.post(b"second")
        self.assertIn(b"second", self.serve(1, b"2"))
        self.assertEqual(self.successResultOf(answer), b"2")

    def test_ahead(self) -> None:
        """What was written before may have been executed, and fails; the new post goes on."""
        self.begin()
        written = self.post(b"second")
        self.theirs[0].recv(100_000)
        self.theirs[0].close()
        moved = self.post(b"third")
        self.failureResultOf(written, TransportFailed)
        self.assertIn(b"third", self.serve(1, b"3"))
        self.assertEqual(self.successResultOf(moved), b"3")

    def test_only_once(self) -> None:
        """A post is moved once; a server that closes every connection is not tried for ever."""
        self.begin()
        for theirs in self.theirs:
            theirs.close()
        answer = self.post(b"second")
        error = self.failureResultOf(answer, TransportFailed).value
        self.assertIn("127.0.0.1:2004", error.text)
        self.assertEqual(self.server.attempts, 2)

    def test_posts_made_while_the_connection_ends(self) -> None:
        """A post made by an answer that ends the connection goes over a new one."""
        second: list[Any] = []
        first = self.post(b"first")
        first.addCallback(lambda body: second.append(self.post(b"second")))
        self.theirs[0].recv(100_000)
        self.server.say(http_answer(b"1", b"Connection: close"))
        self.assertIn(b"second", self.serve(1, b"2"))
        self.assertEqual(self.successResultOf(second[0]), b"2")
