"""What is on its way to one peer, in order, and how far that peer has come.

Decides when a message is settled and where the cursor stands. Knows no bytes, no posts, no clock.

How it works. Messages take off in the journal's order, and are settled in that order. One that is
refused before it is sent takes its place too, and is settled when its turn has come. What is not
for the peer is passed over: it is settled together with the message before it. The greeting, last
values from before the peer came, goes ahead of everything and moves no cursor.

Invariants: all up to `cursor` is settled; what lies between `cursor` and `written` is in flight or
passed over; each message is settled once, unless it is taken back first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from co2.delivery.outcomes import Settled
from co2.errors import Co2Error
from co2.model.messages import Entry


@define(eq=False)
class Flying:
    """A message that is under way, or `refused` and waiting for its turn to be settled.

    `answer` is what the post that it is the first of waits for.
    """

    entry: Entry
    refused: Co2Error | None = None
    answer: Deferred[None] | None = None
    greets: bool = False


class Flight:
    """See the module.

    Args:
        after: the cursor to begin at.
        greeting: entries that go first, and are not of the journal's stretch.
        settled: told of each message that was brought, or could not be.
        missed: told how many the journal has forgotten before they were settled.
        greeted: told when the greeting is settled.
    """

    _log = Logger()

    def __init__(
        self,
        after: int,
        greeting: Sequence[Entry],
        settled: Settled,
        missed: Callable[[int], None],
        greeted: Callable[[], None],
    ) -> None:
        self.cursor = after
        self.written = after
        self._told_missed = after
        self._greeting = deque(greeting)
        self._flying: deque[Flying] = deque()
        self._settled = settled
        self._missed = missed
        self._greeted = greeted

    @property
    def greets(self) -> bool:
        """Whether something of the greeting has not taken off."""
        return bool(self._greeting)

    # -- taking off ----------------------------------------------------------------------------

    def greet(self, most: int) -> list[Flying]:
        """Let the next few of the greeting take off."""
        batch: list[Flying] = []
        while self._greeting and len(batch) < most:
            batch.append(Flying(self._greeting.popleft(), greets=True))
        self._flying.extend(batch)
        return batch

    def begin(self, entry: Entry, refused: Co2Error | None) -> Flying:
        """Let an entry take off; or take its place, if it is `refused`."""
        self.written = entry.seq
        flying = Flying(entry, refused)
        self._flying.append(flying)
        return flying

    def pass_over(self, entry: Entry) -> None:
        """Leave out an entry that is not for the peer."""
        self.written = entry.seq
        if not self._flying:
            self.cursor = entry.seq

    def notice_gap(self, upto: int) -> None:
        """Tell what the journal does not have any more, up to that number."""
        gap = upto - max(self.written, self._told_missed)
        if not self._flying:
            self.cursor = max(self.cursor, upto)
        if gap > 0:
            self._told_missed = upto
            self._missed(gap)

    # -- landing -------------------------------------------------------------------------------

    def settle(self, outcome: Any) -> None:
        """Settle the foremost message that was sent, and the refused ones around it."""
        self.settle_refused()
        self._settle_foremost(outcome)
        self.settle_refused()

    def settle_refused(self) -> None:
        """Settle what stands foremost and was not sent."""
        while self._flying and (refused := self._flying[0].refused) is not None:
            self._settle_foremost(refused)

    def take_back(self) -> list[Flying]:
        """Go back to the cursor; give what was in flight, none of which is settled any more."""
        flying, self._flying = self._flying, deque()
        self._greeting.extendleft(one.entry for one in reversed(flying) if one.greets)
        first = next((one.entry.seq for one in flying if not one.greets), None)
        if first is not None:
            self.cursor = first - 1
        self.written = self.cursor
        return list(flying)

    def _settle_foremost(self, outcome: Any) -> None:
        landed = self._flying.popleft()
        if landed.greets:
            self._settle_greeting()
            return
        # What follows in the journal and is not wanted is settled with it.
        self.cursor = self._flying[0].entry.seq - 1 if self._flying else self.written
        try:
            self._settled(landed.entry, outcome)
        except Exception:
            self._log.failure("what became of message {id} is lost", id=landed.entry.message.id)

    def _settle_greeting(self) -> None:
        if not self._flying:
            self.cursor = self.written
        if not self._greeting and not any(one.greets for one in self._flying):
            self._greeted()
