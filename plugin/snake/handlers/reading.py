"""What a handler reads: the values of its formats, out of messages that come bit by bit.

Decides which bytes are this handler's payload and when a format is complete. Waiting and giving
up are for whoever asks. Values are never made up: what cannot be read raises.
"""

from __future__ import annotations

from typing import Any

from plugin.snake.cedar.errors import CedarError, PayloadError
from plugin.snake.cedar.values import MessageReader
from plugin.snake.cedar.wire import Wire
from plugin.snake.handlers import formats
from plugin.snake.handlers.sentinel import end_of_message


class PeerGone(ConnectionError):
    """The peer closed the connection while the handler wanted something of it."""


class PayloadTimeout(TimeoutError):
    """The payload did not come, or not all of it, in time."""


class Reading:
    """The incoming side of one handler.

    Args:
        wire: the connection's bytes.
        message: the rest of a raw command's message, which is its payload; None where the payload
            is a message yet to come.

    Attributes:
        awaits_payload: nothing was read yet of a payload that is a message of its own.
        gone: nothing more will come.
    """

    def __init__(self, wire: Wire, message: MessageReader | None) -> None:
        self._wire = wire
        self._message = message
        self._values: list[Any] = []
        self.awaits_payload = message is None
        self.gone = False

    @property
    def readable(self) -> bool:
        """Whether there is something to read, the end of the peer included."""
        unread = self._message is not None and self._message.left > 0
        return unread or self._wire.started or self.gone

    def begin(self) -> None:
        """Forget what was read of a format that was given up."""
        self._values = []

    def read(self, wanted: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Read as many values of a format as there are.

        Returns:
            all of them, or None until more bytes are there.

        Raises:
            PayloadError: the message does not hold them.
            TypeError: nothing can be read like that.
            PeerGone: the rest will never come.
        """
        try:
            complete = self._gather(wanted)
        except PayloadError:
            raise
        except CedarError as error:
            self.gone = True
            raise PeerGone(str(error)) from error
        return tuple(self._values) if complete else None

    def _gather(self, wanted: tuple[Any, ...]) -> bool:
        values = self._values
        for item in wanted[len(values) :]:
            if item is None:
                values.append(None)
                continue
            message = self._message or self._next_message()
            if message is None:
                return False
            values.append(formats.read(item, message))
            if item is end_of_message:
                self._message = None
        return True

    def _next_message(self) -> MessageReader | None:
        self._message = self._wire.message()
        if self._message is not None:
            self.awaits_payload = False
        elif self.gone:
            raise PeerGone("the peer closed the connection before its payload was complete")
        return self._message
