"""Writes to a connection: at once if the socket takes it, through the transport's buffer if not.

`transport.write` waits for the reactor's next turn and two changes of epoll's list; asking the
socket first halves the cost of a small answer. Twisted's buffer holds what the socket did not take,
and while it holds anything all further bytes go there too, so that they keep their order. Only the
public interface is used: a pull producer is told when the buffer has drained. A transport that has
no plain socket (TLS, or a double in a test) gets everything by `write`, and tells as a push
producer's consumer when it holds too much.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.interfaces import (
    IConsumer,
    IPullProducer,
    IPushProducer,
    ISSLTransport,
    ISystemHandle,
    ITransport,
)
from zope.interface import implementer

_JOINED = 32 * 1024
_MOST_PIECES = 512


class Outlet(Protocol):
    """A way out; `blocked` while more than the socket takes is waiting."""

    blocked: bool
    broken: bool

    def send(self, data: bytes) -> None:
        """Write bytes."""

    def send_all(self, pieces: Sequence[bytes]) -> None:
        """Write several pieces in a row; large ones are not copied where that can be helped."""

    def was_closed(self) -> bool:
        """Tell whether the other side has closed, or spoken unasked; False if nobody can know."""

    def release(self) -> None:
        """Let go of the transport, which somebody else writes to from now on."""


def outlet_of(transport: ITransport, drained: Callable[[], None]) -> Outlet:
    """Give the best way out that a transport offers.

    Args:
        transport: of a connection that nothing was written to yet.
        drained: called when what was `blocked` is so no more.
    """
    handle = _plain_handle(transport)
    if isinstance(handle, socket.socket):
        return DirectOutlet(transport, handle, drained)
    return BufferedOutlet(transport, drained)


def _plain_handle(transport: ITransport) -> object:
    system = ISystemHandle(transport, None)
    if system is None or ISSLTransport(transport, None) is not None:
        return None
    return system.getHandle()


@implementer(IPullProducer)
class DirectOutlet:
    """Asks the socket first.

    `broken` is set when the socket refused with an error before it took a single byte of a write.
    """

    def __init__(
        self, transport: ITransport, handle: socket.socket, drained: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._socket = handle
        self._drained = drained
        self._registering = False
        self.blocked = False
        self.broken = False

    def send(self, data: bytes) -> None:
        """Write bytes."""
        if self.blocked:
            self._transport.write(data)
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.broken = True
            return
        if sent < len(data):
            self._spill((data[sent:],))

    def send_all(self, pieces: Sequence[bytes]) -> None:
        """Write several pieces in a row."""
        if len(pieces) > _MOST_PIECES or sum(map(len, pieces)) <= _JOINED:
            self.send(b"".join(pieces))
        elif self.blocked:
            self._transport.writeSequence(pieces)
        else:
            self._gather(pieces)

    def _gather(self, pieces: Sequence[bytes]) -> None:
        try:
            sent = self._socket.sendmsg(pieces)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.broken = True
            return
        rest = []
        for piece in pieces:
            if sent < len(piece):
                rest.append(piece[sent:])
            sent = max(0, sent - len(piece))
        if rest:
            self._spill(rest)

    def _spill(self, rest: Sequence[bytes]) -> None:
        self._transport.writeSequence(rest)
        self.blocked = True
        # Registering a pull producer asks it for bytes at once; that is no news of the buffer.
        self._registering = True
        IConsumer(self._transport).registerProducer(self, False)
        self._registering = False

    def resumeProducing(self) -> None:
        """The transport's buffer is empty."""
        if not self._registering:
            IConsumer(self._transport).unregisterProducer()
            self.blocked = False
            self._drained()

    def stopProducing(self) -> None:
        """The connection is lost; its protocol learns that by itself."""

    def was_closed(self) -> bool:
        """Tell whether the other side has closed, or spoken unasked."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def release(self) -> None:
        """Let go of the transport."""


@implementer(IPushProducer)
class BufferedOutlet:
    """Leaves everything to the transport."""

    broken = False

    def __init__(self, transport: ITransport, drained: Callable[[], None]) -> None:
        self._transport = transport
        self._drained = drained
        self.blocked = False
        self._registered = True
        IConsumer(transport).registerProducer(self, True)

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self._transport.write(data)

    def send_all(self, pieces: Sequence[bytes]) -> None:
        """Write several pieces in a row."""
        self._transport.writeSequence(pieces)

    def pauseProducing(self) -> None:
        """The transport holds too much."""
        self.blocked = True

    def resumeProducing(self) -> None:
        """The transport takes more."""
        self.blocked = False
        self._drained()

    def stopProducing(self) -> None:
        """The connection is lost; its protocol learns that by itself."""

    def was_closed(self) -> bool:
        """Nobody can know here."""
        return False

    def release(self) -> None:
        """Let go of the transport; TLS closes only when no producer is left."""
        if self._registered:
            self._registered = False
            IConsumer(self._transport).unregisterProducer()
