"""A registered satellite as this run of the relay knows it.

What must survive a restart is its `Registration`, and is kept elsewhere; the rest lives here, in
memory: how far it has come, how it answers pings, by which connections it is spoken to.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from co2.interfaces import ICourier, IPeer
from co2.model.hosts import HostState, Registration
from co2.model.topics import TopicFilter
from co2.relay.progress import Progress

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
    progress: Progress = field(init=False, factory=Progress)

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

    def delivered_at(self, seq: int) -> float:
        """Tell when a message was settled; see `Progress.time_of`."""
        return self.progress.time_of(seq)

    @property
    def obstacle(self) -> str:
        """Why nothing gets to it for now; empty if nothing is in the way."""
        if self.trouble or self.state is not HostState.AWAY:
            return self.trouble
        return "it is away: its lease has ended"

    @property
    def remark(self) -> str:
        """What is to be said of a message that just waits for it."""
        collects = self.state is HostState.POLL
        return "it collects its messages itself, and has not yet" if collects else ""

    @property
    def random(self) -> str:
        """Who it is."""
        return self.registration.random

    @property
    def ledger_name(self) -> str:
        """What its cursor and outcomes are kept under."""
        return self.registration.random

    @property
    def host_id(self) -> str:
        """Who and where it is."""
        return str(self.registration.host_id)

    @property
    def nick(self) -> str:
        """What people call it."""
        return self.registration.nick

    @property
    def state(self) -> HostState:
        """Where it stands."""
        return self.registration.state
