"""Who is registered here, and how well each was heard of lately.

The roster decides about leases: who is online, away, gone. What must survive a restart is a
`Registration` and goes to the store at once; the rest is a `Presence` and lives in memory. Time
comes in as an argument, and is the steady clock's unless it says otherwise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf, nextafter
from typing import Any

from attrs import define, field
from twisted.logger import Logger

from co2.errors import AmbiguousNick, JournalFailed, NotRegistered
from co2.interfaces import ICourier, IPeer, IRosterStore
from co2.model.hosts import Address, HostState, Registration
from co2.model.messages import Cursor
from co2.model.topics import TopicFilter

_UNDER_WAY = 2048
"""Messages at most that one satellite may have got ahead of the cursor that was written last."""

_STEP = 0.25
_STEPS = 1000
"""Times of settling that are remembered of each satellite: seconds between two, and how many."""

PUSHED = frozenset({HostState.ONLINE, HostState.AWAY})
"""States of satellites whose callback is known to work, or to have worked."""


@define
class Pings:
    """Round trips of the pings to one satellite, in milliseconds."""

    current: float = -1.0
    count: int = 0
    best: float = -1.0
    worst: float = -1.0
    total: float = 0.0
    fails: int = 0

    def answered(self, milliseconds: float) -> None:
        """Count one that was answered."""
        first = self.count == self.fails
        self.count += 1
        self.current = milliseconds
        self.best = milliseconds if first else min(self.best, milliseconds)
        self.worst = milliseconds if first else max(self.worst, milliseconds)
        self.total += milliseconds

    def failed(self) -> None:
        """Count one that was not."""
        self.count += 1
        self.fails += 1

    def as_struct(self) -> dict[str, Any]:
        """Give the record's members; the average is -1.0 before the first answer."""
        answered = self.count - self.fails
        return {
            "ping_current": self.current,
            "ping_count": self.count,
            "ping_min": self.best,
            "ping_max": self.worst,
            "ping_avg": self.total / answered if answered else -1.0,
            "ping_fails": self.fails,
        }


@define(eq=False)
class Presence:
    """A registered satellite as this run of the relay knows it.

    Messages above `joined` are for it; `cursor` is the last one that is settled, `reached` the last
    that may have reached its plugins: what lies between is marked when it is sent again. `greeted`
    tells whether it has the last values from before it came.
    """

    registration: Registration
    lease_until: float
    joined: int = 0
    cursor: int = 0
    reached: int = 0
    greeted: bool = True
    missed: int = 0
    refused: int = 0
    pings: Pings = field(factory=Pings)
    line: IPeer | None = None
    idle_lines: list[IPeer] = field(factory=list)
    courier: ICourier | None = None
    topics: TopicFilter = field(init=False)
    _progress: deque[tuple[int, float]] = field(init=False, factory=lambda: deque(maxlen=_STEPS))

    def __attrs_post_init__(self) -> None:
        self.topics = TopicFilter(self.registration.topics)

    @property
    def settled(self) -> int:
        """The last message that is settled for it, as of now."""
        return self.cursor if self.courier is None else int(self.courier.cursor)

    @property
    def trouble(self) -> str:
        """Why the last delivery failed; empty if it did not."""
        return "" if self.courier is None else str(self.courier.trouble)

    @property
    def tries(self) -> int:
        """How often the next message was tried in vain."""
        return 0 if self.courier is None else int(self.courier.tries)

    def progress(self, seq: int, now: float) -> None:
        """Note that a message is settled; a few such times a second are remembered.

        Args:
            seq: its number.
            now: UNIX seconds, for its receipt.
        """
        # A wall clock that is set back begins a new step too.
        if not self._progress or abs(now - self._progress[-1][1]) > _STEP:
            self._progress.append((seq, now))
        else:
            self._progress[-1] = (seq, self._progress[-1][1])

    def delivered_at(self, seq: int) -> float:
        """Tell when a message was settled, to a fraction of a second; 0.0 if that is forgotten."""
        if not self._progress or seq < self._progress[0][0]:
            return 0.0
        return next((time for reached, time in self._progress if reached >= seq), 0.0)

    @property
    def random(self) -> str:
        """Who it is."""
        return self.registration.random

    @property
    def state(self) -> HostState:
        """Where it stands."""
        return self.registration.state


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
        self._by_address: dict[Address, Presence] = {}
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
            self._by_random[presence.random] = presence
            if registration.state is HostState.POLL:
                self._by_address.setdefault(registration.address, presence)
            else:
                self._by_address[registration.address] = presence
            if registration.relays_others:
                self._relays.add(presence.random)
            self._last_seen = registration.seen
        for presence in self:
            self._changed(presence)

    # -- finding -------------------------------------------------------------------------------

    def get(self, random: str) -> Presence | None:
        """Give the satellite with that random part, if it is registered."""
        return self._by_random.get(random)

    def at(self, address: Address) -> Presence | None:
        """Give the satellite that was last registered at that address."""
        return self._by_address.get(address)

    def is_displaced(self, presence: Presence) -> bool:
        """Tell whether another has registered since at the address that this one had.

        Whoever cannot be connected to has no address that could be taken: behind one NAT many hosts
        listen on the same port, and to the relay all of them are at one address.
        """
        if presence.state not in PUSHED:
            return False
        return self._by_address.get(presence.registration.address) is not presence

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

        Raises:
            JournalFailed: it cannot be written; nothing has changed.
        """
        registration = self._after_others(registration)
        self._store.keep(registration)
        self._displace(registration)
        presence = self._by_random.get(registration.random)
        if presence is None:
            presence = Presence(registration, now + self.lease, joined=cursor, cursor=cursor)
            presence.greeted = False
            self._by_random[registration.random] = presence
        else:
            self._release_address(presence)
            presence.registration = registration
            presence.topics = TopicFilter(registration.topics)
            presence.lease_until = now + self.lease
        if registration.state is HostState.POLL:
            self._by_address.setdefault(registration.address, presence)
        else:
            self._by_address[registration.address] = presence
        if registration.relays_others:
            self._relays.add(presence.random)
        self._changed(presence)
        return presence

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

    def _write(self, change: Callable[[Any], None], what: object) -> None:
        """Write what this relay finds out by itself: if that fails, it would find out once more."""
        try:
            change(what)
        except JournalFailed as error:
            if not self._unwritten:
                self._log.warn("changes of the roster are not written: {why}", why=error.text)
            self._unwritten = True
        else:
            self._unwritten = False

    def remove(self, presence: Presence) -> None:
        """Forget a satellite for good."""
        if self._by_random.get(presence.random) is not presence:
            return
        del self._by_random[presence.random]
        self._relays.discard(presence.random)
        self._release_address(presence)
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

    def _release_address(self, presence: Presence) -> None:
        if self._by_address.get(presence.registration.address) is presence:
            del self._by_address[presence.registration.address]

    def _displace(self, registration: Registration) -> None:
        """Two servers cannot listen on one address: who was there before is not any more.

        That is said of those that have been reached there; of others nobody knows where they are.
        """
        former = self._by_address.get(registration.address)
        if former is None or former.random == registration.random:
            return
        if registration.state is HostState.POLL or former.state not in PUSHED:
            return
        if former.registration.proof is None:
            self.remove(former)
        else:
            del self._by_address[registration.address]
            self.update(former, state=HostState.AWAY)
