"""What a network does to a post: how long it takes, and whether it or its answer is lost.

A test says it by a script, by a seeded random, or (with Hypothesis) by drawing each `Fate`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from random import Random

from attrs import frozen

from co2.model.hosts import Address

LATENCY = 0.001
"""Seconds that anything takes one way, if nothing else is said."""


class Loss(Enum):
    """Where a connection breaks."""

    NOTHING = "nothing"
    """It does not."""
    REQUEST = "request"
    """Before the server has read the request: it was not handled."""
    ANSWER = "answer"
    """After the server has handled the request: nobody hears of it."""


@frozen
class Fate:
    """What becomes of one post.

    Attributes:
        there, back: seconds that request and answer take. On one connection nothing overtakes;
            what goes over different connections may.
        loss: where the connection breaks, and with it everything that was written behind.
    """

    there: float = LATENCY
    back: float = LATENCY
    loss: Loss = Loss.NOTHING


Fates = Callable[[Address, Address], Fate]
"""Asked once for each post: (from, to) -> its fate."""

GOOD = Fate()


class ScriptedFates:
    """Fates in the order that a test has written down; after those everything goes well.

    Args:
        fates: of the first posts, whoever makes them.
    """

    def __init__(self, fates: Iterable[Fate] = ()) -> None:
        self._fates = deque(fates)

    def __call__(self, source: Address, destination: Address) -> Fate:
        """Give the next fate."""
        return self._fates.popleft() if self._fates else GOOD

    def add(self, *fates: Fate) -> None:
        """Write down what happens next."""
        self._fates.extend(fates)


class RandomFates:
    """Fates by chance, the same ones for the same seed.

    Args:
        random: draws; give it a seed.
        loss: probability that the connection breaks, before or after, one as likely as the other.
        longest: seconds that one way takes at most.
    """

    def __init__(self, random: Random, loss: float = 0.1, longest: float = 0.5) -> None:
        self._random = random
        self._loss = loss
        self._longest = longest

    def __call__(self, source: Address, destination: Address) -> Fate:
        """Draw a fate."""
        lost = Loss.NOTHING
        if self._random.random() < self._loss:
            lost = self._random.choice((Loss.REQUEST, Loss.ANSWER))
        return Fate(
            self._random.uniform(LATENCY, self._longest),
            self._random.uniform(LATENCY, self._longest),
            lost,
        )
