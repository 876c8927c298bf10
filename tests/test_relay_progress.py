"""co2.relay.progress: when a recipient had which message, cheaply."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from co2.relay.progress import Progress

GAPS = st.lists(st.tuples(st.integers(1, 5), st.floats(0.0, 3.0)), min_size=1, max_size=600)


@given(GAPS)
def test_a_time_that_is_known_is_at_most_half_a_second_early(gaps):
    """Whatever the traffic; what is forgotten is the oldest, and 192 steps are never too many."""
    progress, seq, now, noted = Progress(), 0, 1e9, []
    for numbers, seconds in gaps:
        seq += numbers
        now += seconds
        progress.note(seq, now)
        noted.append((seq, now))
    told = [progress.time_of(number) for number, _ in noted]
    known = [index for index, time in enumerate(told) if time]
    assert known == list(range(known[0], len(noted)))
    assert len(noted) - known[0] >= min(len(noted), 192)
    assert all(0.0 <= noted[index][1] - told[index] <= 0.5 for index in known)


def test_messages_that_came_together_first_have_a_time():
    """A burst right after the registration is one step, and all of it is known."""
    progress = Progress()
    for seq in (5, 6, 7):
        progress.note(seq, 1e9)
    assert [progress.time_of(seq) for seq in (4, 5, 6, 7, 8)] == [0.0, 1e9, 1e9, 1e9, 0.0]


def test_what_was_never_noted_has_no_time():
    """It is 0.0, and no fault."""
    assert Progress().time_of(1) == 0.0


def test_steady_traffic_is_remembered_for_a_minute_and_a_half():
    """However dense it is."""
    progress = Progress()
    for seq in range(1, 20_001):
        progress.note(seq, 1e9 + seq / 100)
    assert progress.time_of(20_000 - 9_000) > 0.0


def test_a_recipient_costs_a_few_kilobytes():
    """Ten thousand of them are to fit in memory."""
    progress = Progress()
    for seq in range(1, 10_000):
        progress.note(seq, 1e9 + seq)
    assert sys.getsizeof(progress._seqs) + sys.getsizeof(progress._times) < 5000
