"""What waits to be sent to one peer: bounded, in order, and never in anybody else's way.

A connection that takes what it is given is written to straight away. One that does not has its
messages kept here until it does: up to a number of bytes, and beyond that the oldest are dropped
and counted (a subscriber), or the peer is not read from for a while (a requester).

A plain socket is asked first, which saves the reactor a turn for each small answer; what it does
not take waits in the transport, and nothing further is written before that buffer is empty (the
transport tells a pull producer so). Other transports tell a push producer when they hold much.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer, ISSLTransport, ISystemHandle
from zope.interface import implementer

_AT_ONCE = 256 * 1024
_A_WRITE = 32 * 1024


@implementer(IPushProducer)
class Outlet:
    """See the module.

    Args:
        most: bytes that may wait.
        full: called when more than `most` wait; None drops the oldest instead.
        drained: called when less than half of that waits again.

    Attributes:
        dropped: messages that this peer did not get.
        held: bytes that wait.
    """

    def __init__(
        self,
        transport: Any,
        most: int,
        full: Callable[[], None] | None = None,
        drained: Callable[[], None] | None = None,
    ) -> None:
        self.dropped = 0
        self.held = 0
        self._transport = transport
        self._most = most
        self._full = full
        self._drained = drained
        self._told_full = False
        self._paused = False
        self._waiting: deque[bytes] = deque()
        self._registering = False
        self._socket = _plain_socket(transport)
        if self._socket is None:
            transport.registerProducer(self, True)

    def _write(self, data: bytes) -> None:
        if self._socket is None:
            self._transport.write(data)
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # the reactor will find out, and tell
            return
        if sent < len(data):
            self._transport.write(data[sent:])
            self._paused = True
            # Registering asks a pull producer for bytes at once; the buffer is not empty then.
            self._registering = True
            self._transport.registerProducer(self, False)
            self._registering = False

    def send(self, data: bytes) -> None:
        """Send whole messages, now or when the peer takes them."""
        if not self._paused:
            self._write(data)
            return
        self._waiting.append(data)
        self.held += len(data)
        if self.held > self._most:
            self._overflow()

    def send_all(self, messages: list[bytes]) -> None:
        """Send several messages, with few writes."""
        pieces: list[bytes] = []
        size = 0
        for message in messages:
            if self._paused:
                self.send(message)
                continue
            pieces.append(message)
            size += len(message)
            if size >= _A_WRITE:
                self._write(b"".join(pieces))
                pieces, size = [], 0
        if pieces:
            self.send(b"".join(pieces))

    def _overflow(self) -> None:
        if self._full is None:
            while self.held > self._most and len(self._waiting) > 1:
                self.held -= len(self._waiting.popleft())
                self.dropped += 1
        elif not self._told_full:
            self._told_full = True
            self._full()

    def pauseProducing(self) -> None:
        """The connection has enough for now."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The connection takes more."""
        if self._registering:
            return
        if self._socket is not None:
            self._transport.unregisterProducer()
        self._paused = False
        waiting = self._waiting
        while waiting and not self._paused:
            pieces, size = [], 0
            while waiting and size < _AT_ONCE:
                pieces.append(waiting.popleft())
                size += len(pieces[-1])
            self.held -= size
            self._write(b"".join(pieces))
        if self._told_full and self.held <= self._most // 2:
            self._told_full = False
            if self._drained is not None:
                self._drained()

    def stopProducing(self) -> None:
        """The connection is gone."""
        self._paused = True
        self._most = 0
        self._waiting.clear()
        self.held = 0


def _plain_socket(transport: Any) -> socket.socket | None:
    """Give the socket of a plain connection; None for TLS, and for doubles in tests."""
    system = ISystemHandle(transport, None)
    if system is None or ISSLTransport(transport, None) is not None:
        return None
    handle = system.getHandle()
    return handle if isinstance(handle, socket.socket) else None
