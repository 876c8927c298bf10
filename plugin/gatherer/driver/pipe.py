"""A worker's stdout, read in large pieces: Twisted's own reader takes 8 KiB at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

PIPE_SIZE: Final = 1 << 20
"""Bytes that the pipe holds, where the kernel lets it, and that are read at once."""


@implementer(IReadDescriptor)
class Stdout:
    """Reads a pipe: `hear` is told the bytes, `lost` the end."""

    def __init__(
        self, reactor: Any, descriptor: int, hear: Callable[[bytes], None], lost: Callable[[], None]
    ) -> None:
        self._reactor = reactor
        self._descriptor = descriptor
        self._hear = hear
        self._lost = lost
        os.set_blocking(descriptor, False)
        reactor.addReader(self)

    def fileno(self) -> int:
        """Give the descriptor, or -1 once it is closed."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Name it in logs."""
        return "gatherer"

    def doRead(self) -> None:
        """Read what is there."""
        try:
            data = os.read(self._descriptor, PIPE_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._hear(data)
        else:
            self.close()
            self._lost()

    def connectionLost(self, reason: Failure) -> None:
        """Take note that the reactor gave it up."""
        self.close()

    def close(self) -> None:
        """Close it, once."""
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            # not now: an event for it may be waiting in this turn of the reactor, and would go
            # to whatever gets the same number meanwhile
            self._reactor.callLater(0, os.close, self._descriptor)
            self._descriptor = -1
