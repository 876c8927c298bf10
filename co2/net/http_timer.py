"""One timer for a connection, whatever the number of things that wait on it.

Arming and cancelling a `callLater` for each request costs more than the request's parsing. This
timer ticks at the earliest time somebody asked for, asks what is due, and sleeps again until the
time it is told. Invariant: it is armed no later than the earliest deadline that it was told.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class LazyTimer:
    """Ticks no later than asked, and rarely.

    Args:
        clock: what time it is.
        check: called with the time at a tick; it does what is due, and gives the time of the next
            tick, or None for none.
    """

    def __init__(self, clock: IReactorTime, check: Callable[[float], float | None]) -> None:
        self._clock = clock
        self._check = check
        self._call: IDelayedCall | None = None
        self._due = 0.0

    def by(self, deadline: float) -> None:
        """Tick at that time, or earlier; UNIX seconds as the clock has them."""
        if self._call is None:
            self._arm(deadline)
        elif deadline < self._due:
            self._call.cancel()
            self._arm(deadline)

    def stop(self) -> None:
        """Tick no more, until asked again."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _arm(self, due: float) -> None:
        self._due = due
        wait = max(0.0, due - self._clock.seconds())
        self._call = self._clock.callLater(wait, self._tick)

    def _tick(self) -> None:
        self._call = None
        due = self._check(self._clock.seconds())
        if due is not None:
            self.by(due)
