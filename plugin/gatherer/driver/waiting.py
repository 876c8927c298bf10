"""A queue with an end and a bound, for one who gives and one who takes, both async."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

_Item = TypeVar("_Item")


class Queue(Generic[_Item]):
    """Holds up to `most` items; who gives more waits.

    After `close` giving does nothing, so that whoever gives comes to its end.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: deque[_Item] = deque()
        self._takers: deque[Deferred[None]] = deque()
        self._givers: deque[Deferred[None]] = deque()
        self._ended = False

    async def give(self, item: _Item) -> None:
        """Add an item, when there is room."""
        while len(self._items) >= self._most and not self._ended:
            room: Deferred[None] = Deferred()
            self._givers.append(room)
            await room
        if not self._ended:
            self._items.append(item)
            self._wake(self._takers)

    async def take(self) -> _Item | None:
        """Give the oldest item, or None when there will be none."""
        while not self._items:
            if self._ended:
                return None
            waiter: Deferred[None] = Deferred(self._takers_forget)
            self._takers.append(waiter)
            await waiter
        item = self._items.popleft()
        self._wake(self._givers)
        return item

    async def ready(self, clock: IReactorTime, seconds: float) -> bool:
        """Wait for something to take, or for the end; say whether it came within the time."""
        if self._items or self._ended:
            return True
        waiter: Deferred[None] = Deferred(self._takers_forget)
        self._takers.append(waiter)
        timer = clock.callLater(seconds, self._woken, waiter)
        try:
            await waiter
        finally:
            if timer.active():
                timer.cancel()
        return bool(self._items) or self._ended

    def _woken(self, waiter: Deferred[None]) -> None:
        self._takers.remove(waiter)
        waiter.callback(None)

    def _takers_forget(self, waiter: Deferred[None]) -> None:
        self._takers.remove(waiter)

    def end(self) -> None:
        """No more items; what is there can still be taken."""
        self._ended = True
        self._wake(self._takers)
        self._wake(self._givers)

    def close(self) -> None:
        """No more items, and what is there is forgotten."""
        self._items.clear()
        self.end()

    @staticmethod
    def _wake(waiting: deque[Deferred[None]]) -> None:
        woken = list(waiting)
        waiting.clear()
        for one in woken:
            one.callback(None)
