"""`relay.relay`: what becomes of a message that a satellite hands in.

The way is: who sends it (admission), may it send so much (limiter), was it here before, then the
journal and everybody else (fanout). The data are never looked at: they are passed on as the bytes
that they came in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from co2.errors import ConflictingDuplicate, HopLimit, InvalidParams, Spoofed
from co2.interfaces import IJournal
from co2.model.calls import Encoded
from co2.model.hosts import HostId
from co2.model.messages import Entry, Message, digest_of_data
from co2.model.recent import Recent
from co2.model.topics import check_topic
from co2.relay.admission import Admission, parse_host_id
from co2.relay.fanout import Fanout
from co2.relay.limiter import Limiter
from co2.relay.presence import Presence
from co2.relay.sequence import Sequence
from co2.wire.xmlrpc import encode_value

_HOPS = 16
_AUTHORS = 100_000
_REMEMBERED = 10_000
"""Answers that are kept for messages that come again at once; the journal knows older ones."""

_OWN = frozenset(
    {"id", "host_id", "time", "data", "topic", "retain", "hops", "token", "secret", "seq"}
    | {"redelivered", "stale", "client_address", "after", "via", "superseded", "patience"}
)
"""Members that are read here, or that only a relay or receiver may set; others pass unchanged."""

_ID_LENGTH = 64


Answer = dict[str, Any]
Key = tuple[str, str]


@define(eq=False)
class _Coming:
    """A message on its way into the journal, and who waits for its answer."""

    message: Message
    waiting: list[Deferred[Answer]] = field(factory=list)

    def wait(self) -> Deferred[Answer]:
        """Give a Deferred of the answer; to cancel it harms nobody else."""
        waiting: Deferred[Answer] = Deferred(self.waiting.remove)
        self.waiting.append(waiting)
        return waiting

    def settle(self, outcome: Answer | Failure) -> None:
        """Tell everybody who waits."""
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            one.callback(outcome)


class Intake:
    """See the module.

    Args:
        admission: knows who a message is from.
        limiter: knows how much is too much.
        journal: knows what was here before.
        fanout: takes what is accepted.
        now: UNIX seconds.
        uptime: seconds of a clock that is never set back.
        make_id: gives an id to messages that bring none.
        clock: for messages that must wait for the one before them.
        relay_id: who this relay is.
        cascades: tells whether there are other relays, which need to know where a message was.
    """

    def __init__(
        self,
        admission: Admission,
        limiter: Limiter,
        journal: IJournal,
        fanout: Fanout,
        now: Callable[[], float],
        uptime: Callable[[], float],
        make_id: Callable[[], str],
        clock: IReactorTime,
        relay_id: str,
        cascades: Callable[[], bool],
    ) -> None:
        self._admission = admission
        self._limiter = limiter
        self._journal = journal
        self._fanout = fanout
        self._now = now
        self._uptime = uptime
        self._make_id = make_id
        self._relay_id = relay_id
        self._cascades = cascades
        self._last: Recent[str, str] = Recent(_AUTHORS)
        self._sequence = Sequence(clock, self._has_come)
        self._coming: dict[Key, _Coming] = {}
        self._seen: Recent[Key, tuple[bytes, Answer]] = Recent(_REMEMBERED)

    def take(
        self, struct: Mapping[str, Any], ip: str
    ) -> tuple[Presence, Answer | Deferred[Answer]]:
        """Accept a message.

        Args:
            struct: as it came; 'data' may be `Encoded`.
            ip: the canonical source address of the request.

        Returns:
            the satellite that sent it, and the answer `{'id', 'seq', 'recipients'}`, or a Deferred
            of it that fires when the message is safe, or fails with JournalFailed.

        Raises:
            InvalidParams, NotRegistered, Spoofed, RateLimited, HopLimit, ConflictingDuplicate.
        """
        via = struct.get("via")
        proof = struct if via is None else {**struct, "host_id": via}
        presence = self._admission.sender(proof, ip)
        self._limiter.take(presence.random, self._uptime())
        if via is None:
            message = self._read(struct, presence.registration.host_id)
            return presence, self._accept(self._as_first_relay(message))
        if not presence.registration.relays_others:
            raise Spoofed("'via' is for relays that have registered with roles: ['relay']")
        return presence, self.take_relayed(struct)

    def close(self) -> None:
        """Hold nothing back any more; what was held is not answered."""
        self._sequence.close()

    def take_relayed(self, struct: Mapping[str, Any]) -> Answer | Deferred[Answer]:
        """Accept a message that another relay passes on; it is known to be one. See `take`.

        Raises:
            InvalidParams, HopLimit, ConflictingDuplicate.
        """
        hops = _read_hops(struct.get("hops"))
        message = self._read(struct, parse_host_id(struct))
        if self._relay_id in hops:
            # It has come round.
            return {"id": message.id, "seq": 0, "recipients": 0}
        after = struct.get("after")
        return self._accept(
            evolve(
                message,
                hops=(*hops, self._relay_id),
                after=after if isinstance(after, str) else None,
            )
        )

    def _as_first_relay(self, message: Message) -> Message:
        """Note for other relays where a message has been, and which one was before it."""
        if not self._cascades():
            return message
        random = message.host_id.random
        if self._has_come(message.key):
            return message
        former = self._last.get(random)
        if former is None:
            latest = self._journal.latest(random)
            former = None if latest is None else latest.message.id
        self._last.put(random, message.id)
        return evolve(message, hops=(self._relay_id,), after=former)

    def _accept(self, message: Message) -> Answer | Deferred[Answer]:
        key = message.key
        coming = self._coming.get(key)
        if coming is not None:
            _check_same(message, coming.message.digest)
            return coming.wait()
        known = self._seen.get(key) or self._recall(message)
        if known is not None:
            digest, answer = known
            _check_same(message, digest)
            return answer
        coming = self._coming[key] = _Coming(message)
        answered = coming.wait()
        self._keep(coming)
        return answered

    def _has_come(self, key: Key) -> bool:
        return (
            key in self._coming
            or self._seen.get(key) is not None
            or self._journal.known(*key) is not None
        )

    def _recall(self, message: Message) -> tuple[bytes, Answer] | None:
        """Look for a message in the journal, where it may be from before a restart."""
        known = self._journal.known(*message.key)
        return None if known is None else (known[1], self._answer(message, known[0]))

    def _answer(self, message: Message, seq: int) -> Answer:
        return {"id": message.id, "seq": seq, "recipients": self._fanout.recipients(message)}

    def _keep(self, coming: _Coming) -> None:
        turn = self._sequence.turn(coming.message)
        if turn is None:
            self._publish(None, coming)
        else:
            turn.addCallback(self._publish, coming)

    def _publish(self, _: None, coming: _Coming) -> None:
        # Not awaited by the call itself: that a caller leaves must not undo what others wait for.
        self._fanout.publish(coming.message).addCallbacks(
            self._kept, self._lost, callbackArgs=(coming,), errbackArgs=(coming,)
        )
        self._sequence.came(coming.message.key)

    def _kept(self, entry: Entry, coming: _Coming) -> None:
        message = coming.message
        answer = self._answer(message, entry.seq)
        del self._coming[message.key]
        self._seen.put(message.key, (message.digest, answer))
        coming.settle(answer)

    def _lost(self, failure: Failure, coming: _Coming) -> None:
        """What is not in the journal was not here: the next try is a first one."""
        message = coming.message
        del self._coming[message.key]
        if self._last.get(message.host_id.random) == message.id:
            self._last.forget(message.host_id.random)
        coming.settle(failure)

    def _read(self, struct: Mapping[str, Any], host_id: HostId) -> Message:
        if "data" not in struct:
            raise InvalidParams("a message needs 'data'")
        data, retain = struct["data"], struct.get("retain") is True
        topic = _read_topic(struct.get("topic"))
        return Message(
            id=self._read_id(struct.get("id")),
            host_id=host_id,
            time=self._read_time(struct.get("time")),
            data=data if isinstance(data, Encoded) else encode_value(data, "data", True),
            topic=topic,
            retain=retain,
            extra={name: value for name, value in struct.items() if name not in _OWN},
            digest=digest_of_data(data, topic, retain),
        )

    def _read_id(self, value: object) -> str:
        if value is None:
            return self._make_id()
        if not isinstance(value, str) or not 0 < len(value) <= _ID_LENGTH:
            raise InvalidParams(f"'id' is not a string of 1 to {_ID_LENGTH} characters")
        return value

    def _read_time(self, value: object) -> float:
        if value is None:
            return self._now()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidParams("'time' is not a number of UNIX seconds")
        return float(value)


def _check_same(message: Message, digest: bytes) -> None:
    """Refuse a message that was here with another content.

    Raises:
        ConflictingDuplicate: it was.
    """
    if message.digest != digest:
        raise ConflictingDuplicate(
            f"another message of {message.host_id.random!r} has the id {message.id!r}: ids are "
            "made once for each message"
        )


def _read_topic(value: object) -> str | None:
    try:
        return check_topic(value)
    except ValueError as error:
        raise InvalidParams(f"'topic': {error}") from None


def _read_hops(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(hop, str) for hop in value):
        raise InvalidParams("'hops' is not an array of relay ids")
    if len(value) >= _HOPS:
        raise HopLimit(f"the message has passed {len(value)} relays; the limit is {_HOPS}")
    return tuple(value)
