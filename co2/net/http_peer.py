"""A remote server: posts go out over one connection, and its answers come back in order.

Decides when to connect, what a lost connection means for each post, and when time is up. Knows
nothing of what it carries.

How it works. A post is written at once if the connection is there, ahead of earlier answers; else
it waits for the connection, and all that wait leave in one send. Posts made while answers are being
handed out (a courier's next messages) leave together too. Invariants:

- a post is written at most once: what may have been executed is never sent again. The one post
  that is moved to a new connection is one of which no byte was taken by the socket, and only once;
- answers belong to the written posts in their order; a post that nobody waits for any more keeps
  its place until its answer has come;
- when the foremost post's time is up the connection is closed, because nothing behind it can be
  answered; a later one that is out of time only stops waiting.
"""

from __future__ import annotations

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
)
from twisted.internet.error import (
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TimeoutError,
)
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IReactorTCP,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.errors import TransportFailed
from co2.interfaces import INetwork, IPeer
from co2.model.hosts import Address
from co2.net.http_post import Post, PostingConnection
from co2.net.http_timer import LazyTimer
from co2.net.local_address import local_ip_towards

MOST_ANSWER = 16 * 1024 * 1024
CONNECT_TIMEOUT = 10.0

_WHY = (
    (ConnectionRefusedError, "refused the connection: nothing listens there"),
    (TimeoutError, f"did not accept a connection within {CONNECT_TIMEOUT:g} s"),
    (DNSLookupError, "is a name that cannot be looked up"),
    (NoRouteError, "cannot be reached: there is no route to it"),
)


class _OneConnection(Factory):
    """Has the connection that was made for it.

    `connectProtocol` has such a factory too, which writes two lines to the log for every
    connection of every satellite.
    """

    noisy = False

    def __init__(self, connection: PostingConnection) -> None:
        self._connection = connection

    def buildProtocol(self, address: IAddress | None) -> PostingConnection:
        """Give the connection."""
        return self._connection


@implementer(INetwork)
class HttpNetwork:
    """Opens the way to other servers.

    Args:
        reactor: connects; it is the clock too.
        most: bytes that are taken of one answer.
    """

    def __init__(self, reactor: IReactorTCP, most: int = MOST_ANSWER) -> None:
        self._reactor = reactor
        self._most = most

    def peer(self, address: Address, authorization: bytes | None = None) -> HttpPeer:
        """Give a peer for that address; nothing is connected before the first post.

        Args:
            address: where it listens.
            authorization: the value of the Authorization header, or None for none.
        """
        clock = IReactorTime(self._reactor)
        return HttpPeer(
            _endpoint(self._reactor, address), clock, address, authorization, self._most
        )

    def local_ip(self, towards: Address) -> str:
        """Give the address that a connection there would come from; nothing is sent."""
        return local_ip_towards(towards)


@implementer(IPeer)
class HttpPeer:
    """One remote server.

    Args:
        endpoint: connects to it.
        clock: tells when time is up.
        address: where it listens.
        authorization: the value of the Authorization header, or None for none.
        most: bytes that are taken of one answer.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        address: Address,
        authorization: bytes | None = None,
        most: int = MOST_ANSWER,
    ) -> None:
        self.address = address
        self._endpoint = endpoint
        self._clock = clock
        self._most = most
        self._head = _request_head(address, authorization)
        self._timer = LazyTimer(clock, self._check)
        self._waiting: list[Post] = []
        self._connection: PostingConnection | None = None
        self._connecting: Deferred[IProtocol] | None = None
        self._open: set[PostingConnection] = set()
        self._closed: list[Deferred[None]] | None = None

    def post(self, parts: tuple[bytes, ...], timeout: float) -> Deferred[bytes]:
        """Send an XML-RPC document, and give the body of the answer.

        Args:
            parts: the document, in pieces that are sent one after the other.
            timeout: seconds for the whole exchange, counted from now.

        Returns:
            a Deferred of the answer's body; it fails with TransportFailed or TimedOut. Cancelling
            it closes the connection if it has been written already.
        """
        if self._closed is not None:
            return fail(TransportFailed(f"the way to {self.address} was closed here"))
        now = self._clock.seconds()
        deferred: Deferred[bytes] = Deferred(self._cancelled)
        post = Post(parts, now + timeout, timeout, deferred)
        self._timer.by(post.deadline)
        connection = self._connection
        if connection is not None and connection.is_stale(now):
            connection.end("closed the connection")
        if self._connection is None:
            self._wait(post)
        else:
            self._connection.write(post)
        return deferred

    def close(self) -> Deferred[None]:
        """Close the connection; what was not answered fails with TransportFailed."""
        closed: Deferred[None] = Deferred()
        self._closed = [*(self._closed or ()), closed]
        self._timer.stop()
        self._fail_waiting(f"the way to {self.address} was closed here")
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.end("was to answer, but the connection was closed here")
        self._tell_closed()
        return closed

    # --- connecting -----------------------------------------------------------------------------

    def _wait(self, post: Post) -> None:
        self._waiting.append(post)
        if self._connecting is None:
            connection = PostingConnection(
                self, self._clock, str(self.address), self._head, self._most
            )
            connecting = self._connecting = self._endpoint.connect(_OneConnection(connection))
            connecting.addCallbacks(lambda _: self._connected(connection), self._not_connected)

    def _connected(self, connection: PostingConnection) -> None:
        self._connecting = None
        self._open.add(connection)
        self._connection = connection
        posts, self._waiting = self._waiting, []
        connection.write_all(posts)

    def _not_connected(self, failure: Failure) -> None:
        self._connecting = None
        self._fail_waiting(f"{self.address} {_reason(failure)}")

    def _fail_waiting(self, text: str) -> None:
        posts, self._waiting = self._waiting, []
        for post in posts:
            post.fail(TransportFailed(text))

    # --- what the connection says ---------------------------------------------------------------

    def retired(self, connection: PostingConnection) -> None:
        """Nothing is to be written to that connection any more."""
        if connection is self._connection:
            self._connection = None

    def move(self, posts: list[Post]) -> None:
        """Send posts another way of which no byte was sent; those that have a chance left."""
        for post in posts:
            if post.deferred.called:
                continue
            if post.moved or self._closed is not None:
                post.fail(TransportFailed(f"{self.address} closes its connections at once"))
            else:
                post.moved = True
                self._wait(post)

    def lost(self, connection: PostingConnection) -> None:
        """The connection is gone."""
        self._open.discard(connection)
        self._tell_closed()

    def _tell_closed(self) -> None:
        if self._closed and not self._open:
            waiting, self._closed = self._closed, []
            for deferred in waiting:
                deferred.callback(None)

    # --- time and cancelling --------------------------------------------------------------------

    def _check(self, now: float) -> float | None:
        late = [post for post in self._waiting if post.deadline <= now]
        self._waiting = [post for post in self._waiting if post.deadline > now]
        dues = [post.deadline for post in self._waiting]
        if self._connection is not None:
            due = self._connection.expire(now)
            dues += [] if due is None else [due]
        for post in late:
            post.fail_late(str(self.address))
        return min(dues, default=None)

    def _cancelled(self, deferred: Deferred[bytes]) -> None:
        before = len(self._waiting)
        self._waiting = [post for post in self._waiting if post.deferred is not deferred]
        if len(self._waiting) == before and self._connection is not None:
            self._connection.drop(deferred)


def _endpoint(reactor: IReactorTCP, address: Address) -> IStreamClientEndpoint:
    ip, port = address
    if isIPAddress(ip):
        return TCP4ClientEndpoint(reactor, ip, port, timeout=CONNECT_TIMEOUT)
    if isIPv6Address(ip):
        return TCP6ClientEndpoint(reactor, ip, port, timeout=CONNECT_TIMEOUT)
    return HostnameEndpoint(reactor, ip, port, timeout=CONNECT_TIMEOUT)


def _request_head(address: Address, authorization: bytes | None) -> bytes:
    if authorization is not None and (b"\r" in authorization or b"\n" in authorization):
        raise ValueError("the value of an Authorization header is one line")
    credential = b"" if authorization is None else b"Authorization: %s\r\n" % authorization
    return b"POST /RPC2 HTTP/1.1\r\nHost: %s\r\n%sContent-Type: text/xml\r\nContent-Length: " % (
        str(address).encode(),
        credential,
    )


def _reason(failure: Failure) -> str:
    for kind, why in _WHY:
        if failure.check(kind):
            return why
    return f"cannot be reached: {failure.getErrorMessage()}"
