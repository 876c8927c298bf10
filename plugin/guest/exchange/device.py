"""A character device, such as virtio-serial's port: one stream that is there for ever.

While no host has the other end open a port reads as if it were at its end: that is asked again
after a while, and no reason to go. A device that vanishes is opened again when it is back.
"""

from __future__ import annotations

import os
import stat
import termios
import tty
from collections.abc import Callable
from typing import Any

from twisted.internet import fdesc
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from plugin.guest.exchange.sockets import Framing, Lines
from plugin.guest.exchange.waiting import Waiting
from plugin.guest.interfaces import IExchange

_log = Logger()
VIRTIO = "/dev/virtio-ports/org.qemu.guest_agent.0"
NOBODY_THERE = 0.25
"""Seconds between looks for a host."""

LONGEST_PAUSE = 5.0
"""Seconds between tries to open a device that is not there."""


class Stream(FileDescriptor):
    """An open device in the reactor."""

    def __init__(self, reactor: Any, number: int) -> None:
        super().__init__(reactor)
        self._clock = reactor
        self._number = number
        self._received: Callable[[bytes], None] = lambda data: None
        self._lost: Callable[[], None] = lambda: None
        self.connected = 1  # write() drops everything otherwise
        self._hangs_up = os.isatty(number)
        fdesc.setNonBlocking(number)

    def begin(self, received: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        """Read from now on.

        Args:
            received: called with what comes.
            lost: called when the device is closed.
        """
        self._received, self._lost = received, lost
        self.startReading()

    def fileno(self) -> int:
        """Give the descriptor, -1 when closed."""
        return self._number

    def doRead(self) -> Exception | None:
        """Read what there is; the end means that nobody is at the other one."""
        try:
            data = os.read(self._number, 1 << 16)
        except BlockingIOError:
            return None
        except OSError as error:
            return ConnectionLost(str(error))
        if data:
            self._received(data)
        elif self._hangs_up:
            return ConnectionLost("the line was hung up")  # for good: it is opened again
        else:
            self.stopReading()
            self._clock.callLater(NOBODY_THERE, self._again)
        return None

    def writeSomeData(self, data: bytes) -> int | Exception:
        """Write what there is room for."""
        try:
            return os.write(self._number, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            return ConnectionLost(str(error))

    def connectionLost(self, reason: Failure) -> None:
        """Close."""
        super().connectionLost(reason)
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)
            self._lost()

    def close(self) -> None:
        """Stop reading and writing."""
        if self._number >= 0:
            self.stopReading()
            self.stopWriting()
            self.connectionLost(Failure(ConnectionDone()))

    def _again(self) -> None:
        if self._number >= 0:
            self.startReading()


@implementer(IExchange)
class CharDevice:
    """One client, at a device."""

    def __init__(self, path: str = VIRTIO) -> None:
        """Take the device's path; virtio-serial's by default."""
        self.path = path
        self._waiting = Waiting()
        self._framing: Callable[[], Any] = Lines
        self._own_framing = False
        self._stream: Stream | None = None
        self._reactor: Any = None
        self._next: Any = None
        self._pause = 0.5
        self._closed = False

    def use_framing(self, framing: Callable[[], Framing]) -> None:
        """Cut the stream as the parser needs it."""
        self._framing, self._own_framing = framing, True

    def start(self, reactor: Any) -> None:
        """Open the device, or try again until it is there."""
        self._reactor = reactor
        self._next = None
        try:
            number = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            _make_raw(number)
        except OSError as error:
            if self._pause < 1:
                _log.warn("cannot open {path}: {why}", path=self.path, why=error.strerror)
            self._later()
            return
        self._pause = 0.5
        framing = self._framing()

        def received(data: bytes) -> None:
            for value in framing.feed(data):
                request = {"value": value} if self._own_framing else dict(value)
                self._waiting.put(request)

        self._stream = Stream(reactor, number)
        self._stream.begin(received, self._later)

    def get_request(self) -> Deferred[Any]:
        """Give the next request."""
        return self._waiting.get()

    def put_response(self, request: Any, response: Any) -> Deferred[None]:
        """Write the answer."""
        data = response["data"]
        if self._stream is not None:
            self._stream.write(data if isinstance(data, bytes) else data.encode("utf-8") + b"\n")
        return succeed(None)

    def discard_request(self, request: Any) -> Deferred[None]:
        """Give no answer."""
        return succeed(None)

    def close(self) -> Deferred[None]:
        """Close the device."""
        self._closed = True
        self._waiting.close()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._stream is not None:
            self._stream.close()
        return succeed(None)

    def _later(self) -> None:
        self._stream = None
        if not self._closed:
            self._next = self._reactor.callLater(self._pause, self.start, self._reactor)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)


def _make_raw(number: int) -> None:
    """Let a serial line pass bytes as they are."""
    if stat.S_ISCHR(os.fstat(number).st_mode) and os.isatty(number):
        tty.setraw(number, termios.TCSANOW)
