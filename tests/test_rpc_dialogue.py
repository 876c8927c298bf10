"""A generator, sync or async, as a state machine."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger

from co2.model.conversation import Ask
from co2.rpc.dialogue import TRANSITIONS, Begun, Dialogue, Event, Stage
from co2.rpc.incidents import Incidents


class Talked:
    """A dialogue with one event log for what it heard, what its generator did, and the log."""

    def __init__(self, make: Any) -> None:
        self.events: list[Any] = []
        self.clock = Clock()
        log = Logger("test", observer=lambda e: self.events.append(("logged", e["log_failure"])))
        begun = Begun(make(self), "lab.go", "lab", (), Incidents(log, lambda: "id"))
        self.dialogue = Dialogue(
            begun, lambda: self.events.append(self.stage), partial(self.clock.callLater, 0)
        )

    @property
    def stage(self) -> Stage:
        return self.dialogue.stage

    @property
    def closed(self) -> bool:
        return self.dialogue.closed().called


def sync_talk(talked):
    try:
        talked.events.append((yield "hello"))
        talked.events.append((yield Ask("what?")))
    finally:
        talked.events.append("finally")


async def async_talk(talked):
    try:
        talked.events.append((yield "hello"))
        talked.events.append((yield Ask("what?")))
    finally:
        talked.events.append("finally")


both_forms = pytest.mark.parametrize("make", [sync_talk, async_talk])


def test_the_table_has_every_stage_and_can_always_be_closed():
    """A close is never illegal, and no event leads out of the end."""
    assert set(TRANSITIONS) == set(Stage)
    assert all(Event.CLOSE_WANTED in events for events in TRANSITIONS.values())
    assert set(TRANSITIONS[Stage.ENDED].values()) == {Stage.ENDED}


@both_forms
def test_it_replies_asks_and_returns(make):
    """Each step is one event, in both forms alike."""
    talked = Talked(make)
    assert talked.stage is Stage.READY
    talked.dialogue.resume()
    assert list(talked.dialogue.replies) == ["hello"]
    talked.dialogue.resume()
    assert talked.dialogue.prompt == "what?"
    assert not talked.closed
    talked.dialogue.resume("that")
    assert talked.closed
    assert talked.events == [
        Stage.READY, None, Stage.ASKING, "that", "finally", Stage.ENDED,
    ]  # fmt: skip
    assert talked.dialogue.failure is None


@both_forms
@pytest.mark.parametrize("steps", [1, 2])
def test_closing_a_suspended_one_runs_its_finally(make, steps):
    """At a reply and at a request."""
    talked = Talked(make)
    for _ in range(steps):
        talked.dialogue.resume()
    talked.dialogue.close()
    assert talked.closed
    assert talked.events[-2:] == ["finally", Stage.ENDED]
    talked.dialogue.close()
    assert talked.events.count("finally") == 1


@both_forms
def test_closing_one_that_never_ran_runs_nothing(make):
    """There is no finally yet."""
    talked = Talked(make)
    talked.dialogue.close()
    assert talked.events == [Stage.ENDED]
    assert talked.closed


@both_forms
def test_resuming_what_has_ended_is_a_bug(make):
    """The table has no such transition."""
    talked = Talked(make)
    talked.dialogue.close()
    with pytest.raises(KeyError):
        talked.dialogue.resume()


def sync_raising(talked):
    yield 1
    raise ValueError("boom")


async def async_raising(talked):
    yield 1
    raise ValueError("boom")


def sync_exiting(talked):
    yield 1
    raise SystemExit(3)


@pytest.mark.parametrize("make", [sync_raising, async_raising, sync_exiting])
def test_what_it_raises_ends_it(make):
    """And is kept for whoever asks."""
    talked = Talked(make)
    talked.dialogue.resume()
    talked.dialogue.resume()
    assert talked.stage is Stage.ENDED
    assert isinstance(talked.dialogue.failure, ValueError | SystemExit)


def test_an_async_one_is_running_while_it_waits():
    """Its event comes with what it waited for."""
    waited: Deferred[int] = Deferred()

    async def make(talked):
        yield await waited

    talked = Talked(make)
    talked.dialogue.resume()
    assert talked.stage is Stage.RUNNING
    waited.callback(5)
    assert list(talked.dialogue.replies) == [5]


def test_closing_one_that_waits_cancels_what_it_waits_for():
    """Its finally runs at once, and the cancellation is nobody's failure."""
    cancelled = []

    async def make(talked):
        try:
            await Deferred(cancelled.append)
        finally:
            talked.events.append("finally")
        yield 1

    talked = Talked(make)
    talked.dialogue.resume()
    talked.dialogue.close()
    assert len(cancelled) == 1
    assert talked.events == ["finally", Stage.ENDED]
    assert talked.closed


def test_one_that_answers_its_cancellation_with_a_reply_is_closed_all_the_same():
    """What it says then is heard by nobody."""

    async def make(talked):
        try:
            try:
                await Deferred()
            except CancelledError:
                yield "too late"
            yield "more"
        finally:
            talked.events.append("finally")

    talked = Talked(make)
    talked.dialogue.resume()
    talked.dialogue.close()
    assert talked.closed
    assert talked.events[-2:] == ["finally", Stage.ENDED]
    assert not talked.dialogue.replies


def test_a_finally_that_takes_time_is_waited_for():
    """closed() fires when it is done."""
    cleaned: Deferred[None] = Deferred()

    async def make(talked):
        try:
            yield 1
        finally:
            await cleaned

    talked = Talked(make)
    talked.dialogue.resume()
    talked.dialogue.close()
    closed = talked.dialogue.closed()
    assert (talked.stage, closed.called) == (Stage.CLOSING, False)
    cleaned.callback(None)
    assert (talked.stage, closed.called) == (Stage.ENDED, True)


def sync_bad_finally(talked):
    try:
        yield 1
    finally:
        raise ValueError("in finally")


async def async_bad_finally(talked):
    try:
        yield 1
    finally:
        raise ValueError("in finally")


def sync_stubborn(talked):
    try:
        yield 1
    except GeneratorExit:
        yield 2


async def async_stubborn(talked):
    try:
        yield 1
    except GeneratorExit:
        yield 2


@pytest.mark.parametrize(
    "make", [sync_bad_finally, async_bad_finally, sync_stubborn, async_stubborn]
)
def test_what_goes_wrong_while_closing_is_logged(make):
    """There is nobody left to tell, and it ends all the same."""
    talked = Talked(make)
    talked.dialogue.resume()
    talked.dialogue.close()
    assert talked.closed
    (logged,) = [event[1] for event in talked.events if isinstance(event, tuple)]
    assert isinstance(logged.value, ValueError | RuntimeError)


def test_a_sync_one_may_close_itself():
    """It is closed when it yields next."""

    def make(talked):
        try:
            yield 1
            talked.dialogue.close()
            yield 2
        finally:
            talked.events.append("finally")

    talked = Talked(make)
    talked.dialogue.resume()
    talked.dialogue.resume()
    assert talked.closed
    assert list(talked.dialogue.replies) == [1]
    assert talked.events[1] == "finally"


@pytest.mark.parametrize("first_wait", [False, True])
def test_an_async_one_may_close_itself_and_then_wait(first_wait):
    """What it waits for is cancelled when its own code has returned."""
    first: Deferred[None] = Deferred()

    async def make(talked):
        try:
            if first_wait:
                await first
            talked.dialogue.close()
            await Deferred()
            yield 1
        finally:
            talked.events.append("finally")

    talked = Talked(make)
    talked.dialogue.resume()
    first.callback(None)
    assert talked.stage is Stage.STOPPING
    talked.clock.advance(0)
    assert talked.closed
    assert talked.events == ["finally", Stage.ENDED]
