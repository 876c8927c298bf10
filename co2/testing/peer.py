"""A peer in memory: the client's end of connections, with the promises of `IPeer`."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from co2.errors import Co2Error, TimedOut, TransportFailed
from co2.interfaces import IPeer
from co2.model.hosts import Address
from co2.testing.connection import Connection
from co2.testing.fates import Fates


class Network(Protocol):
    """What a peer asks of its network."""

    fates: Fates

    def connect(self, source: Address, destination: Address, told: MemoryPeer) -> Connection:
        """Open a connection."""


@define(eq=False)
class _Post:
    deferred: Deferred[bytes]
    timer: IDelayedCall | None = field(default=None)

    def settle(self, outcome: bytes | Co2Error) -> None:
        self.stop_timer()
        if self.deferred.called:
            return
        if isinstance(outcome, Co2Error):
            self.deferred.errback(outcome)
        else:
            self.deferred.callback(outcome)

    def stop_timer(self) -> None:
        if self.timer is not None and self.timer.active():
            self.timer.cancel()


@implementer(IPeer)
class MemoryPeer:
    """One remote server, over one connection at a time.

    Args:
        network: opens connections.
        source: the host that posts.
        address: the server.
        clock: the posting host's.
        authorization: the value of the Authorization header, or None.

    Attributes:
        posted: every document that was posted, for tests to look at.
    """

    def __init__(
        self,
        network: Network,
        source: Address,
        address: Address,
        clock: IReactorTime,
        authorization: bytes | None,
    ) -> None:
        self.address = address
        self.posted: list[bytes] = []
        self._network = network
        self._source = source
        self._clock = clock
        self._authorization = authorization
        self._connection: Connection | None = None
        self._posts: deque[_Post] = deque()
        self._closed = False

    def post(self, parts: tuple[bytes, ...], timeout: float) -> Deferred[bytes]:
        """Send a document; see `IPeer.post`."""
        if self._closed:
            return fail(TransportFailed(f"the way to {self.address} was closed here"))
        body = b"".join(parts)
        self.posted.append(body)
        deferred: Deferred[bytes] = Deferred(self._cancelled)
        post = _Post(deferred)
        post.timer = self._clock.callLater(timeout, self._late, post, timeout)
        self._posts.append(post)
        if self._connection is None:
            self._connection = self._network.connect(self._source, self.address, self)
        fate = self._network.fates(self._source, self.address)
        self._connection.write(body, self._authorization, fate)
        return deferred

    def close(self) -> Deferred[None]:
        """Close; what is unanswered fails."""
        self._closed = True
        self._drop(f"the way to {self.address} was closed here")
        return succeed(None)

    def move(self, source: Address) -> None:
        """Post from another address from now on."""
        self._source = source

    def vanish(self) -> None:
        """Be the peer of a host that was killed: nobody is told anything any more."""
        self._closed = True
        posts, self._posts = self._posts, deque()
        for post in posts:
            post.stop_timer()
        self._leave()

    # -- what the connection says ------------------------------------------------------------------

    def answered(self, connection: Connection, body: bytes) -> None:
        """Take the answer to the foremost post."""
        if connection is self._connection:
            self._posts.popleft().settle(body)

    def broken(self, connection: Connection, why: str) -> None:
        """Notice that there will be no more answers."""
        if connection is self._connection:
            self._drop(f"{self.address} {why}")

    # -- time and cancelling -----------------------------------------------------------------------

    def _late(self, post: _Post, timeout: float) -> None:
        foremost = self._posts[0] is post
        if foremost:
            self._posts.popleft()
            rest = self._take_all()
        late = TimedOut(f"{self.address} did not answer within {timeout:g} s")
        post.settle(late)
        if foremost:
            self._fail(rest, f"{self.address} did not answer an earlier call in time")

    def _cancelled(self, deferred: Deferred[bytes]) -> None:
        for post in self._posts:
            if post.deferred is deferred:
                post.stop_timer()
                self._posts.remove(post)
                self._drop(f"a call to {self.address} that was sent ahead was cancelled")
                return

    def _drop(self, why: str) -> None:
        self._fail(self._take_all(), why)

    def _take_all(self) -> deque[_Post]:
        posts, self._posts = self._posts, deque()
        self._leave()
        return posts

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.give_up()

    def _fail(self, posts: deque[_Post], why: str) -> None:
        for post in posts:
            post.settle(TransportFailed(why))
