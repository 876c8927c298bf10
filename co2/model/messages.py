"""What hosts send each other (PROTOCOL section 3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from attrs import field, frozen

from co2.model.calls import Encoded
from co2.model.hosts import HostId

_NOTHING: Mapping[str, Any] = {}
_OWN_KEYS = frozenset({"id", "host_id", "time", "data", "topic", "retain", "hops", "after"})


@frozen
class Message:
    """One message, as its author's server or the relay has accepted it.

    `data` is a wire value or an `Encoded` one; `time` is UNIX seconds; `after` is the id of the
    author's message before this one, set by the first relay; `extra` holds the keys that the
    protocol does not know and passes on unchanged; `digest` is `digest_of` it, if that is known.
    """

    id: str
    host_id: HostId
    time: float
    data: Any
    topic: str | None = None
    retain: bool = False
    hops: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default=_NOTHING)
    after: str | None = None
    digest: bytes = b""

    @property
    def key(self) -> tuple[str, str]:
        """What tells a repeated message from a new one."""
        return (self.host_id.random, self.id)

    def without_content(self) -> Message:
        """Give what identifies it: once it is written, nobody asks for more.

        A decoded value takes several times the memory of its bytes.
        """
        return Message(
            id=self.id,
            host_id=self.host_id,
            time=self.time,
            data=None,
            topic=self.topic,
            retain=self.retain,
            hops=self.hops,
            after=self.after,
        )

    def as_struct(self) -> dict[str, Any]:
        """Give the struct that travels, without what is empty."""
        struct: dict[str, Any] = {
            "id": self.id,
            "host_id": str(self.host_id),
            "time": self.time,
            "data": self.data,
        }
        if self.topic is not None:
            struct["topic"] = self.topic
        if self.retain:
            struct["retain"] = True
        if self.hops:
            struct["hops"] = list(self.hops)
        if self.after is not None:
            struct["after"] = self.after
        for name, value in self.extra.items():
            if name not in _OWN_KEYS:
                struct[name] = value
        return struct


@frozen
class Entry:
    """A message in a journal: `seq` is its number there, `xml` the written members.

    Of `message` only what identifies it is kept, without data: those are in the bytes.

    `xml` holds `<member>…</member>` elements, so that a courier can add a member of its own
    (a token) without writing the message again. `xml_plain` is the same for hosts that do not
    list the capability `co2`, and differs only if a time inside carries microseconds.
    """

    seq: int
    message: Message
    xml: bytes
    xml_plain: bytes
    nil_at: str | None = None

    @property
    def size(self) -> int:
        """Bytes that the entry holds in memory, near enough to bound a journal by."""
        plain = 0 if self.xml_plain is self.xml else len(self.xml_plain)
        return len(self.xml) + plain + 400


class Cursor(NamedTuple):
    """How far a satellite has come: messages above `joined` were for it, up to `seq` are settled.

    `greeted` tells whether it has got the last values that were kept before it came.
    """

    joined: int
    seq: int
    greeted: bool = True


LONGEST_DETAIL = 500
"""Characters of what an outcome says."""


class Outcome(NamedTuple):
    """What became of a message at one satellite, where that is not simply that it got it.

    `state` is 'refused', 'raised', 'timeout' or 'expired'; `time` UNIX seconds.
    """

    state: str
    detail: str
    time: float
    tries: int


class Taken(NamedTuple):
    """What an inbox knows of a message: its digest, and the answer, None if it was not finished.

    `running` tells whether it is being run right now, by this process.
    """

    digest: bytes
    answer: dict[str, Any] | None
    running: bool


class Kept(NamedTuple):
    """A message in a journal, for receipts: the `entry`, and whether its content has left."""

    entry: Entry
    expired: bool


def digest_of(message: Message) -> bytes:
    """Give what tells two contents under one id apart, over restarts too.

    It is of the value and not of its bytes: two relays may spell it in two ways.
    """
    return message.digest or digest_of_data(message.data, message.topic, message.retain)


def digest_of_data(data: Any, topic: object, retain: object) -> bytes:
    """Give the same of a message's 'data', 'topic' and 'retain'."""
    text = f"{topic or ''}\0{retain is True}\0{plain(data)!r}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def plain(value: Any) -> Any:
    """Give the value itself, whether or not it travels with its bytes."""
    return value.value if isinstance(value, Encoded) else value


def copied(value: Any) -> Any:
    """Give a copy of a wire value that shares nothing that can be changed."""
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    if isinstance(value, list):
        return [copied(one) for one in value]
    return value
