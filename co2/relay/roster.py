"""Who is registered here, and how well each was heard of lately.

The roster decides about leases: who is online, away, gone. What must survive a restart is a
`Registration` and goes to the store at once; the rest is a `Presence` and lives in memory. Time
comes in as an argument, and is the steady clock's unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf, nextafter
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from co2.errors import AmbiguousNick, JournalFailed, NotRegistered
from co2.interfaces import IRosterStore
from co2.model.hosts import Address, HostState, Registration
from co2.model.messages import Cursor
from co2.model.topics import TopicFilter
from co2.relay.addresses import Addresses
from co2.relay.presence import Presence

_UNDER_WAY = 2048
"""Messages at most that one satellite may have got ahead of the cursor that was written last."""


class Roster:
    """See the module.

    Args:
        store: where registrations are kept.
        lease: seconds that a satellite counts as there without being heard.
        forget_after: seconds that one is remembered without being heard.
        changed: told of a presence whose state has changed.
    """

    _log = Logger()

    def __init__(
        self,
        store: IRosterStore,
        lease: float,
        forget_after: float,
        changed: Callable[[Presence], None],
    ) -> None:
        self.lease = lease
        self.forget_after = forget_after
        self._store = store
        self._changed = changed
        self._by_random: dict[str, Presence] = {}
        self._addresses = Addresses()
        self._relays: set[str] = set()
        self._last_seen = 0.0
        self._unwritten = False

    def __len__(self) -> int:
        return len(self._by_random)

    def __iter__(self) -> Iterator[Presence]:
        return iter(list(self._by_random.values()))

    @property
    def has_relays(self) -> bool:
        """Whether any of them is a relay itself."""
        return bool(self._relays)

    def presences(self) -> Iterable[Presence]:
        """Give every satellite, as a view that must not outlive a change."""
        return self._by_random.values()

    def load(self, now: float, cursors: Mapping[str, Cursor], newest: int) -> None:
        """Take what the store kept; everybody gets one lease to be heard again.

        Args:
            now: seconds.
            cursors: how far everybody had come.
            newest: number of the last message. Who has no cursor registered in the last moment of
                the former run: a cursor is written ahead of every message that comes after it.
        """
        # Where two were at one address, the one that registered last is the one that is there.
        for registration in sorted(self._store.load(), key=lambda one: one.seen):
            presence = Presence(registration, lease_until=now + self.lease)
            known = cursors.get(presence.random, Cursor(newest, newest, False))
            presence.joined, presence.cursor, presence.greeted = known
            # Nobody knows what was under way when this relay ended.
            presence.reached = min(newest, presence.cursor + _UNDER_WAY)
            self._take_in(presence)
            self._last_seen = registration.seen
        for presence in self:
            self._changed(presence)

    # -- finding -------------------------------------------------------------------------------

    def get(self, random: str) -> Presence | None:
        """Give the satellite with that random part, if it is registered."""
        return self._by_random.get(random)

    def at(self, address: Address) -> Presence | None:
        """Give the satellite that was last registered at that address."""
        return self._addresses.at(address)

    def is_displaced(self, presence: Presence) -> bool:
        """Tell whether another has registered since at the address that this one had."""
        return self._addresses.is_displaced(presence)

    def find(self, random: str) -> Presence:
        """Give the satellite with that random part.

        Raises:
            NotRegistered: there is none.
        """
        presence = self._by_random.get(random)
        if presence is None:
            raise NotRegistered(f"no satellite {random!r} is registered here: register (again)")
        return presence

    def find_nick(self, nick: str) -> Presence:
        """Give the satellite that bears the nick.

        Raises:
            NotRegistered: nobody does.
            AmbiguousNick: several do; the text lists them.
        """
        bearers = [one for one in self._by_random.values() if one.registration.nick == nick]
        if not bearers:
            raise NotRegistered(f"no satellite with the nick {nick!r} is registered here")
        if len(bearers) > 1:
            ids = ", ".join(sorted(str(one.registration.host_id) for one in bearers))
            raise AmbiguousNick(f"the nick {nick!r} is borne by {ids}: name one by its host_id")
        return bearers[0]

    # -- changing ------------------------------------------------------------------------------

    def enter(self, registration: Registration, now: float, cursor: int) -> Presence:
        """Take a new or renewed registration, and displace who was at its address before.

        Who answers for it waits for `kept` of the presence, if that is a Deferred; where that
        fails, one who was not known before is unknown again.

        Raises:
            JournalFailed: it cannot be written; nothing has changed.
        """
        registration = self._after_others(registration)
        kept = self._store.keep(registration)
        self._displace(registration)
        presence = self._by_random.get(registration.random)
        if presence is None:
            presence = Presence(registration, now + self.lease, joined=cursor, cursor=cursor)
            presence.greeted = False
            if kept is not None:
                kept.addErrback(self._not_kept, presence)
        else:
            self._addresses.release(presence)
            presence.registration = registration
            presence.topics = TopicFilter(registration.topics)
            presence.lease_until = now + self.lease
        presence.kept = kept
        self._take_in(presence)
        self._changed(presence)
        return presence

    def _not_kept(self, failure: Failure, presence: Presence) -> Failure:
        self.remove(presence)
        return failure

    def _after_others(self, registration: Registration) -> Registration:
        # Who registered last is the one at an address; the wall clock may have been set back since.
        if registration.seen <= self._last_seen:
            registration = registration.evolve(seen=nextafter(self._last_seen, inf))
        self._last_seen = registration.seen
        return registration

    def update(self, presence: Presence, **changes: Any) -> None:
        """Change a registration in place; it is written, and told, if that changes anything.

        Nothing is changed of one that was removed meanwhile: it would come back to the store.
        """
        if self._by_random.get(presence.random) is not presence:
            return
        registration = presence.registration.evolve(**changes)
        if registration != presence.registration:
            presence.registration = registration
            self._write(self._store.keep, registration)
            self._changed(presence)

    def _write(self, change: Callable[[Any], Deferred[None] | None], what: object) -> None:
        """Write what this relay finds out by itself: if that fails, it would find out once more."""
        maybeDeferred(change, what).addCallbacks(self._was_written, self._was_not_written)

    def _was_written(self, _: None) -> None:
        self._unwritten = False

    def _was_not_written(self, failure: Failure) -> None:
        if not failure.check(JournalFailed):
            self._log.failure("a change of the roster is not written", failure)
        elif not self._unwritten:
            self._log.warn("changes of the roster are not written: {why}", why=str(failure.value))
        self._unwritten = True

    def remove(self, presence: Presence) -> None:
        """Forget a satellite for good."""
        if self._by_random.get(presence.random) is not presence:
            return
        del self._by_random[presence.random]
        self._relays.discard(presence.random)
        self._addresses.release(presence)
        self._write(self._store.forget, presence.random)
        presence.registration = presence.registration.evolve(state=HostState.GONE)
        self._changed(presence)

    def hear(
        self, presence: Presence, now: float, reached: bool = False, collects: bool = False
    ) -> None:
        """Renew a lease: the satellite has shown that it is there.

        Args:
            presence: which.
            now: seconds.
            reached: it was this relay that reached the satellite. One that was away and comes
                back by itself is checked first: nobody knows whether it can still be called.
            collects: it asks for its messages itself, and need not be called.
        """
        presence.lease_until = now + self.lease
        if presence.state is HostState.AWAY:
            back = HostState.POLL if collects else HostState.CHECKING
            self.update(presence, state=HostState.ONLINE if reached else back)

    def leave(self, presence: Presence, now: float) -> None:
        """End a lease at once: the satellite said that it stops. It is expected back."""
        presence.lease_until = now
        self.update(presence, state=HostState.AWAY)

    def sweep(self, now: float) -> None:
        """End leases that have run out, and forget who was away for too long."""
        for presence in list(self._by_random.values()):
            silent_for = now - presence.lease_until
            if silent_for > self.forget_after:
                self.remove(presence)
            elif silent_for > 0 and presence.state in (HostState.ONLINE, HostState.POLL):
                self.update(presence, state=HostState.AWAY)

    def _unawaited(self, written: Deferred[None] | None) -> None:
        if written is not None:
            written.addErrback(lambda failure: self._log.warn("{why}", why=str(failure.value)))

    def _take_in(self, presence: Presence) -> None:
        self._by_random[presence.random] = presence
        self._addresses.put(presence)
        if presence.registration.relays_others:
            self._relays.add(presence.random)
        else:
            self._relays.discard(presence.random)

    def _displace(self, registration: Registration) -> None:
        """Let whoever was at that address before be elsewhere, and nobody knows where."""
        former = self._addresses.displaced_by(registration)
        if former is None:
            return
        if former.registration.proof is None:
            self.remove(former)
        else:
            self._addresses.release(former)
            self.update(former, state=HostState.AWAY)
