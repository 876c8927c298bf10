"""What this host's plugins send: kept, and brought to the relay and to peers in order.

Every message goes into one journal. The relay has a courier that reads it, and so has every peer;
a message is settled, and leaves the journal, when all of them are done with it. A courier that
cannot work yet (not registered, relay away) just lags behind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadable import isInIOThread

from co2.errors import Co2Error, ShuttingDown, SystemFailed, UnsupportedValue
from co2.interfaces import ICourier, IJournal
from co2.model.hosts import Address, HostId
from co2.model.messages import Entry, Message
from co2.model.sent import Sent
from co2.model.topics import check_topic
from co2.wire.xmlrpc import decode_call, encode_members, encode_value, wrap_members

_NOWHERE = Address("127.0.0.1", 1)
_IN_VAIN = 3
"""Tries after which a destination counts as away: a second or so, longer than a hiccup."""

_SERVER_SETS = frozenset({"id", "host_id", "time", "data", "seq", "hops", "token", "secret"}) | {
    "client_address",
    "redelivered",
    "stale",
    "topic",
    "retain",
}
"""Members that a plugin cannot set in the dict: the server does, or they are arguments."""


@define
class _Pending:
    """A message that not every courier is done with."""

    sent: Sent
    open: set[str]
    outcome: dict[str, Any] = field(factory=dict)
    error: Co2Error | None = None


class Outbox:
    """See the module.

    Args:
        random: this host's random part.
        journal: keeps what is not delivered.
        reactor: for `send()` in other threads.
        make_id: makes ULIDs; called from any thread.
        now: UNIX seconds.
        deliver_here: hands a message to this host's own plugins (`local=True`).
        ask: asks for a message's receipts.
    """

    _log = Logger()

    def __init__(
        self,
        random: str,
        journal: IJournal,
        reactor: IReactorFromThreads,
        make_id: Callable[[], str],
        now: Callable[[], float],
        deliver_here: Callable[[Message], Any],
        ask: Callable[[Sent], Deferred[list[dict[str, Any]]]],
    ) -> None:
        self._random = random
        self._journal = journal
        self._reactor = reactor
        self._make_id = make_id
        self._now = now
        self._deliver_here = deliver_here
        self._ask = ask
        self._couriers: dict[str, ICourier] = {}
        self._pending: dict[int, _Pending] = {}
        self._keeping = 0
        self._early: list[tuple[Message, Sent]] | None = []
        self._closed = False

    def __len__(self) -> int:
        return len(self._pending)

    def is_brought(self, given_up: Collection[str] = ()) -> bool:
        """Tell whether nothing is left that could be brought away soon.

        Args:
            given_up: destinations that are known not to be there.
        """
        away = {name for name, one in self._couriers.items() if one.tries >= _IN_VAIN}
        away.update(given_up)
        return not self._keeping and all(
            not courier.queued or name in away for name, courier in self._couriers.items()
        )

    def add_courier(self, name: str, courier: ICourier) -> None:
        """Let one more destination have every message."""
        self._couriers[name] = courier

    def open(self) -> None:
        """Begin: the destinations are known, and what was sent before goes to them first."""
        early, self._early = self._early or [], None
        for message, sent in early:
            self._keep(message, sent)

    def send(
        self, message: Mapping[str, Any], topic: str | None, local: bool, retain: bool
    ) -> Sent:
        """Take a plugin's message; in any thread.

        Args:
            message: the seed's dict: 'data', and whatever else shall travel.
            topic: dotted words, or None.
            local: hand it to this host's own plugins too.
            retain: let the network keep it for who comes later.

        Raises:
            UnsupportedValue: it cannot travel; the text names the path. Nothing was sent.
        """
        if not isinstance(message, Mapping) or "data" not in message:
            raise UnsupportedValue("send() takes a dict with the key 'data': send({'data': …})")
        extra = {
            name: encode_value(value, str(name), True)
            for name, value in message.items()
            if name not in _SERVER_SETS
        }
        encode_members(extra, fine_times=True)  # names can be wrong too, and now one can be told
        encoded = encode_value(message["data"], "data", True)
        sent = Sent(self._make_id(), self._ask)
        taken = Message(
            id=sent.id,
            host_id=HostId(self._random, _NOWHERE),
            time=self._now(),
            data=encoded,
            topic=_check_topic(topic),
            retain=bool(retain),
            extra=extra,
        )
        if isInIOThread():
            self._take(taken, sent, local)
        else:
            self._reactor.callFromThread(self._take, taken, sent, local)
        return sent

    def wake(self) -> None:
        """Let every courier look at the journal."""
        for courier in self._couriers.values():
            courier.wake()

    def settled(self, name: str, entry: Entry, outcome: Any) -> None:
        """Take what a courier says became of a message."""
        # Each courier has moved on before it tells: what all of them have settled may go.
        self._journal.release(min(courier.cursor for courier in self._couriers.values()))
        pending = self._pending.get(entry.seq)
        if pending is None:
            return
        pending.open.discard(name)
        if isinstance(outcome, Co2Error):
            pending.error = outcome
            self._log.warn(
                "message {id} was refused by {name}: {why}",
                id=entry.message.id,
                name=name,
                why=outcome.text,
            )
        else:
            _add(pending.outcome, outcome, name)
        if not pending.open:
            self._finish(entry.seq, pending)

    def close(self) -> Deferred[Any]:
        """End every courier; whoever waits for a message is told that it was not delivered."""
        self._closed = True
        pending, self._pending = self._pending, {}
        early, self._early = self._early or [], None
        for sent in [*(one.sent for one in pending.values()), *(sent for _, sent in early)]:
            sent.settle(_closing())
        return DeferredList(
            [maybeDeferred(courier.close) for courier in self._couriers.values()],
            consumeErrors=True,
        )

    def _take(self, message: Message, sent: Sent, local: bool) -> None:
        if self._closed:
            sent.settle(_closing())
            return
        if local:
            self._deliver_here(message)
        if self._early is not None:
            self._early.append((message, sent))
        else:
            self._keep(message, sent)

    def _keep(self, message: Message, sent: Sent) -> None:
        if not self._couriers:
            sent.settle({"id": sent.id, "recipients": 0})
            return
        self._keeping += 1
        appended = self._journal.append(message).addBoth(self._was_kept)
        appended.addCallbacks(self._kept, self._refused, callbackArgs=(sent,), errbackArgs=(sent,))

    def _was_kept(self, result: Any) -> Any:
        self._keeping -= 1
        return result

    def _kept(self, entry: Entry, sent: Sent) -> None:
        if self._closed:
            sent.settle(_closing())
            return
        outcome = {"id": sent.id, "recipients": 0}
        self._pending[entry.seq] = _Pending(sent, set(self._couriers), outcome)
        self.wake()

    def _refused(self, failure: Failure, sent: Sent) -> None:
        error = failure.value
        if not isinstance(error, Co2Error):
            self._log.failure("message {id} cannot be kept", failure, id=sent.id)
            error = SystemFailed("this host cannot keep messages; its log says why")
        self._log.warn("message {id} was not taken: {why}", id=sent.id, why=error.text)
        sent.settle(error)

    def _finish(self, seq: int, pending: _Pending) -> None:
        del self._pending[seq]
        # Last: whoever waited may send the next message at once, and there must be room for it.
        pending.sent.settle(pending.error or pending.outcome)


def _add(outcome: dict[str, Any], answer: Any, name: str) -> None:
    if not isinstance(answer, dict) or "plugins" in answer:
        outcome["recipients"] += 1
        plugins = answer.get("plugins") if isinstance(answer, dict) else None
        outcome.setdefault("peers", {})[name] = plugins or {}
    else:
        count = answer.get("recipients", 0)
        outcome["recipients"] += count if isinstance(count, int) else 0
        if "seq" in answer:
            outcome["seq"] = answer["seq"]


def _check_topic(topic: str | None) -> str | None:
    try:
        checked = check_topic(topic)
    except ValueError as error:
        raise UnsupportedValue(str(error)) from None
    encode_value(checked or "", "topic")
    return checked


def _closing() -> ShuttingDown:
    return ShuttingDown(
        "this satellite stops; what it has kept goes out when it is back", retry_after=2.0
    )


def struct_for_plugins(message: Message) -> dict[str, Any]:
    """Give the struct that this host's own plugins get of a message sent here.

    It is read back from the bytes, so that it is what all others get, and not the sender's own
    object, which the sender may go on to change.
    """
    written = wrap_members("notify", (encode_members(message.as_struct(), fine_times=True),))
    (struct,) = decode_call(b"".join(written)).params
    return dict(struct)
