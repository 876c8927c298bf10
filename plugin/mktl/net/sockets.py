"""ZeroMQ's socket types over Twisted: ROUTER and PUB to listen with, DEALER and SUB to connect.

Each connection is a `Peer`; a factory stands for the socket. The connection is the route of an
answer: a ROUTER here keeps no table of identities. What the frames mean is told by whoever is
called: this knows no dialect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory

from plugin.mktl.net.audience import Audience
from plugin.mktl.net.outlet import Outlet
from plugin.mktl.net.peer import Peer
from plugin.mktl.wire.zmtp import Limits, ProtocolBroken, encode_frame

MOST_REPLIES = 32 * 1024 * 1024
"""Bytes of answers that may wait for one requester before it is not read from."""
MOST_NEWS = 16 * 1024 * 1024
"""Bytes of publications that may wait for one subscriber before the oldest are dropped."""
MOST_TOPICS = 100_000
MOST_TOPIC = 1024


class Socket(Factory):
    """What the four kinds share.

    Args:
        clock: for the handshake's deadline.
        limits: what a peer may send.
        most_peers: connections at once; further ones are closed.
    """

    noisy = False
    socket_type = b""
    identity = b""

    def __init__(
        self, clock: IReactorTime, limits: Limits | None = None, most_peers: int = 4096
    ) -> None:
        self.clock = clock
        self.limits = limits or Limits()
        self.peers: set[Peer] = set()
        self._most_peers = most_peers

    def buildProtocol(self, addr: IAddress | None) -> Peer | None:
        """Make a peer, unless there are too many."""
        if len(self.peers) >= self._most_peers:
            return None
        return Peer(self)

    def make_outlet(self, peer: Peer) -> Outlet:
        """Give the outlet of a new connection: one that stops reading when it is full."""
        return Outlet(peer.transport, MOST_REPLIES, peer.hold, peer.go_on)

    def arrived(self, peer: Peer) -> None:
        """Note a connection."""
        self.peers.add(peer)

    def opened(self, peer: Peer) -> None:
        """Note that its handshake is done."""

    def received(self, peer: Peer, frames: list[bytes]) -> None:
        """Take a message."""
        raise NotImplementedError

    def before_answers(self) -> None:
        """Send first what has to come before the answers that are sent next."""

    def left(self, peer: Peer) -> None:
        """Note that a connection is gone."""
        self.peers.discard(peer)

    def close(self) -> None:
        """Close every connection, after what is under way was written."""
        for peer in tuple(self.peers):
            peer.transport.loseConnection()


class Router(Socket):
    """Takes requests; answers go by `peer.send`.

    Args:
        asked: takes each request.
        first: called before answers are sent.
    """

    socket_type = b"ROUTER"

    def __init__(
        self,
        clock: IReactorTime,
        asked: Callable[[Peer, list[bytes]], None],
        first: Callable[[], None] | None = None,
        **others: Any,
    ) -> None:
        super().__init__(clock, **others)
        self._asked = asked
        self._first = first

    def received(self, peer: Peer, frames: list[bytes]) -> None:
        """Hand a request over."""
        self._asked(peer, frames)

    def before_answers(self) -> None:
        """Let the publications go first."""
        if self._first is not None:
            self._first()


class Publisher(Socket):
    """Sends each publication to whoever has subscribed to its topic.

    Attributes:
        dropped: publications that slow subscribers which have left did not get.
    """

    socket_type = b"PUB"

    def __init__(self, clock: IReactorTime, most_news: int = MOST_NEWS, **others: Any) -> None:
        super().__init__(clock, **others)
        self.audience: Audience[Peer] = Audience()
        self.dropped = 0
        self._most_news = most_news

    def make_outlet(self, peer: Peer) -> Outlet:
        """Give one that drops the oldest when it is full."""
        return Outlet(peer.transport, self._most_news)

    def received(self, peer: Peer, frames: list[bytes]) -> None:
        """Take a subscription: 1 or 0, and the prefix; anything else is not for a PUB."""
        body = frames[0]
        if len(frames) != 1 or not body or len(body) > MOST_TOPIC:
            return
        if body[0] == 1:
            if self.audience.count(peer) >= MOST_TOPICS:
                raise ProtocolBroken(f"over {MOST_TOPICS} subscriptions")
            self.audience.subscribe(peer, body[1:])
        elif body[0] == 0:
            self.audience.unsubscribe(peer, body[1:])

    def left(self, peer: Peer) -> None:
        """Forget its subscriptions, and keep count of what it missed."""
        super().left(peer)
        self.audience.leave(peer)
        self.dropped += peer.outlet.dropped

    def total_dropped(self) -> int:
        """Count what subscribers did not get since the start."""
        return self.dropped + sum(peer.outlet.dropped for peer in self.peers)


class Hears(Protocol):
    """Whoever uses a DEALER or SUB."""

    def opened(self, peer: Peer) -> None:
        """The connection stands."""

    def received(self, frames: list[bytes]) -> None:
        """A message came."""

    def left(self) -> None:
        """The connection is gone."""


class Dealer(Socket):
    """One end of a connection to a ROUTER."""

    socket_type = b"DEALER"

    def __init__(self, clock: IReactorTime, user: Hears, identity: bytes, **others: Any) -> None:
        super().__init__(clock, **others)
        self.identity = identity
        self._user = user

    def opened(self, peer: Peer) -> None:
        """Tell the user."""
        self._user.opened(peer)

    def received(self, peer: Peer, frames: list[bytes]) -> None:
        """Tell the user."""
        self._user.received(frames)

    def left(self, peer: Peer) -> None:
        """Tell the user."""
        super().left(peer)
        self._user.left()


class Subscriber(Dealer):
    """One end of a connection to a PUB."""

    socket_type = b"SUB"

    def __init__(self, clock: IReactorTime, user: Hears, **others: Any) -> None:
        super().__init__(clock, user, b"", **others)


def subscription(prefix: bytes, wanted: bool = True) -> bytes:
    """Give the message that subscribes to a prefix, or takes it back."""
    return encode_frame((b"\x01" if wanted else b"\x00") + prefix)
