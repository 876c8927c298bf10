"""kill -9 at random points: what was answered arrives, in order and once. `make soak` is longer."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from e2e.network import Network
from soak.crash import CrashTest

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

KILLS = 5


def test_nothing_lost_by_kills(network: Network, tell: Callable[[str], None]) -> None:
    """Relay, receiver and sender killed again and again: no loss, order, repeats only marked."""
    seed = random.randrange(2**32)
    figures = CrashTest(network, random.Random(seed)).run(KILLS, KILLS, KILLS)
    tell(f"seed {seed}: {figures}")
    figures.check()
    assert sum(figures.kills.values()) == 3 * KILLS
