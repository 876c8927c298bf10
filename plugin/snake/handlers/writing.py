"""What a handler sends: the values of its replies, gathered into messages.

Nothing travels before `end_of_message`, unless a packet is full. A reply that has a value that
cannot travel leaves nothing behind but what has been sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plugin.snake.cedar.framing import PACKET_BODY
from plugin.snake.cedar.wire import Wire
from plugin.snake.handlers import formats
from plugin.snake.handlers.sentinel import end_of_message


class Writing:
    """The outgoing side of one handler.

    Args:
        wire: the connection's bytes.
        flush: sends what the wire has to send.
    """

    def __init__(self, wire: Wire, flush: Callable[[], None]) -> None:
        self._wire, self._flush = wire, flush
        self._writer = wire.writer()

    @property
    def unsent(self) -> int:
        """Bytes that were written and no `end_of_message` sent."""
        return len(self._writer.gathered)

    def write(self, reply: tuple[Any, ...]) -> None:
        """Write the values of a reply, and send what is complete.

        Raises:
            TypeError, ValueError, OverflowError: one of them cannot travel.
        """
        writer = self._writer
        kept = len(writer.gathered)
        try:
            for item in reply:
                put = formats.WRITERS.get(type(item))
                if put is not None:
                    put(writer, item)
                elif item is end_of_message:
                    kept = 0
                    self._send(last=True)
                elif item is not None:
                    formats.write(item, writer)
        except BaseException:
            writer.rollback(kept)
            raise
        if len(writer.gathered) >= PACKET_BODY:
            self._send(last=False)

    def _send(self, last: bool) -> None:
        self._wire.send(self._writer, last)
        self._flush()
