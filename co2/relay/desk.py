"""A desk is what a relay keeps for one host that collects: what was given, and who waits there."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from co2.errors import Co2Error
from co2.model.messages import Entry
from co2.relay.call_box import CallBox


@define(eq=False)
class Desk:
    """See the module.

    Attributes:
        calls: what others want it to do.
        first: whether it has not asked at this desk yet.
        greeting: the last values that it is to have first, while they are not acknowledged.
        greeted_with: number of the message with which they are.
        handed: the last number that was handed out here.
        told_missed: the last number of what had been forgotten before it was given.
    """

    calls: CallBox
    first: bool = True
    greeting: list[Entry] | None = None
    greeted_with: int = 0
    handed: int = 0
    told_missed: int = 0
    _given: dict[int, tuple[Entry, Co2Error | None]] = field(factory=dict)
    _waiting: Deferred[bool] | None = None
    _timer: IDelayedCall | None = None

    # -- what was given ------------------------------------------------------------------------

    def note(self, entry: Entry, refused: Co2Error | None) -> None:
        """Remember that an entry was given, or why it could not be; its content is let go of."""
        self._given[entry.seq] = (evolve(entry, xml=b"", xml_plain=b""), refused)

    def take(self, upto: int) -> Iterator[tuple[Entry, Co2Error | None]]:
        """Give, in order, what was noted up to a number, and forget it."""
        for seq in sorted(seq for seq in self._given if seq <= upto):
            yield self._given.pop(seq)

    def in_hand(self, upto: int) -> int:
        """Tell how many entries up to a number are not acknowledged."""
        return sum(seq <= upto for seq in self._given)

    @property
    def gave_nothing(self) -> bool:
        """Whether nothing that the host could acknowledge is out."""
        return all(refused for _, refused in self._given.values())

    # -- who waits -----------------------------------------------------------------------------

    async def wait(self, clock: IReactorTime, seconds: float, look: bool) -> bool:
        """Wait for a reason to look again; False if there is none: the host goes home empty.

        Args:
            clock: for waiting.
            seconds: how long at most.
            look: whether the end of that time is a reason itself.
        """
        waiting: Deferred[bool] = Deferred()
        self._waiting = waiting
        self._timer = clock.callLater(seconds, self.end_wait, look)
        try:
            return await waiting
        except CancelledError:
            if self._waiting is waiting:
                self.end_wait(False)
            raise

    def end_wait(self, look: bool) -> None:
        """Let who waits look again, or send them home."""
        waiting, self._waiting = self._waiting, None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if waiting is not None and not waiting.called:
            waiting.callback(look)
