"""One connection that speaks ZMTP: a conversation, an outlet, and a deadline for the handshake.

It must not know what the frames mean, nor which socket type it belongs to: its socket does.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol as Connection
from twisted.logger import Logger
from twisted.python.failure import Failure

from plugin.mktl.net.outlet import Outlet
from plugin.mktl.wire.zmtp import Conversation, Limits, ProtocolBroken, Situation

HANDSHAKE = 10.0
"""Seconds that a peer has for greeting and READY."""
MOST_OPEN = 10_000
"""Requests of one peer that may be under way before it is not read from."""


class Belongs(Protocol):
    """What a peer asks of its socket."""

    socket_type: bytes
    identity: bytes
    limits: Limits
    clock: IReactorTime

    def make_outlet(self, peer: Peer) -> Outlet:
        """Give the outlet of a new connection."""

    def arrived(self, peer: Peer) -> None:
        """Note a connection."""

    def opened(self, peer: Peer) -> None:
        """Note that its handshake is done."""

    def received(self, peer: Peer, frames: list[bytes]) -> None:
        """Take a message."""

    def before_answers(self) -> None:
        """Send first what has to come before the answers that are sent next."""

    def left(self, peer: Peer) -> None:
        """Note that a connection is gone."""


class Peer(Connection):
    """One connection that speaks ZMTP.

    Args:
        socket: the factory that it belongs to.
    """

    _log = Logger()
    transport: Any  # a TCP connection's, or one in memory

    def __init__(self, socket: Belongs) -> None:
        self.open = False
        self._socket = socket
        self._conversation = Conversation(socket.socket_type, socket.identity, socket.limits)
        self._gathered: list[bytes] | None = None
        self._deadline: IDelayedCall | None = None
        self._under_way = 0
        self._reading = True

    def connectionMade(self) -> None:
        """Greet."""
        self.outlet = self._socket.make_outlet(self)
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        self._deadline = self._socket.clock.callLater(HANDSHAKE, self._late)
        self._socket.arrived(self)
        self.outlet.send(self._conversation.start())

    def dataReceived(self, data: bytes) -> None:
        """Parse, hand over, and write all the answers that are there at once."""
        conversation = self._conversation
        self._gathered = []
        try:
            messages = conversation.receive(data)
            if not self.open:
                self._shake_hands()
            for frames in messages:
                self._socket.received(self, frames)
        except ProtocolBroken as error:
            self._broken(error)
        finally:
            gathered, self._gathered = self._gathered, None
            if gathered:
                self._socket.before_answers()
                self.outlet.send(b"".join(gathered))

    def _shake_hands(self) -> None:
        conversation = self._conversation
        for piece in conversation.outgoing:
            self.outlet.send(piece)
        conversation.outgoing.clear()
        if conversation.situation is Situation.OPEN:
            self.open = True
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
            self._socket.opened(self)

    def send(self, data: bytes) -> None:
        """Send whole messages."""
        if self._gathered is not None:
            self._gathered.append(data)
        else:
            self.outlet.send(data)

    def begun(self) -> None:
        """Note that a request is under way; a peer with too many is not read from."""
        self._under_way += 1
        if self._under_way == MOST_OPEN:
            self.hold()

    def ended(self) -> None:
        """Note that a request was answered."""
        self._under_way -= 1
        if self._under_way == MOST_OPEN // 2:
            self.go_on()

    def hold(self) -> None:
        """Read nothing more for now."""
        if self._reading:
            self._reading = False
            self.transport.pauseProducing()

    def go_on(self) -> None:
        """Read again, unless too much is still under way."""
        if not self._reading and self._under_way <= MOST_OPEN // 2:
            self._reading = True
            self.transport.resumeProducing()

    def _broken(self, error: ProtocolBroken) -> None:
        self._log.warn("{peer}: {error}", peer=self.transport.getPeer(), error=str(error))
        for piece in self._conversation.outgoing:
            self.outlet.send(piece)
        self.transport.loseConnection()

    def _late(self) -> None:
        self._deadline = None
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """Tell the socket."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.outlet.stopProducing()
        self.open = False
        self._socket.left(self)
