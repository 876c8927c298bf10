"""A token bucket for each sender."""

from __future__ import annotations

from attrs import define

from co2.errors import RateLimited


@define
class _Bucket:
    level: float
    filled: float
    closed_until: float = 0.0


class Limiter:
    """Refuses messages of a host that sends more than its share.

    Once it has refused a host it refuses everything from it until the time that it named: a
    sender that writes ahead would otherwise see its messages change places.

    Args:
        rate: messages a second in the long run.
        burst: messages at once.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        self._buckets: dict[str, _Bucket] = {}

    def take(self, random: str, now: float) -> None:
        """Let one message of that host pass.

        Args:
            random: the host's random part.
            now: seconds of a clock that is never set back.

        Raises:
            RateLimited: not now; it says when.
        """
        bucket = self._buckets.get(random)
        if bucket is None:
            bucket = self._buckets[random] = _Bucket(self.burst, now)
        if now < bucket.closed_until:
            self._refuse(bucket.closed_until - now)
        bucket.level = min(self.burst, bucket.level + (now - bucket.filled) * self.rate)
        bucket.filled = now
        if bucket.level < 1.0:
            wait = max(1.0, self.burst / 2 / self.rate)
            bucket.closed_until = now + wait
            self._refuse(wait)
        bucket.level -= 1.0

    def forget(self, random: str) -> None:
        """Drop what is known of a host that is gone."""
        self._buckets.pop(random, None)

    def _refuse(self, wait: float) -> None:
        raise RateLimited(
            f"more than {self.rate:g} messages a second (or {self.burst} at once) from this "
            f"host: try again in {wait:.1f} s",
            retry_after=wait,
        )
