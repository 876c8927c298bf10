"""From one accepted message to every satellite that is to have it.

Decides who gets a message, and nothing about how: each satellite has a courier of its own, which
reads the journal at its own pace. Waking the couriers is put off to the reactor's next turn, so
that messages which arrive together leave together, and the sender has its answer first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from co2.errors import Co2Error, UnsupportedValue
from co2.interfaces import ICourier, IJournal
from co2.model.hosts import HostState
from co2.model.messages import Entry, Message
from co2.relay.roster import Presence, Roster


@frozen
class Errand:
    """What a satellite's courier is to bring, and whom it tells; see `delivery.courier`."""

    wants: Callable[[Entry], bool]
    refuses: Callable[[Entry], Co2Error | None]
    settled: Callable[[Entry, Any], None]
    missed: Callable[[int], None]


OpenCourier = Callable[[Presence, Errand], ICourier]
"""Makes a courier that begins where the presence's `cursor` and `reached` say."""


class Fanout:
    """See the module.

    Args:
        journal: the relay's own.
        roster: who is there.
        clock: for waking, and for leases.
        open_courier: makes a courier for a presence.
    """

    _log = Logger()

    def __init__(
        self, journal: IJournal, roster: Roster, clock: IReactorTime, open_courier: OpenCourier
    ) -> None:
        self._journal = journal
        self._roster = roster
        self._clock = clock
        self._open_courier = open_courier
        self._couriers: dict[str, ICourier] = {}
        self._waking: IDelayedCall | None = None
        self._closed = False

    def publish(self, message: Message) -> Deferred[Entry]:
        """Keep a message and see that everybody gets it; fires when it is safe."""
        return self._journal.append(message).addCallback(self._appended)

    def _appended(self, entry: Entry) -> Entry:
        if self._waking is None and not self._closed:
            self._waking = self._clock.callLater(0, self._wake)
        return entry

    def recipients(self, author: str) -> int:
        """Tell how many satellites a message of that author is for."""
        return len(self._roster) - (self._roster.get(author) is not None)

    def follow(self, presence: Presence) -> None:
        """Fit the courier of a satellite to the state that it is in now."""
        if presence.state is HostState.ONLINE:
            self._bring(presence)
        elif presence.state is HostState.AWAY:
            if presence.courier is not None:
                presence.courier.pause()
        else:
            self.drop(presence)

    def drop(self, presence: Presence) -> None:
        """End a satellite's courier; the cursor stays with its presence."""
        courier = presence.courier
        if courier is not None:
            presence.cursor = courier.cursor
            presence.reached = courier.reached
            presence.courier = None
            self._couriers.pop(presence.random, None)
            courier.close()

    def close(self) -> Deferred[Any]:
        """End every courier."""
        self._closed = True
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        closing = [courier.close() for courier in self._couriers.values()]
        self._couriers.clear()
        return DeferredList(closing, consumeErrors=True)

    def _bring(self, presence: Presence) -> None:
        if presence.courier is None:
            presence.courier = self._open(presence)
            self._couriers[presence.random] = presence.courier
        presence.courier.resume()

    def _open(self, presence: Presence) -> ICourier:
        random, epoch = presence.random, presence.registration.epoch
        nil = presence.registration.nil

        def wants(entry: Entry) -> bool:
            return entry.message.host_id.random != random

        def refuses(entry: Entry) -> Co2Error | None:
            if entry.nil_at is None or nil:
                return None
            return UnsupportedValue(f"it holds nil at {entry.nil_at}, which it does not read")

        def settled(entry: Entry, outcome: Any) -> None:
            if presence.registration.epoch != epoch:
                return
            presence.cursor = entry.seq
            if isinstance(outcome, Co2Error):
                self._refuse(presence, entry, outcome.text)
            if entry.nil_at is None or nil:
                self._roster.hear(presence, self._clock.seconds(), reached=True)

        def missed(count: int) -> None:
            self._tell_missed(presence, count)

        return self._open_courier(presence, Errand(wants, refuses, settled, missed))

    def _tell_missed(self, presence: Presence, missed: int) -> None:
        presence.missed += missed
        self._log.warn(
            "{host} missed {missed} messages that were forgotten before it had them",
            host=presence.registration.host_id,
            missed=missed,
        )

    def _refuse(self, presence: Presence, entry: Entry, why: str) -> None:
        presence.refused += 1
        self._log.warn(
            "{host} was not given message {id} of {author}: {why}",
            host=presence.registration.host_id,
            id=entry.message.id,
            author=entry.message.host_id,
            why=why,
        )

    def _wake(self) -> None:
        self._waking = None
        for courier in list(self._couriers.values()):
            courier.wake()
