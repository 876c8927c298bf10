"""How long to wait before the next try."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from co2.interfaces import IBackoff


@implementer(IBackoff)
class Backoff:
    """Waits that double with every failure, each drawn between half and the whole of its bound.

    The draw keeps a thousand satellites that lost the same relay from coming back at once.

    Args:
        first: seconds, bound of the first wait.
        longest: seconds, bound that the doubling stops at.
        draw: gives a float in [0, 1) (`random.random`).
    """

    def __init__(
        self, draw: Callable[[], float], first: float = 0.25, longest: float = 30.0
    ) -> None:
        self._draw = draw
        self._first = first
        self._longest = longest
        self._bound = first

    def next(self) -> float:
        """Give the seconds to wait after one more failure."""
        bound = self._bound
        self._bound = min(bound * 2, self._longest)
        return bound * (0.5 + self._draw() / 2)

    def reset(self) -> None:
        """Begin anew after a success."""
        self._bound = self._first
