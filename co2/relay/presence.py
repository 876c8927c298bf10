"""A registered satellite as this run of the relay knows it.

What must survive a restart is its `Registration`, and is kept elsewhere; the rest lives here, in
memory: how far it has come, how it answers pings, by which connections it is spoken to.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from co2.interfaces import ICourier, IPeer
from co2.model.hosts import HostState, Registration
from co2.model.topics import TopicFilter

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
    tells whether it has the last values from before it came, `kept` fires when its registration is
    written.
    """

    registration: Registration
    lease_until: float
    kept: Deferred[None] | None = None
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
