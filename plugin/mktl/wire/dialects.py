"""The two languages of mKTL on the wire: which frame holds what. No I/O.

The new one (v0.9 on): `a`, id, type, target, flags, payload, [bulk]. The old one (to v0.8): `a`,
id, type, target, payload, bulk, and the types HASH and CONFIG, which `read_request` turns into GETs
of `_hash` and `_catalog` (SETs, if they carry a block), so that nothing behind knows two languages.
A message of six frames can be either: dialects are told apart by their ports, never by guessing.
"""

from __future__ import annotations

from typing import ClassVar

from plugin.mktl.wire.message import (
    MalformedMessage,
    Payload,
    Publication,
    Request,
    decode_json,
    encode_json,
    read_bulk,
)
from plugin.mktl.wire.zmtp import encode_frame, encode_message

VERSION = b"a"
NO_ACK, NO_REPLY = 1, 2
MOST_ID = 255
_TRUE = Payload(True)
_TRUE_JSON = encode_json(_TRUE)
_PREFIX = encode_frame(VERSION, more=True)
_REP = encode_frame(b"REP", more=True)
_ACK = encode_frame(b"ACK", more=True)
_EMPTY = encode_frame(b"", more=True)
_LAST_EMPTY = encode_frame(b"")


class Dialect:
    """The frames that both dialects share; the subclasses say how they differ."""

    name: ClassVar[str]
    call: ClassVar[bytes]
    answer: ClassVar[bytes]

    def __init__(self) -> None:
        self._done: dict[str, bytes] = {}

    def acknowledge(self, request: Request) -> bytes:
        """Give the bytes of an ACK."""
        raise NotImplementedError

    def reply(self, request: Request, payload: Payload) -> bytes:
        """Give the bytes of a REP."""
        if payload is _TRUE or (payload == _TRUE and payload.bulk is None):
            tail = self._done.get(request.target)
            if tail is None:
                tail = self._tail(request.target, _TRUE)
                if len(self._done) < 20_000:
                    self._done[request.target] = tail
        else:
            tail = self._tail(request.target, payload)
        return b"".join((_PREFIX, bytes((1, len(request.id))), request.id, _REP, tail))

    def _tail(self, target: str, payload: Payload) -> bytes:
        raise NotImplementedError

    def read_request(self, frames: list[bytes]) -> Request:
        """Understand a request.

        Raises:
            MalformedMessage: it is none of this dialect.
        """
        raise NotImplementedError

    def request(self, request: Request) -> bytes:
        """Give the bytes of a request."""
        raise NotImplementedError

    def read_response(self, frames: list[bytes]) -> tuple[bytes, str, Payload]:
        """Understand an ACK or REP: (id, type, payload).

        Raises:
            MalformedMessage: it is none of this dialect.
        """
        raise NotImplementedError

    def publication(self, topic: bytes, payload: Payload) -> bytes:
        """Give the bytes of a publication; `topic` is `store.key.`."""
        raise NotImplementedError

    def read_publication(self, frames: list[bytes]) -> Publication:
        """Understand a publication.

        Raises:
            MalformedMessage: it is none.
        """
        if len(frames) not in (3, 4) or frames[1] != VERSION:
            raise MalformedMessage(f"a publication has 3 or 4 frames, this has {len(frames)}")
        payload = read_payload(frames[2], frames[3] if len(frames) == 4 else b"")
        return Publication(_text(frames[0]).rstrip("."), payload)


class New(Dialect):
    """v0.9 and later."""

    name = "new"
    call = b"Aloha mKTL"
    answer = b"E komo mai:"

    def acknowledge(self, request: Request) -> bytes:
        """Give the bytes of an ACK."""
        return b"".join(
            (_PREFIX, encode_frame(request.id, True), _ACK, _EMPTY, _EMPTY, _LAST_EMPTY)
        )

    def _tail(self, target: str, payload: Payload) -> bytes:
        text = encode_payload(payload)
        head = encode_frame(target.encode(), True) + _EMPTY
        if payload.bulk is None:
            return head + encode_frame(text)
        return head + encode_frame(text, True) + encode_frame(payload.bulk.data)

    def read_request(self, frames: list[bytes]) -> Request:
        """Understand six or seven frames."""
        count = len(frames)
        if count not in (6, 7):
            raise MalformedMessage(f"a request has 6 or 7 frames, this has {count}")
        id, kind, target = _read_head(frames)
        flags = frames[4][0] if frames[4] else 0
        payload = read_payload(frames[5], frames[6] if count == 7 else b"")
        if kind not in ("GET", "SET"):
            raise MalformedMessage(f"a request is GET or SET, not {kind!r}")
        return Request(id, kind, target, payload, not flags & NO_ACK, not flags & NO_REPLY)

    def request(self, request: Request) -> bytes:
        """Give the bytes of a request."""
        flags = (0 if request.ack else NO_ACK) | (0 if request.reply else NO_REPLY)
        frames = [VERSION, request.id, request.type.encode(), request.target.encode()]
        frames += [bytes([flags]) if flags else b"", encode_payload(request.payload)]
        if request.payload.bulk is not None:
            frames.append(request.payload.bulk.data)
        return encode_message(frames)

    def read_response(self, frames: list[bytes]) -> tuple[bytes, str, Payload]:
        """Understand an ACK or REP."""
        if len(frames) not in (6, 7) or frames[0] != VERSION:
            raise MalformedMessage("an answer has 6 or 7 frames and begins with 'a'")
        payload = read_payload(frames[5], frames[6] if len(frames) == 7 else b"")
        return frames[1], _text(frames[2]), payload

    def publication(self, topic: bytes, payload: Payload) -> bytes:
        """Give three frames, four with an array."""
        text = encode_payload(payload)
        if payload.bulk is None and len(topic) < 256 and len(text) < 256:
            return b"".join((bytes((1, len(topic))), topic, _PREFIX, bytes((0, len(text))), text))
        frames = [topic, VERSION, text]
        if payload.bulk is not None:
            frames.append(payload.bulk.data)
        return encode_message(frames)


class Old(Dialect):
    """Up to and including v0.8."""

    name = "old"
    call = b"I heard it"
    answer = b"on the X:"

    def acknowledge(self, request: Request) -> bytes:
        """Give the bytes of an ACK."""
        head = (_PREFIX, encode_frame(request.id, True), _ACK, _EMPTY)
        return b"".join((*head, encode_frame(b"{}", True), _LAST_EMPTY))

    def _tail(self, target: str, payload: Payload) -> bytes:
        return encode_message(
            [
                target.encode(),
                encode_payload(payload),
                b"" if payload.bulk is None else payload.bulk.data,
            ]
        )

    def read_request(self, frames: list[bytes]) -> Request:
        """Understand six frames."""
        if len(frames) != 6:
            raise MalformedMessage(f"a request has 6 frames, this has {len(frames)}")
        id, kind, target = _read_head(frames)
        if kind == "HASH":
            return Request(id, "GET", f"{target}._hash" if target else "_hash", old_style())
        if kind == "CONFIG":
            return self._read_config(id, target, frames[4])
        if kind not in ("GET", "SET"):
            raise MalformedMessage(f"a request is GET, SET, HASH or CONFIG, not {kind!r}")
        return Request(id, kind, target, read_payload(frames[4], frames[5]))

    def _read_config(self, id: bytes, store: str, text: bytes) -> Request:
        payload = read_payload(text, b"") if text else Payload.of({})
        if not payload:
            return Request(id, "GET", f"{store}._catalog" if store else "_catalog", old_style())
        block = payload["value"] if isinstance(payload.get("value"), dict) else dict(payload)
        return Request(id, "SET", "_catalog", Payload.of({"value": block, "old": True}))

    def request(self, request: Request) -> bytes:
        """Give the bytes of a request, GETs of the catalog as HASH and CONFIG."""
        kind, target = request.type, request.target
        store, _, last = target.rpartition(".")
        if last in ("_hash", "_catalog"):
            kind, target = ("HASH" if last == "_hash" else "CONFIG"), store
        bulk = b"" if request.payload.bulk is None else request.payload.bulk.data
        text = encode_payload(request.payload)
        return encode_message([VERSION, request.id, kind.encode(), target.encode(), text, bulk])

    def read_response(self, frames: list[bytes]) -> tuple[bytes, str, Payload]:
        """Understand an ACK or REP."""
        if len(frames) != 6 or frames[0] != VERSION:
            raise MalformedMessage("an answer has 6 frames and begins with 'a'")
        return frames[1], _text(frames[2]), read_payload(frames[4], frames[5])

    def publication(self, topic: bytes, payload: Payload) -> bytes:
        """Give four frames."""
        bulk = b"" if payload.bulk is None else payload.bulk.data
        return encode_message([topic, VERSION, encode_payload(payload), bulk])


def old_style() -> Payload:
    """Give the payload that marks a catalog request as one of the old dialect."""
    return Payload.of({"old": True})


def is_done(payload: Payload) -> bool:
    """Tell the plain success of a SET."""
    return payload is _TRUE


def done() -> Payload:
    """Give the payload that says that a SET succeeded."""
    return _TRUE


def encode_payload(payload: Payload) -> bytes:
    """Give the JSON frame, with shape and type of an array that goes beside it."""
    if payload is _TRUE:
        return _TRUE_JSON
    if payload.bulk is not None:
        members = {name: member for name, member in payload.items() if name != "value"}
        members |= {"value": None, "shape": list(payload.bulk.shape), "dtype": payload.bulk.dtype}
        return encode_json(members)
    return encode_json(payload) if payload else b""


def read_payload(text: bytes, bulk: bytes) -> Payload:
    """Read a JSON frame and the array beside it.

    Raises:
        MalformedMessage: no JSON object, or an array that does not fit.
    """
    if not text:
        return Payload.of({})
    members = decode_json(text)
    if not isinstance(members, dict):
        raise MalformedMessage("a payload is a JSON object")
    if bulk or "dtype" in members:
        return Payload.of(members, read_bulk(bulk, members.get("shape"), members.get("dtype")))
    return Payload.of(members)


def _read_head(frames: list[bytes]) -> tuple[bytes, str, str]:
    version, id, kind, target = frames[:4]
    if version != VERSION:
        raise MalformedMessage(f"version {version!r} is not spoken here, {VERSION!r} is")
    if len(id) > MOST_ID:
        raise MalformedMessage(f"an id of over {MOST_ID} bytes")
    return id, _text(kind), _text(target).lower()


def _text(frame: bytes) -> str:
    try:
        return frame.decode()
    except UnicodeDecodeError:
        raise MalformedMessage("a name is not UTF-8") from None
