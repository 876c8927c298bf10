"""From one accepted message to every satellite that is to have it.

Decides who gets a message, and nothing about how: each satellite has a courier of its own, or
collects, and reads the journal at its own pace. Waking them is put off to the reactor's next turn,
so that messages which arrive together leave together, and the sender has its answer first.

A message is for a satellite if it came after the satellite did, another host sent it, it has not
passed the satellite on its way here (a relay's satellites may be relays), and its topic is wanted.
Who has just come first gets the last values that their authors asked to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from co2.errors import Co2Error, UnsupportedValue
from co2.interfaces import ICourier, IJournal, ILedger
from co2.model.hosts import HostState
from co2.model.messages import LONGEST_DETAIL, Cursor, Entry, Message, Outcome
from co2.model.recent import Recent
from co2.relay.collecting import Collecting
from co2.relay.errand import Errand
from co2.relay.joined import JoinedRelay
from co2.relay.presence import Presence
from co2.relay.roster import Roster
from co2.wire.xmlrpc import encode_members

_TOPICS = 100_000
_STALE = encode_members({"stale": True})
_SUPERSEDED = encode_members({"superseded": True})

OpenCourier = Callable[[Presence, Errand], ICourier]
"""Makes a courier that begins where the presence's `cursor` and `reached` say."""


class Fanout:
    """See the module.

    Args:
        journal: the relay's own.
        ledger: keeps what becomes of messages.
        roster: who is there.
        clock: for waking, and for leases.
        now: UNIX seconds.
        make_id: names calls to satellites that collect.
        open_courier: makes a courier for a presence.
    """

    _log = Logger()

    def __init__(
        self,
        journal: IJournal,
        ledger: ILedger,
        roster: Roster,
        clock: IReactorTime,
        now: Callable[[], float],
        make_id: Callable[[], str],
        open_courier: OpenCourier,
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._roster = roster
        self._clock = clock
        self._now = now
        self._open_courier = open_courier
        self._couriers: dict[str, ICourier] = {}
        self._newest: Recent[tuple[str, str], int] = Recent(_TOPICS)
        self._waking: IDelayedCall | None = None
        self._closed = False
        self.collecting = Collecting(journal, clock, make_id)

    def join(self, relay: JoinedRelay) -> None:
        """Let a relay that this one has joined have every message too."""
        self._couriers[relay.ledger_name] = relay.courier

    def publish(self, message: Message) -> Deferred[Entry]:
        """Keep a message and see that everybody gets it; fires when it is safe."""
        return self._journal.append(message).addCallback(self._appended)

    def _appended(self, entry: Entry) -> Entry:
        if entry.message.topic is not None:
            self._newest.put((entry.message.host_id.random, entry.message.topic), entry.seq)
        if self._waking is None and not self._closed:
            self._waking = self._clock.callLater(0, self._wake)
        return entry

    def recipients(self, message: Message) -> int:
        """Tell how many satellites a message is for."""
        random, topic, hops = message.host_id.random, message.topic, message.hops
        return sum(
            presence.random != random
            and presence.topics.matches(topic)
            and presence.random not in hops
            for presence in self._roster.presences()
        )

    def follow(self, presence: Presence) -> None:
        """Fit the way to a satellite to the state that it is in now."""
        if presence.state is HostState.ONLINE:
            self._bring(presence)
        elif presence.state is HostState.AWAY:
            if presence.courier is not None:
                presence.courier.pause()
        else:
            self.drop(presence)
        if presence.state is HostState.GONE:
            self.collecting.drop(presence)
            self._ledger.forget_cursor(presence.random)
        elif presence.state in (HostState.CHECKING, HostState.POLL):
            # The first time: ahead of every message that comes after it. See `Roster.load`.
            self._keep_cursor(presence)

    async def collect(
        self, presence: Presence, request: Mapping[str, Any], longest: float
    ) -> dict[str, Any]:
        """Give a satellite what has come, which asks by itself; see `Collecting.collect`."""
        return await self.collecting.collect(presence, self._errand(presence), request, longest)

    def move_on(self, presence: Presence, upto: int) -> None:
        """Take a satellite's word that it has everything up to a number; never back."""
        upto = min(upto, self._journal.last_seq)
        if presence.courier is None and upto > presence.cursor:
            presence.cursor = upto
            self._keep_cursor(presence)

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
        """End every courier, and send home who collects."""
        self._closed = True
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        self.collecting.close()
        closing = [courier.close() for courier in self._couriers.values()]
        self._couriers.clear()
        return DeferredList(closing, consumeErrors=True)

    # -- what a satellite is to have -----------------------------------------------------------

    def wants(self, presence: Presence, entry: Entry) -> bool:
        """Tell whether an entry is for a satellite."""
        message = entry.message
        if message.host_id.random == presence.random or presence.random in message.hops:
            return False
        if not presence.topics.matches(message.topic):
            return False
        return not (presence.registration.newest and self._is_superseded(entry))

    def _is_superseded(self, entry: Entry) -> bool:
        """Tell whether the same author has sent something newer on the same topic."""
        message = entry.message
        if message.topic is None:
            return False
        key = (message.host_id.random, message.topic)
        newest = self._newest.get(key)
        if newest is None:
            latest = self._journal.latest(*key)
            newest = entry.seq if latest is None else latest.seq
            self._newest.put(key, newest)
        return newest > entry.seq

    def _extra(self, presence: Presence, entry: Entry) -> bytes:
        # Only a backlog is looked at: what has just come supersedes, and is not superseded.
        lags = entry.seq < self._journal.last_seq
        return _SUPERSEDED if lags and self._is_superseded(entry) else b""

    def _greeting(self, presence: Presence) -> list[Entry]:
        return [
            self._stale(entry)
            for entry in self._journal.retained()
            if entry.seq <= presence.joined and self.wants(presence, entry)
        ]

    def _stale(self, entry: Entry) -> Entry:
        author = self._roster.get(entry.message.host_id.random)
        if author is not None and author.state not in (HostState.AWAY, HostState.GONE):
            return entry
        return evolve(entry, xml=entry.xml + _STALE, xml_plain=entry.xml_plain + _STALE)

    # -- couriers ------------------------------------------------------------------------------

    def _bring(self, presence: Presence) -> None:
        if presence.courier is None:
            presence.courier = self._open_courier(presence, self._errand(presence))
            self._couriers[presence.random] = presence.courier
        presence.courier.resume()

    def _errand(self, presence: Presence) -> Errand:
        epoch = presence.registration.epoch
        nil = presence.registration.nil

        def refuses(entry: Entry) -> Co2Error | None:
            if entry.nil_at is None or nil:
                return None
            return UnsupportedValue(f"it holds nil at {entry.nil_at}, which it does not read")

        def settled(entry: Entry, outcome: Any) -> None:
            if presence.registration.epoch != epoch:
                return
            presence.cursor = entry.seq
            self._settled(presence, entry, outcome)
            if entry.nil_at is None or nil:
                self._roster.hear(presence, self._clock.seconds(), reached=True)

        def greeted() -> None:
            presence.greeted = True
            self._keep_cursor(presence)

        return Errand(
            lambda entry: self.wants(presence, entry),
            refuses,
            lambda entry: self._extra(presence, entry),
            settled,
            lambda count: self._tell_missed(presence, count),
            lambda: () if presence.greeted else self._greeting(presence),
            greeted,
        )

    # -- what became of it ---------------------------------------------------------------------

    def _settled(self, presence: Presence, entry: Entry, outcome: Any) -> None:
        """Note what a satellite says of a message; most is just that it got it."""
        now = self._now()
        presence.progress.note(entry.seq, now)
        self._keep_cursor(presence)
        if isinstance(outcome, Co2Error):
            self._refuse(presence, entry, outcome.text)
            state, detail = "refused", outcome.text
        else:
            state, detail = _plugins_said(outcome)
        if state:
            kept = Outcome(state, detail[:LONGEST_DETAIL], now, presence.tries)
            self._ledger.keep_outcome(entry.seq, presence.random, kept)

    def _keep_cursor(self, presence: Presence) -> None:
        cursor = Cursor(presence.joined, presence.settled, presence.greeted)
        self._ledger.keep_cursor(presence.random, cursor)

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
        self.collecting.wake()


def _plugins_said(outcome: Any) -> tuple[str, str]:
    """Give state and detail of what went wrong in a satellite's plugins; ('', '') if nothing."""
    plugins = outcome.get("plugins") if isinstance(outcome, dict) else None
    if not isinstance(plugins, dict):
        return "", ""
    said = [(name, str(one)) for name, one in plugins.items() if one not in ("ok", "skipped")]
    if not said:
        return "", ""
    state = "raised" if any(one.startswith("raised") for _, one in said) else "timeout"
    return state, "; ".join(f"{name}: {one}" for name, one in said)
