"""One timer for a connection."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from co2.net.http_timer import LazyTimer


class Checks:
    """Notes when the timer ticked, and says when next."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.at: list[float] = []
        self.next: float | None = None
        self.timer = LazyTimer(self.clock, self.check)

    def check(self, now: float) -> float | None:
        self.at.append(now)
        following, self.next = self.next, None
        return following


def test_later_deadlines_cost_nothing() -> None:
    """A later deadline changes no call; the earlier one stays armed."""
    checks = Checks()
    checks.timer.by(5)
    calls = checks.clock.getDelayedCalls()
    checks.timer.by(7)
    assert checks.clock.getDelayedCalls() == calls


def test_earlier_deadline() -> None:
    """An earlier deadline is kept."""
    checks = Checks()
    checks.timer.by(5)
    checks.timer.by(2)
    checks.clock.pump([1, 1, 1])
    assert checks.at == [2]


def test_goes_on() -> None:
    """A check that gives a time is asked again then."""
    checks = Checks()
    checks.next = 9
    checks.timer.by(5)
    checks.clock.pump([1] * 10)
    assert checks.at == [5, 9]
    assert not checks.clock.getDelayedCalls()


def test_stop() -> None:
    """A stopped timer ticks no more, until it is asked again."""
    checks = Checks()
    checks.timer.by(5)
    checks.timer.stop()
    checks.clock.advance(10)
    assert checks.at == []
    checks.timer.by(12)
    checks.clock.advance(2)
    assert checks.at == [12]


def test_past() -> None:
    """A deadline that has passed ticks at the next turn."""
    checks = Checks()
    checks.clock.advance(10)
    checks.timer.by(3)
    checks.clock.advance(0)
    assert checks.at == [10]


@given(st.lists(st.integers(0, 50), min_size=1))
def test_never_late(deadlines: list[int]) -> None:
    """The timer ticks no later than at the earliest deadline that it was told."""
    checks = Checks()
    for deadline in deadlines:
        checks.timer.by(deadline)
    checks.clock.pump([1] * 60)
    assert checks.at[0] == min(deadlines) or (min(deadlines) == 0 and checks.at[0] <= 1)
