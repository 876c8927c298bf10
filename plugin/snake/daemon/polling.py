"""The handler that polls: a generator that says how long to sleep.

It yields whole seconds, and gets True if its signal woke it, False if the time passed. When it
returns the daemon ends; when it raises it is over, and the daemon lives.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from plugin.snake.daemon.logs import DaemonLog


class Poller:
    """One polling generator.

    Args:
        generator: it.
        clock: for its sleep.
        log: where its failure goes.
        returned: called when it returns.
    """

    def __init__(
        self,
        generator: Generator[Any, Any, Any],
        clock: IReactorTime,
        log: DaemonLog,
        returned: Callable[[], None],
    ) -> None:
        self._generator = generator
        self._clock = clock
        self._log = log
        self._returned = returned
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Run it up to its first sleep, a turn of the event loop from now."""
        self._timer = self._clock.callLater(0, self._go_on, partial(next, self._generator))

    def wake(self) -> None:
        """End its sleep now, if it sleeps."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
            self._resume(True)

    def close(self) -> None:
        """End it; its `finally` blocks run."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        try:
            self._generator.close()
        except Exception as error:
            self._log.failure("closing the polling handler raised", error)

    def _resume(self, woken: bool) -> None:
        self._go_on(partial(self._generator.send, woken))

    def _go_on(self, advance: Callable[[], Any]) -> None:
        self._timer = None
        try:
            seconds = advance()
            if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
                seconds = self._generator.throw(
                    TypeError(f"yield whole seconds to sleep, not {seconds!r}")
                )
        except StopIteration:
            self._log.line("the polling handler returned, which ends the daemon")
            self._returned()
        except Exception as error:
            self._log.failure("the polling handler raised, and polls no more", error)
        else:
            self._sleep(seconds)

    def _sleep(self, seconds: Any) -> None:
        if isinstance(seconds, int) and seconds >= 0:
            self._timer = self._clock.callLater(seconds, self._resume, False)
        else:
            self._log.line(f"the polling handler yields {seconds!r}, and polls no more")
            self.close()
