"""When one recipient had which message: for receipts, and so that it costs little for each of many.

A step holds the last number that was settled in it, and when it began. Only the newest steps are
kept, so a time is known of the last minute and a half of steady traffic, or of the last 192
messages that came one by one; of older ones it is forgotten when they were settled.

Invariant: what is kept says something of every number above `_known_after`, up to the last one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left

_STEP = 0.5
"""Seconds that a step lasts at most."""

_STEPS = 256
"""Steps that are kept at most, of 16 bytes each: 4 KB for each recipient."""


class Progress:
    """See the module."""

    __slots__ = ("_known_after", "_seqs", "_times")

    def __init__(self) -> None:
        self._known_after = 0
        self._seqs = array("q")
        self._times = array("d")

    def note(self, seq: int, now: float) -> None:
        """Note that a message is settled.

        Args:
            seq: its number; they grow.
            now: UNIX seconds.
        """
        # A wall clock that is set back begins a new step too.
        if self._times and abs(now - self._times[-1]) <= _STEP:
            self._seqs[-1] = seq
            return
        if not self._seqs:
            self._known_after = seq - 1
        elif len(self._seqs) == _STEPS:
            self._forget(_STEPS // 4)
        self._seqs.append(seq)
        self._times.append(now)

    def time_of(self, seq: int) -> float:
        """Tell when a message was settled, in UNIX seconds, at most half a second too early.

        Returns:
            0.0 if that is forgotten, or was not seen.
        """
        index = bisect_left(self._seqs, seq)
        if seq <= self._known_after or index == len(self._seqs):
            return 0.0
        return self._times[index]

    def _forget(self, steps: int) -> None:
        self._known_after = self._seqs[steps - 1]
        del self._seqs[:steps]
        del self._times[:steps]
