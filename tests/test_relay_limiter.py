"""co2.relay.limiter: a token bucket for each sender."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2.errors import RateLimited
from co2.relay.limiter import Limiter


def passes(limiter, now, random="a"):
    try:
        limiter.take(random, now)
    except RateLimited:
        return False
    return True


def test_a_burst_passes_and_then_the_rate():
    """At once as many as the burst; after the pause it is open again."""
    limiter = Limiter(rate=10.0, burst=5)
    assert [passes(limiter, 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert passes(limiter, 1.0)


def test_a_refusal_says_when_and_keeps_its_word():
    """After the time that it named, and not before, messages pass: all of them wait for it."""
    limiter = Limiter(rate=10.0, burst=40)
    for _ in range(40):
        limiter.take("a", 0.0)
    with pytest.raises(RateLimited, match=r"try again in 2\.0 s") as refused:
        limiter.take("a", 0.0)
    assert refused.value.retry_after == 2.0
    assert not passes(limiter, 1.99)
    assert sum(passes(limiter, 2.0) for _ in range(30)) == 20


def test_hosts_do_not_share():
    """One that sends too much costs no other its share."""
    limiter = Limiter(rate=1.0, burst=1)
    assert passes(limiter, 0.0)
    assert not passes(limiter, 0.0)
    assert passes(limiter, 0.0, "b")


def test_a_host_that_is_gone_is_forgotten():
    """Its bucket does not stay for ever."""
    limiter = Limiter(rate=1.0, burst=1)
    limiter.take("a", 0.0)
    limiter.forget("a")
    limiter.forget("never seen")
    assert limiter._buckets == {}


@given(st.lists(st.floats(0, 2), max_size=200))
def test_no_more_than_rate_and_burst_ever_pass(gaps):
    """Whenever it is asked, what passed is within burst + rate x time."""
    limiter = Limiter(rate=5.0, burst=10)
    now, passed = 0.0, 0
    for gap in gaps:
        now += gap
        passed += passes(limiter, now)
        assert passed <= 10 + 5.0 * now + 1e-6
