"""`relay.relay`: what becomes of a message that a satellite hands in.

The way is: who sends it (admission), may it send so much (limiter), was it here before, then the
journal and everybody else (fanout). The data are never looked at: they are passed on as the bytes
that they came in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from co2.errors import ConflictingDuplicate, HopLimit, InvalidParams, Spoofed
from co2.interfaces import IJournal
from co2.model.calls import Encoded
from co2.model.hosts import Address
from co2.model.messages import Entry, Message, digest_of
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
    | {"redelivered", "stale", "client_address", "after", "via", "superseded"}
)
"""Members that are read here, or that only a relay or receiver may set; others pass unchanged."""

_ID_LENGTH = 64


@define(eq=False)
class _Taken:
    """A message that was here: what it was, and how its sender was answered, once that is known."""

    digest: bytes
    answer: dict[str, Any] = field(factory=dict)
    failure: Failure | None = None
    waiting: list[Deferred[dict[str, Any]]] = field(factory=list)

    def wait(self) -> Deferred[dict[str, Any]]:
        """Give a Deferred of the answer."""
        if self.failure is not None:
            return fail(self.failure)
        waiting: Deferred[dict[str, Any]] = Deferred(self.waiting.remove)
        self.waiting.append(waiting)
        return waiting

    def settle(self, outcome: dict[str, Any] | Failure) -> None:
        """Tell everybody who waits."""
        if isinstance(outcome, Failure):
            self.failure = outcome
        else:
            self.answer = outcome
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
        self._seen: Recent[tuple[str, str], _Taken] = Recent(_REMEMBERED)

    async def take(self, struct: Mapping[str, Any], ip: str) -> tuple[Presence, dict[str, Any]]:
        """Accept a message.

        Args:
            struct: as it came; 'data' may be `Encoded`.
            ip: the canonical source address of the request.

        Returns:
            the satellite that sent it, and the answer `{'id', 'seq', 'recipients'}`.

        Raises:
            InvalidParams, NotRegistered, Spoofed, RateLimited, HopLimit, ConflictingDuplicate.
        """
        via = struct.get("via")
        proof = struct if via is None else {**struct, "host_id": via}
        presence = self._admission.sender(proof, ip)
        self._limiter.take(presence.random, self._uptime())
        if via is None:
            message = self._read(struct, presence.registration.address)
            return presence, await self._accept(self._as_first_relay(message))
        if not presence.registration.relays_others:
            raise Spoofed("'via' is for relays that have registered with roles: ['relay']")
        return presence, await self.take_relayed(struct)

    def close(self) -> None:
        """Hold nothing back any more; what was held is not answered."""
        self._sequence.close()

    async def take_relayed(self, struct: Mapping[str, Any]) -> dict[str, Any]:
        """Accept a message that another relay passes on; it is known to be one.

        Raises:
            InvalidParams, HopLimit, ConflictingDuplicate.
        """
        hops = _read_hops(struct.get("hops"))
        message = self._read(struct, None)
        if self._relay_id in hops:
            # It has come round.
            return {"id": message.id, "seq": 0, "recipients": 0}
        after = struct.get("after")
        return await self._accept(
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

    async def _accept(self, message: Message) -> dict[str, Any]:
        digest = digest_of(message)
        taken = self._seen.get(message.key) or self._recall(message)
        if taken is None:
            taken = self._keep(message, digest)
        elif taken.digest != digest:
            raise _conflict(message)
        return taken.answer or await taken.wait()

    def _has_come(self, key: tuple[str, str]) -> bool:
        return self._seen.get(key) is not None or self._journal.known(*key) is not None

    def _recall(self, message: Message) -> _Taken | None:
        """Look for a message in the journal, where it may be from before a restart."""
        known = self._journal.known(*message.key)
        if known is None:
            return None
        recipients = self._fanout.recipients(message)
        answer = {"id": message.id, "seq": known[0], "recipients": recipients}
        return _Taken(known[1], answer)

    def _keep(self, message: Message, digest: bytes) -> _Taken:
        taken = _Taken(digest)
        self._seen.put(message.key, taken)
        turn = self._sequence.turn(message)
        if turn is None:
            self._publish(None, message, taken)
        else:
            turn.addCallback(self._publish, message, taken)
        return taken

    def _publish(self, _: None, message: Message, taken: _Taken) -> None:
        # Not awaited by the call itself: that a caller leaves must not undo what others wait for.
        self._fanout.publish(message).addCallbacks(
            self._kept, self._lost, callbackArgs=(taken, message), errbackArgs=(taken, message)
        )
        self._sequence.came(message.key)

    def _kept(self, entry: Entry, taken: _Taken, message: Message) -> None:
        recipients = self._fanout.recipients(message)
        taken.settle({"id": message.id, "seq": entry.seq, "recipients": recipients})

    def _lost(self, failure: Failure, taken: _Taken, message: Message) -> None:
        """What is not in the journal was not here: the next try is a first one."""
        self._seen.forget(message.key)
        if self._last.get(message.host_id.random) == message.id:
            self._last.forget(message.host_id.random)
        taken.settle(failure)

    def _read(self, struct: Mapping[str, Any], address: Address | None) -> Message:
        if "data" not in struct:
            raise InvalidParams("a message needs 'data'")
        data = struct["data"]
        host_id = parse_host_id(struct)
        return Message(
            id=self._read_id(struct.get("id")),
            host_id=host_id if address is None else host_id._replace(address=address),
            time=self._read_time(struct.get("time")),
            data=data if isinstance(data, Encoded) else encode_value(data, "data", True),
            topic=_read_topic(struct.get("topic")),
            retain=struct.get("retain") is True,
            extra={name: value for name, value in struct.items() if name not in _OWN},
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


def _conflict(message: Message) -> ConflictingDuplicate:
    return ConflictingDuplicate(
        f"another message of {message.host_id.random!r} has the id {message.id!r}: ids are made "
        "once for each message"
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
