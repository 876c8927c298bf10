"""co2.relay.sequence: an author's order, whichever ways the messages came."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from co2.relay.sequence import Sequence
from co2.testing.clock import ClockReactor
from co2.testing.samples import a_message


class Way:
    """Messages of one author come, each naming the one before it; what goes on is noted."""

    def __init__(self):
        self.clock = ClockReactor()
        self.kept: list[int] = []
        self.here: set[tuple[str, str]] = set()
        self.sequence = Sequence(self.clock, self.here.__contains__)

    def come(self, number, after=None):
        before = number - 1 if after is None else after
        message = evolve(
            a_message(number), after=a_message(before).id if number and before >= 0 else None
        )
        turn = self.sequence.turn(message)
        self.here.add(message.key)
        if turn is None:
            self.keep(None, message, number)
        else:
            turn.addCallback(self.keep, message, number)

    def keep(self, _, message, number):
        self.kept.append(number)
        self.sequence.came(message.key)


@given(st.permutations(range(8)))
def test_whatever_order_they_come_in_they_go_on_in_their_own(numbers):
    """If all are there in time."""
    way = Way()
    for number in numbers:
        way.come(number)
    assert way.kept == list(range(8))
    assert way.clock.getDelayedCalls() == []


@given(
    st.permutations(range(6)), st.lists(st.sampled_from([0.0, 0.7, 1.9]), min_size=6, max_size=6)
)
def test_whatever_is_missing_everything_goes_on_once(numbers, pauses):
    """A gap delays what is behind it, and stops nothing."""
    way = Way()
    for number, pause in zip(numbers, pauses, strict=True):
        way.come(2 * number + 1)
        way.clock.pass_time(pause)
        way.come(2 * number + 2)
    way.clock.pass_time(20.0)
    assert sorted(way.kept) == list(range(1, 13))
    assert all(way.kept.index(one) < way.kept.index(one + 1) for one in range(1, 13, 2))
    assert way.clock.getDelayedCalls() == []


def test_a_gap_is_held_for_two_seconds_only():
    """The one before may have been before this relay's time."""
    way = Way()
    way.come(5)
    way.clock.pass_time(1.9)
    assert way.kept == []
    way.clock.pass_time(0.2)
    assert way.kept == [5]


def test_one_that_came_early_waits_for_one_that_is_held():
    """4 came first and its time is over; 3 is here by then and waits for 2: 4 goes behind 3."""
    way = Way()
    way.come(4)
    way.clock.pass_time(1.0)
    way.come(3)
    way.clock.pass_time(1.5)
    assert way.kept == []
    way.clock.pass_time(2.0)
    assert way.kept == [3, 4]


def test_a_long_row_is_no_deep_stack():
    """Thousands that wait for one go on when it has come."""
    way = Way()
    for number in range(1, 5000):
        way.come(number)
    way.come(0)
    assert way.kept == list(range(5000))


def test_closed_it_leaves_nothing():
    """No timer, and nothing goes on."""
    way = Way()
    way.come(5)
    way.come(6)
    way.sequence.close()
    way.clock.pass_time(10.0)
    assert way.kept == []
    assert way.clock.getDelayedCalls() == []
