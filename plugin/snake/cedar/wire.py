"""One connection's two directions together, and the moment they become encrypted.

Used by the server's and the client's side alike; says nothing of who speaks when.
"""

from __future__ import annotations

from collections.abc import Mapping

from plugin.snake.cedar.crypt import Cipher, Opener, Sealer
from plugin.snake.cedar.framing import MAX_MESSAGE, PacketReader, PacketWriter
from plugin.snake.cedar.values import MessageReader, MessageWriter


class Wire:
    """Bytes in and out of one connection.

    Args:
        max_message: bytes that a message of the peer may have.

    Attributes:
        sealed: whether packets are encrypted from here on.
        feed: takes bytes from the peer.
    """

    __slots__ = ("_agreed", "_incoming", "_outgoing", "_to_send", "feed", "sealed")

    def __init__(self, max_message: int = MAX_MESSAGE) -> None:
        self._incoming = PacketReader(max_message)
        self._outgoing = PacketWriter()
        self._to_send = b""
        self.feed = self._incoming.feed
        self._agreed: tuple[Cipher, bytes] | None = None
        self.sealed = False

    @property
    def started(self) -> bool:
        """Whether bytes wait that no message was made of yet."""
        return self._incoming.started

    @property
    def waiting(self) -> int:
        """How many bytes wait to be looked at."""
        return self._incoming.waiting

    @property
    def held(self) -> int:
        """How many bytes wait in all, of packets that are finished and of others."""
        return self._incoming.held

    def message(self) -> MessageReader | None:
        """Give the next whole message, if there is one."""
        if self._agreed is not None:
            self._begin_sealing()
        message = self._incoming.message()
        return None if message is None else MessageReader(message, self.sealed)

    def writer(self) -> MessageWriter:
        """Give what the values of a message are gathered in."""
        if self._agreed is not None:
            self._begin_sealing()
        return MessageWriter(self.sealed)

    def send(self, values: MessageWriter, last: bool = True) -> None:
        """Send what was gathered, and begin the next message if it is the last of this."""
        if self._agreed is not None:
            self._begin_sealing()
        self._to_send += self._outgoing.packets(values.take(), last)

    def send_ad(self, values: Mapping[str, bool | int | str]) -> None:
        """Send a message of one ad."""
        writer = self.writer()
        writer.python_ad(values)
        self.send(writer)

    def send_integer(self, number: int) -> None:
        """Send a message of one int."""
        writer = self.writer()
        writer.integer(number)
        self.send(writer)

    def send_text(self, text: str) -> None:
        """Send a message of one string."""
        writer = self.writer()
        writer.text(text)
        self.send(writer)

    def data_to_send(self) -> bytes:
        """Give the bytes that are to go to the peer, once."""
        data, self._to_send = self._to_send, b""
        return data

    def seal(self, cipher: Cipher, vector: bytes) -> None:
        """Encrypt from here on, in both directions.

        Args:
            cipher: the session's.
            vector: 16 fresh random bytes.
        """
        # made ready with the next message: the peer waits for what was said until now
        self._agreed = cipher, vector
        self.sealed = True

    def _begin_sealing(self) -> None:
        assert self._agreed is not None
        (cipher, vector), self._agreed = self._agreed, None
        sent, received = self._outgoing.digest(), self._incoming.digest()
        self._outgoing.seal = Sealer(cipher, vector, sent + received)
        self._incoming.seal = Opener(cipher, received + sent)
