"""Requests that have arrived and wait to be asked for; what most exchanges share."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, fail, succeed


@define
class Waiting:
    """A queue with one reader.

    Attributes:
        most: how many may wait; whoever brings more is told by `full`.
    """

    most: int = 10_000
    _arrived: deque[Any] = field(factory=deque)
    _asking: Deferred[Any] | None = None
    _closed: bool = False

    @property
    def full(self) -> bool:
        """Whether as many wait as may."""
        return len(self._arrived) >= self.most

    def __len__(self) -> int:
        return len(self._arrived)

    def __iter__(self) -> Iterator[Any]:
        return iter(tuple(self._arrived))

    def put(self, request: Any) -> None:
        """Hand a request to who asks, or keep it."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.callback(request)
        elif not self._closed:
            self._arrived.append(request)

    def get(self) -> Deferred[Any]:
        """Give the next request, when there is one; cancelled when this is closed."""
        if self._closed:
            return fail(CancelledError())
        if self._arrived:
            return succeed(self._arrived.popleft())
        self._asking = Deferred(lambda _: self._forget())
        return self._asking

    def fail(self, error: Exception) -> None:
        """Tell who asks that the transport has failed."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.errback(error)

    def drop(self, unwanted: Any) -> None:
        """Forget the requests of which `unwanted(request)` is true."""
        self._arrived = deque(one for one in self._arrived if not unwanted(one))

    def close(self) -> None:
        """Forget everything, and end who asks."""
        self._closed = True
        self._arrived.clear()
        if self._asking is not None:
            self._asking.cancel()

    def _forget(self) -> None:
        self._asking = None
