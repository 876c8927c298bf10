"""A peer that is asked one thing at a time.

Servers that are not co2's may have one thread, and may not expect a request before they have
answered the one before. Everything for such a host goes through one of these.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.errors import TimedOut, TransportFailed
from co2.interfaces import IPeer
from co2.model.hosts import Address

_Parts = tuple[bytes, ...]


@implementer(IPeer)
class OneAtATime:
    """Wraps a peer; posts wait for the earlier ones to be answered, and their time runs meanwhile.

    Args:
        peer: the one that is asked.
        clock: to know how much of a post's time is left when its turn comes.
    """

    def __init__(self, peer: IPeer, clock: IReactorTime) -> None:
        self.address: Address = peer.address
        self._peer = peer
        self._clock = clock
        self._waiting: deque[tuple[_Parts, float, Deferred[bytes]]] = deque()
        self._busy = False
        self._closed = False

    def post(self, parts: _Parts, timeout: float) -> Deferred[bytes]:
        """Ask as soon as it is this post's turn; see `IPeer.post`."""
        if self._closed:
            return fail(TransportFailed(f"the connection to {self.address} was closed"))
        answer: Deferred[bytes] = Deferred()
        self._waiting.append((parts, self._clock.seconds() + timeout, answer))
        self._next()
        return answer

    def close(self) -> Deferred[None]:
        """Close the peer; what waits fails with TransportFailed."""
        self._closed = True
        waiting, self._waiting = self._waiting, deque()
        for _, _, answer in waiting:
            if not answer.called:
                answer.errback(TransportFailed(f"the connection to {self.address} was closed"))
        return self._peer.close()

    def _next(self) -> None:
        while self._waiting and not self._busy and not self._closed:
            parts, deadline, answer = self._waiting.popleft()
            left = deadline - self._clock.seconds()
            if answer.called:
                continue
            if left <= 0:
                answer.errback(TimedOut(f"{self.address} was busy with an earlier request"))
                continue
            self._busy = True
            self._peer.post(parts, left).addBoth(self._answered, answer)

    def _answered(self, result: bytes | Failure, answer: Deferred[bytes]) -> None:
        self._busy = False
        if not answer.called:
            answer.callback(result)
        self._next()
