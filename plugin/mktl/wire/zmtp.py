"""ZMTP 3.0 between two peers: the greeting, READY, and messages of frames. No I/O.

How it works. A `Conversation` is fed bytes in any pieces and gives whole messages, each a list of
frames; what it has to say by itself (its greeting, READY, an ERROR) is in what `start` gives and in
`outgoing`. It knows three situations: waiting for the 64 bytes of the greeting, waiting for READY,
and open. By announcing 3.0 it makes newer peers talk down to 3.0: subscriptions come as messages.

Invariants:
- the same bytes give the same messages, however they are cut;
- nothing is copied more often than once for each frame, and an announced length over the limit is
  refused before its bytes are waited for;
- after a `ProtocolBroken` nothing more is parsed.

Source: rfc.zeromq.org/spec/23 (ZMTP 3.0), spec/28 for socket types. It must not know what is in
the frames.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import Enum, auto

from attrs import define, field, frozen

GREETING_SIZE = 64
_SIGNATURE = b"\xff" + 8 * b"\0" + b"\x7f"
_MECHANISM = b"NULL".ljust(20, b"\0")
GREETING = _SIGNATURE + b"\x03\x00" + _MECHANISM + b"\0" + 31 * b"\0"

MORE, LONG, COMMAND = 1, 2, 4
_SHORT = 255
_LENGTH = struct.Struct(">Q")
_PROPERTY = struct.Struct(">I")

PARTNERS: Mapping[bytes, frozenset[bytes]] = {
    b"ROUTER": frozenset({b"DEALER", b"REQ", b"ROUTER"}),
    b"DEALER": frozenset({b"ROUTER", b"REP", b"DEALER"}),
    b"PUB": frozenset({b"SUB", b"XSUB"}),
    b"SUB": frozenset({b"PUB", b"XPUB"}),
}
"""Which socket types may talk to each other."""


class ProtocolBroken(Exception):
    """The peer does not speak ZMTP 3 with us, or sent more than is allowed; the text says what."""


class Situation(Enum):
    """How far a conversation has come."""

    GREETING = auto()
    READY = auto()
    OPEN = auto()
    BROKEN = auto()


@frozen
class Limits:
    """What a peer may send: bytes of one message, and frames in it."""

    message: int = 64 * 1024 * 1024
    frames: int = 32


def encode_frame(body: bytes, more: bool = False) -> bytes:
    """Give the bytes of one frame of a message."""
    return _frame(body, MORE if more else 0)


def encode_message(frames: list[bytes] | tuple[bytes, ...]) -> bytes:
    """Give the bytes of a message of at least one frame."""
    parts = [_frame(body, MORE) for body in frames[:-1]]
    parts.append(_frame(frames[-1], 0))
    return b"".join(parts)


def encode_ready(socket_type: bytes, identity: bytes = b"") -> bytes:
    """Give the READY command with the two properties that every peer understands."""
    body = b"\x05READY" + _property(b"Socket-Type", socket_type)
    if socket_type in (b"DEALER", b"ROUTER", b"REQ"):
        body += _property(b"Identity", identity)
    return _frame(body, COMMAND)


def encode_error(reason: bytes) -> bytes:
    """Give the ERROR command, which says why a handshake ends."""
    reason = reason[:_SHORT]
    return _frame(b"\x05ERROR" + bytes([len(reason)]) + reason, COMMAND)


def _frame(body: bytes, flags: int) -> bytes:
    size = len(body)
    if size <= _SHORT:
        return bytes((flags, size)) + body
    return bytes((flags | LONG,)) + _LENGTH.pack(size) + body


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + _PROPERTY.pack(len(value)) + value


def parse_properties(body: bytes) -> dict[bytes, bytes]:
    """Read the properties of a READY command, names in lower case.

    Raises:
        ProtocolBroken: a length points beyond the end.
    """
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(body):
        name_end = at + 1 + body[at]
        value_at = name_end + _PROPERTY.size
        if value_at > len(body):
            raise ProtocolBroken("READY ends within a property")
        (size,) = _PROPERTY.unpack_from(body, name_end)
        if value_at + size > len(body):
            raise ProtocolBroken("READY ends within a property's value")
        found[body[at + 1 : name_end].lower()] = body[value_at : value_at + size]
        at = value_at + size
    return found


@define
class Conversation:
    """One connection's state; see the module.

    Attributes:
        socket_type: ours, one of `PARTNERS`.
        identity: ours, which a ROUTER at the other end routes by; empty lets it choose.
        situation: how far it has come.
        partner: the peer's socket type, once READY was read.
        outgoing: bytes that have to be sent, in order; the transport takes them.
    """

    socket_type: bytes
    identity: bytes = b""
    limits: Limits = field(factory=Limits)
    situation: Situation = Situation.GREETING
    partner: bytes = b""
    partner_identity: bytes = b""
    outgoing: list[bytes] = field(factory=list)
    _pieces: list[bytes] = field(factory=list, init=False)
    _held: int = field(default=0, init=False)
    _needed: int = field(default=1, init=False)
    _frames: list[bytes] = field(factory=list, init=False)
    _size: int = field(default=0, init=False)

    def start(self) -> bytes:
        """Give what is sent first, at once: the greeting."""
        return GREETING

    def receive(self, data: bytes) -> list[list[bytes]]:
        """Take bytes, and give the messages that are complete with them.

        Raises:
            ProtocolBroken: the connection has to be closed, after `outgoing` was sent.
        """
        if self._pieces:
            self._pieces.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return []
            data = b"".join(self._pieces)
            self._pieces.clear()
        elif len(data) < self._needed:
            self._keep(data, self._needed)
            return []
        try:
            return self._read(data)
        except ProtocolBroken as error:
            self.situation = Situation.BROKEN
            self.outgoing.append(encode_error(str(error).encode()))
            raise

    def _keep(self, rest: bytes, needed: int) -> None:
        """Wait until there are `needed` bytes, counted from the start of `rest`."""
        self._pieces = [rest] if rest else []
        self._held = len(rest)
        self._needed = needed

    def _read(self, data: bytes) -> list[list[bytes]]:
        at = 0
        if self.situation is Situation.BROKEN:
            return []
        if self.situation is Situation.GREETING:
            _check_greeting(data[:GREETING_SIZE])
            if len(data) < GREETING_SIZE:
                self._keep(data, len(data) + 1)
                return []
            self.situation = Situation.READY
            self.outgoing.append(encode_ready(self.socket_type, self.identity))
            at = GREETING_SIZE
        return self._read_frames(data, at)

    def _read_frames(self, data: bytes, at: int) -> list[list[bytes]]:
        """The inner loop, written for speed: most frames are short."""
        messages: list[list[bytes]] = []
        end = len(data)
        frames = self._frames
        most_frames = self.limits.frames
        while end - at >= 2:
            flags = data[at]
            if flags & LONG:
                if end - at < 9:
                    break
                (size,) = _LENGTH.unpack_from(data, at + 1)
                start = at + 9
            else:
                size = data[at + 1]
                start = at + 2
            if flags > MORE or len(frames) >= most_frames:  # short frames cannot add up to much
                self._check(flags, size, len(frames))
            stop = start + size
            if stop > end:
                self._keep(data[at:], stop - at)
                return messages
            body = data[start:stop]
            at = stop
            if flags & COMMAND:
                self._command(body)
                continue
            if self.situation is not Situation.OPEN:
                raise ProtocolBroken("a message came before READY")
            frames.append(body)
            if flags & MORE:
                self._size += size
            else:
                messages.append(frames)
                frames = self._frames = []
                self._size = 0
        rest = data[at:]
        self._keep(rest, 9 if rest and rest[0] & LONG else 2)
        return messages

    def _check(self, flags: int, size: int, frames: int) -> None:
        if flags & ~(MORE | LONG | COMMAND):
            raise ProtocolBroken(f"reserved bits in a frame's flags: {flags:#04x}")
        if self._size + size > self.limits.message:
            raise ProtocolBroken(f"a message of over {self.limits.message} bytes")
        if frames >= self.limits.frames:
            raise ProtocolBroken(f"a message of over {self.limits.frames} frames")
        if flags & COMMAND and (flags & MORE or frames):
            raise ProtocolBroken("a command within a message")

    def _command(self, body: bytes) -> None:
        size = body[0] if body else 0
        name, rest = body[1 : 1 + size], body[1 + size :]
        if name == b"ERROR":
            raise ProtocolBroken(f"the peer ended it: {rest[1:].decode('utf-8', 'replace')}")
        if self.situation is Situation.READY:
            if name != b"READY":
                raise ProtocolBroken("the peer's first command is not READY")
            self._ready(parse_properties(rest))

    def _ready(self, properties: Mapping[bytes, bytes]) -> None:
        self.partner = properties.get(b"socket-type", b"")
        self.partner_identity = properties.get(b"identity", b"")
        if self.partner not in PARTNERS[self.socket_type]:
            kind = self.partner.decode("ascii", "replace")
            raise ProtocolBroken(f"a {self.socket_type.decode()} does not talk to a {kind!r}")
        self.situation = Situation.OPEN


def _check_greeting(data: bytes) -> None:
    """Refuse as early as the bytes allow; a peer of ZMTP 1 or 2 sends no 64 bytes."""
    if data[0] != 0xFF or (len(data) > 9 and not data[9] & 1):
        raise ProtocolBroken("this is no ZMTP greeting")
    if len(data) > 10 and data[10] < 3:
        raise ProtocolBroken(f"ZMTP {data[10]} is too old; 3 is spoken here")
    mechanism = data[12:32]
    if mechanism != _MECHANISM[: len(mechanism)]:
        raise ProtocolBroken("only the mechanism NULL is spoken here")
