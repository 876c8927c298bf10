"""co2.model.clocks: a reactor's time goes on steadily, whatever the wall clock does."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.selectreactor import SelectReactor

from co2.model.clocks import keep_steady

YEAR = 365 * 86400.0

STALL = 100.0
"""Seconds that the machine may stand still between two lines of a test."""


@pytest.fixture(params=[EPollReactor, SelectReactor, AsyncioSelectorReactor])
def reactor(request):
    """A reactor of each kind, beside the one that the tests may have installed."""
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        made = request.param(loop) if request.param is AsyncioSelectorReactor else request.param()
        yield made
        # A reactor that never ran has no public way to let go of what it wakes itself by.
        for waker in list(made._internalReaders):
            made.removeReader(waker)
            waker.connectionLost(None)
        if isinstance(made, EPollReactor):
            made._poller.close()


def test_time_is_the_steady_clocks(reactor):
    """It lies between two readings of the clock that nobody sets."""
    keep_steady(reactor)
    before = time.monotonic()
    assert before <= reactor.seconds() <= time.monotonic()


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_wall_clock_that_is_set_moves_no_timer(reactor, jump):
    """What is due in an hour still is, with the wall clock a year ahead or back."""
    wall = 1_700_000_000.0
    reactor.seconds = lambda: wall  # as Twisted's own, and the test may set it
    early = reactor.callLater(3000.0, lambda: None)
    keep_steady(reactor)
    call = reactor.callLater(6000.0, lambda: None)
    wall += jump
    assert 3000.0 - STALL < reactor.timeout() <= 3000.0
    assert 6000.0 - STALL < call.getTime() - reactor.seconds() <= 6000.0
    call.delay(6000.0)
    assert 12000.0 - STALL < call.getTime() - reactor.seconds() <= 12000.0
    call.reset(1000.0)
    assert 1000.0 - STALL < reactor.timeout() <= 1000.0
    early.cancel()
    call.cancel()


def test_what_was_due_before_stays_due_in_as_many_seconds(reactor):
    """In its order, put off ones and cancelled ones too."""
    calls = [reactor.callLater(seconds, lambda: None) for seconds in (3000.0, 1000.0, 2000.0)]
    reactor.timeout()  # they are in the reactor's heap now
    calls.append(reactor.callLater(500.0, lambda: None))  # and this one is not yet
    calls[1].delay(10000.0)
    calls[2].cancel()
    keep_steady(reactor)
    left = [call.getTime() - reactor.seconds() for call in (calls[0], calls[1], calls[3])]
    for wanted, found in zip((3000.0, 11000.0, 500.0), left, strict=True):
        assert wanted - STALL < found <= wanted
    assert 500.0 - STALL < reactor.timeout() <= 500.0
    calls[3].cancel()
    reactor.runUntilCurrent()
    for call in (calls[0], calls[1]):
        call.cancel()


def test_calls_run_in_their_order_after_the_change(reactor):
    """Those made before and those made after, by the time that they are due at."""
    ran = []
    reactor.callLater(0.02, ran.append, "second")
    reactor.callLater(0.0, ran.append, "first")
    last = reactor.callLater(100.0, ran.append, "never")
    reactor.timeout()
    keep_steady(reactor)
    reactor.callLater(0.04, ran.append, "third")
    end = time.monotonic() + 10.0
    while len(ran) < 3 and time.monotonic() < end:
        reactor.runUntilCurrent()
    assert ran == ["first", "second", "third"]
    last.cancel()


def test_once_is_enough(reactor):
    """Whoever comes second changes nothing."""
    keep_steady(reactor)
    call = reactor.callLater(60.0, lambda: None)
    due = call.getTime()
    keep_steady(reactor)
    assert call.getTime() == due
    call.cancel()
