"""A reactor that is nothing but a clock which stands still until it is told to go on.

It decides when things run in a test: never by themselves. It knows no sockets. Threads may hand it
work as they do to a real reactor; that work runs when the test lets time pass, or waits for it.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.internet.task import Clock
from twisted.python.threadable import registerAsIOThread
from zope.interface import implementer

_PATIENCE = 60.0
"""Seconds of real time that a thread may take before a test gives up on it."""

_MOST_AT_ONCE = 10_000


@implementer(IReactorFromThreads)
class ClockReactor(Clock):
    """Twisted's `Clock`, with what else the rooms of co2 ask of a reactor.

    The thread that makes it becomes the reactor's thread, as far as `isInIOThread` can tell.
    """

    def __init__(self) -> None:
        super().__init__()
        self._handed: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        registerAsIOThread()

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **named: Any) -> None:
        """Keep a call that another thread wants made."""
        self._handed.put(lambda: callable(*args, **named))

    def advance(self, amount: float) -> None:
        """Move time on at once; what was due meanwhile sees the new time."""
        self._run_handed()
        super().advance(amount)

    def pass_time(self, seconds: float) -> None:
        """Let time pass as it does in reality: whatever is due sees the time that it is due at.

        Raises:
            RuntimeError: time does not get on, since every call makes another that is due at once.
        """
        end = self.seconds() + seconds
        still = 0
        self._run_handed()
        while (due := self._next_due()) is not None and due <= end:
            still = still + 1 if due <= self.seconds() else 0
            if still > _MOST_AT_ONCE:
                raise RuntimeError(f"time stands still: {self.getDelayedCalls()[0]}")
            self.advance(max(0.0, due - self.seconds()))
        self.advance(max(0.0, end - self.seconds()))

    def wait_for_thread(self, calls: int = 1) -> None:
        """Wait until threads have handed over that many calls, and make them.

        Raises:
            queue.Empty: they did not within a minute of real time.
        """
        for _ in range(calls):
            self._handed.get(timeout=_PATIENCE)()

    def _run_handed(self) -> None:
        while not self._handed.empty():
            self._handed.get_nowait()()

    def _next_due(self) -> float | None:
        return min((call.getTime() for call in self.getDelayedCalls()), default=None)


@implementer(IReactorFromThreads, IReactorTime)
class HostReactor:
    """One host's share of a clock: when the host is killed, nothing of it runs any more.

    Args:
        whole: the clock that all hosts share.
    """

    def __init__(self, whole: ClockReactor) -> None:
        self._whole = whole
        self._calls: list[IDelayedCall] = []
        self.alive = True

    def seconds(self) -> float:
        """Give the time."""
        return self._whole.seconds()

    def callLater(
        self, delay: float, callable: Callable[..., Any], *args: Any, **named: Any
    ) -> IDelayedCall:
        """Call later, if the host is alive then."""
        call = self._whole.callLater(delay, self._if_alive, callable, args, named)
        self._calls = [*(one for one in self._calls if one.active()), call]
        return call

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """Give what this host waits for."""
        return [one for one in self._calls if one.active()]

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **named: Any) -> None:
        """Call soon, if the host is alive then."""
        self._whole.callFromThread(self._if_alive, callable, args, named)

    def kill(self) -> None:
        """End the host in the middle of whatever it does."""
        self.alive = False
        for call in self.getDelayedCalls():
            call.cancel()

    def _if_alive(
        self, callable: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        if self.alive:
            callable(*args, **named)
