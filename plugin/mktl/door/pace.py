"""How often news of an item go out: at most so many a second, and always the last one.

A fast item floods no journal; whoever listens still ends up with its present value. Pure.
"""

from __future__ import annotations

from typing import Generic, TypeVar

_News = TypeVar("_News")


class Pace(Generic[_News]):
    """See the module.

    Args:
        rate: news a second, for each key.
    """

    def __init__(self, rate: float) -> None:
        self._pause = 1.0 / rate
        self._next: dict[str, float] = {}
        self._held: dict[str, _News] = {}

    def offer(self, key: str, news: _News, now: float) -> _News | None:
        """Take news of a key; gives them if they may go out now, and holds them otherwise."""
        if key in self._held or now < self._next.get(key, now):
            self._held[key] = news
            return None
        self._next[key] = now + self._pause
        return news

    def due(self, now: float) -> list[_News]:
        """Give what was held and may go out now."""
        keys = [key for key in self._held if now >= self._next[key]]
        for key in keys:
            self._next[key] = now + self._pause
        return [self._held.pop(key) for key in keys]

    def rest(self) -> list[_News]:
        """Give everything that is held, due or not."""
        held, self._held = self._held, {}
        return list(held.values())

    def wait(self, now: float) -> float | None:
        """Give the seconds until something is due; None if nothing is held."""
        if not self._held:
            return None
        return max(0.0, min(self._next[key] for key in self._held) - now)
