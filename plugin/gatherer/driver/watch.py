"""Watches the request that a worker is at: its time limit, signs of life, and coming back.

What this decides: when a request has had its time, when the worker is asked whether it lives, and
when it has not come back from an interrupt. What is done about it is the driver's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall

ALIVE_EVERY: Final = 5.0
"""Seconds between two questions whether the worker lives, while a request runs."""


class Watch:
    """The clocks of one worker.

    Args:
        clock: has `callLater`.
        patience: seconds for a worker to come back from an interrupt.
        too_long: told why, when the request has had its time.
        ask_alive: asks the worker whether it lives.
        lost: told why, when it has not come back.
    """

    def __init__(
        self,
        clock: Any,
        patience: float,
        too_long: Callable[[str], None],
        ask_alive: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._patience = patience
        self._too_long = too_long
        self._ask_alive = ask_alive
        self._lost = lost
        self._current: object = None
        self._limit: IDelayedCall | None = None
        self._asking: IDelayedCall | None = None
        self._returning: IDelayedCall | None = None

    def at(self, request: object, limit: float) -> None:
        """Take note of what the worker is at, None for nothing, and give it its time."""
        if request is self._current:
            return
        self.rest()
        self._current = request
        if request is not None:
            words = f"it took longer than {limit:g} s"
            self._limit = self._clock.callLater(limit, self._too_long, words)
            self._asking = self._clock.callLater(ALIVE_EVERY, self._ask)

    def interrupted(self, reason: str) -> None:
        """Expect the worker back from an interrupt."""
        if self._returning is None:
            words = f"it did not come back from an interrupt ({reason})"
            self._returning = self._clock.callLater(self._patience, self._lost, words)

    def rest(self) -> None:
        """Watch nothing."""
        for timer in (self._limit, self._asking, self._returning):
            if timer is not None and timer.active():
                timer.cancel()
        self._limit = self._asking = self._returning = self._current = None

    def _ask(self) -> None:
        self._ask_alive()
        self._asking = self._clock.callLater(ALIVE_EVERY, self._ask)
