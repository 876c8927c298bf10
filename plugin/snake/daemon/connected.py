"""What a connection asks of its transport: a stream's, or one in memory.

Only the shape; `stream` is what it is on a socket.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IPushProducer


class Connected(Protocol):
    """The transport of a stream, as far as it is used here."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def loseConnection(self) -> None:
        """Close once everything is sent."""

    def abortConnection(self) -> None:
        """Close at once."""

    def getPeer(self) -> Any:
        """Give the peer's address."""

    def getHost(self) -> Any:
        """Give our address."""

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Tell the producer when the send buffer is full."""

    def unregisterProducer(self) -> None:
        """Tell it no more."""

    def pauseProducing(self) -> None:
        """Read no more for now."""

    def resumeProducing(self) -> None:
        """Read again."""
