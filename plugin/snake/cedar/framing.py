"""Packets and messages.

How it works. A packet is `end:int8 | length:uint32 | body`; a message is the bodies of packets up
to one whose `end` is not 0. Bytes are kept as they came until a message is asked for, because a
key that is agreed on in one message applies to the very next packet, which may have arrived
already.

Source: reference of CEDAR, section 3.1; the body of an encrypted packet is `crypt`'s.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any, Protocol

from plugin.snake.cedar.errors import FramingError

_HEADER = struct.Struct(">BI")
HEADER_SIZE = _HEADER.size
MAX_PACKET = 1024 * 1024
"""Bytes of a body that any CEDAR peer accepts."""
MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes of a message that are gathered here before it is refused."""
PACKET_BODY = 256 * 1024
"""Bytes of a body that are written here."""
NO_DIGEST = bytes(32)
_FOLD = 65536


class Transcript:
    """What one direction said in clear, for the hash that may be asked of it."""

    __slots__ = ("_folded", "_kept")

    def __init__(self) -> None:
        # most connections are never encrypted, and hashing is more work than keeping
        self._kept = bytearray()
        self._folded: Any = None

    def add(self, packet: bytes) -> None:
        """Note a packet, its header included."""
        self._kept += packet
        if len(self._kept) > _FOLD:
            self._fold()

    def _fold(self) -> None:
        if self._folded is None:
            self._folded = hashlib.sha256()
        self._folded.update(self._kept)
        self._kept.clear()

    def digest(self) -> bytes:
        """Give the hash of everything; zeros if nothing was said."""
        if self._folded is None:
            return hashlib.sha256(self._kept).digest() if self._kept else NO_DIGEST
        self._fold()
        digest: bytes = self._folded.digest()
        return digest


class Seal(Protocol):
    """One direction of an encrypted connection."""

    def overhead(self) -> int:
        """Give the bytes that the next packet grows by."""

    def apply(self, header: bytes, body: bytes) -> bytes:
        """Turn a packet's clear body into the sent one, or the other way about."""


class PacketReader:
    """Gathers bytes of one direction and gives messages."""

    __slots__ = ("_gathered", "_max_message", "_most_pending", "_pending", "_seen", "seal")

    def __init__(self, max_message: int = MAX_MESSAGE) -> None:
        self._pending = bytearray()
        # not a list of pieces: a peer may send packets of one byte
        self._gathered = bytearray()
        self._max_message = max_message
        self._most_pending = max_message + 2 * MAX_PACKET
        self._seen = Transcript()
        self.seal: Seal | None = None

    @property
    def started(self) -> bool:
        """Whether anything is waiting, be it a part of a message."""
        return bool(self._pending or self._gathered)

    @property
    def waiting(self) -> int:
        """How many bytes wait, those of finished packets aside."""
        return len(self._pending)

    @property
    def held(self) -> int:
        """How many bytes wait in all."""
        return len(self._pending) + len(self._gathered)

    def digest(self) -> bytes:
        """Give the hash of everything that came in clear; zeros if nothing did."""
        return self._seen.digest()

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer.

        Raises:
            FramingError: more wait than any message may have.
        """
        self._pending += data
        if len(self._pending) > self._most_pending:
            raise FramingError("more bytes wait than a message may have")

    def message(self) -> bytes | None:
        """Give the next whole message, or None until there is one.

        Raises:
            FramingError: a packet of a size that is not allowed, or a message that is too large.
            CryptoError: a packet that the key does not open.
        """
        while (packet := self._packet()) is not None:
            last, body = packet
            if last and not self._gathered:
                return body
            self._gathered += body
            if len(self._gathered) > self._max_message:
                raise FramingError(f"a message is larger than {self._max_message} bytes")
            if last:
                whole, self._gathered = bytes(self._gathered), bytearray()
                return whole
        return None

    def _packet(self) -> tuple[bool, bytes] | None:
        pending = self._pending
        if len(pending) < HEADER_SIZE:
            return None
        end, length = _HEADER.unpack_from(pending)
        if end > 10 or not 1 <= length <= MAX_PACKET:
            raise FramingError(f"a packet cannot have the end mark {end} and {length} bytes")
        whole = HEADER_SIZE + length
        if len(pending) < whole:
            return None
        packet = bytes(pending[:whole])
        del pending[:whole]
        if self.seal is None:
            self._seen.add(packet)
            return end != 0, packet[HEADER_SIZE:]
        return end != 0, self.seal.apply(packet[:HEADER_SIZE], packet[HEADER_SIZE:])


class PacketWriter:
    """Turns messages into packets of one direction."""

    __slots__ = ("_sent", "seal")

    def __init__(self) -> None:
        self._sent = Transcript()
        self.seal: Seal | None = None

    def digest(self) -> bytes:
        """Give the hash of everything that was sent in clear; zeros if nothing was."""
        return self._sent.digest()

    def packets(self, message: bytes, last: bool = True) -> bytes:
        """Give the packets for (a part of) a message; nothing for no bytes.

        Args:
            message: the bytes.
            last: the message ends with them.
        """
        if len(message) <= PACKET_BODY:
            return self._packet(message, last) if message else b""
        pieces = [message[at : at + PACKET_BODY] for at in range(0, len(message), PACKET_BODY)]
        final = len(pieces) - 1
        return b"".join(
            self._packet(piece, last and index == final) for index, piece in enumerate(pieces)
        )

    def _packet(self, body: bytes, last: bool) -> bytes:
        if self.seal is None:
            packet = _HEADER.pack(last, len(body)) + body
            self._sent.add(packet)
            return packet
        header = _HEADER.pack(last, len(body) + self.seal.overhead())
        return header + self.seal.apply(header, body)
