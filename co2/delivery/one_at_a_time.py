"""A peer that is asked one thing at a time.

Servers that are not co2's may have one thread, and may not expect a request before they have
answered the one before. Everything for such a host goes through one of these.
"""

from __future__ import annotations

from collections import deque

from attrs import define, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.errors import TimedOut, TransportFailed
from co2.interfaces import IPeer
from co2.model.hosts import Address

_Parts = tuple[bytes, ...]


@define(eq=False)
class _Turn:
    """A post that waits for its turn; its time runs meanwhile."""

    parts: _Parts
    deadline: float
    answer: Deferred[bytes]
    timer: IDelayedCall | None = field(default=None)

    def stop_timer(self) -> None:
        if self.timer is not None and self.timer.active():
            self.timer.cancel()


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
        self._waiting: deque[_Turn] = deque()
        self._asked: tuple[Deferred[bytes], Deferred[None]] | None = None
        self._busy = False
        self._closed = False

    def post(self, parts: _Parts, timeout: float) -> Deferred[bytes]:
        """Ask as soon as it is this post's turn; see `IPeer.post`."""
        if self._closed:
            return fail(self._was_closed())
        answer: Deferred[bytes] = Deferred(self._cancelled)
        turn = _Turn(parts, self._clock.seconds() + timeout, answer)
        self._waiting.append(turn)
        if self._busy:
            turn.timer = self._clock.callLater(timeout, self._late, turn)
        self._next()
        return answer

    def close(self) -> Deferred[None]:
        """Close the peer; what waits fails with TransportFailed."""
        self._closed = True
        waiting, self._waiting = self._waiting, deque()
        closed = self._peer.close()
        for turn in waiting:
            turn.stop_timer()
            turn.answer.errback(self._was_closed())
        return closed

    def _next(self) -> None:
        while self._waiting and not self._busy and not self._closed:
            turn = self._waiting.popleft()
            turn.stop_timer()
            self._busy = True
            posted = self._peer.post(turn.parts, max(0.0, turn.deadline - self._clock.seconds()))
            asked = posted.addBoth(self._answered, turn.answer)
            if self._busy:
                self._asked = (turn.answer, asked)

    def _answered(self, result: bytes | Failure, answer: Deferred[bytes]) -> None:
        self._busy = False
        self._asked = None
        if not answer.called:
            answer.callback(result)
        self._next()

    def _late(self, turn: _Turn) -> None:
        self._waiting.remove(turn)
        turn.answer.errback(TimedOut(f"{self.address} was busy with an earlier request"))

    def _cancelled(self, answer: Deferred[bytes]) -> None:
        if self._asked is not None and self._asked[0] is answer:
            self._asked[1].cancel()
            return
        for turn in self._waiting:
            if turn.answer is answer:
                turn.stop_timer()
                self._waiting.remove(turn)
                return

    def _was_closed(self) -> TransportFailed:
        return TransportFailed(f"the connection to {self.address} was closed")
