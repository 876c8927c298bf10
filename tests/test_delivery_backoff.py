"""co2.delivery.backoff: how long to wait before the next try."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from co2.delivery.backoff import Backoff
from co2.testing.contracts import BackoffContract


class TestBackoff(BackoffContract):
    """The one that there is."""

    def make_backoff(self):
        return Backoff(Random(1).random)


def test_bounds_double_until_the_longest():
    """With the greatest draw the waits are the bounds themselves, near enough."""
    backoff = Backoff(lambda: 0.999999, first=1.0, longest=10.0)
    assert [round(backoff.next(), 3) for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_the_least_draw_halves_them():
    """No wait is shorter than half of its bound, so that tries never come in a burst."""
    backoff = Backoff(lambda: 0.0, first=1.0, longest=10.0)
    assert [backoff.next() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1), st.integers(0, 20))
def test_a_reset_begins_anew(draws, failures):
    """After a success the next wait is within the first bound, however many failures there were."""
    drawn = iter(draws * 30)
    backoff = Backoff(lambda: next(drawn), first=0.25, longest=30.0)
    for _ in range(failures):
        assert 0.125 <= backoff.next() <= 30.0
    backoff.reset()
    assert 0.125 <= backoff.next() <= 0.25
