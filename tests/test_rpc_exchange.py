"""The numbered steps of one conversation."""

from __future__ import annotations

from typing import Any

import pytest
from rpc_room import outcome
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger

from co2.errors import ConversationClosed, Gone, InvalidParams, PluginRaised
from co2.model.conversation import Ask
from co2.rpc.dialogue import Begun
from co2.rpc.exchange import NOTHING, Exchange, Limits
from co2.rpc.incidents import Incidents


class Talk:
    """An exchange over a generator, with its clock, and what was logged and ended."""

    def __init__(self, generator: Any, unbound: tuple[Any, ...] = (), **limits: Any) -> None:
        self.clock = Clock()
        self.logged: list[Any] = []
        self.ended: list[Exchange] = []
        incidents = Incidents(Logger("test", observer=self.logged.append), lambda: "id")
        begun = Begun(generator, "lab.go", "lab", unbound, incidents)
        self.exchange = Exchange("c1", begun, self.clock, Limits(**limits), self.ended.append)

    def open(self) -> Any:
        return self.exchange.open()

    def next(self, step: int, payload: Any = NOTHING, wait: float = 10.0) -> Any:
        return self.exchange.next(step, payload, wait)


def told(step: int, *replies: Any, asks: bool = False, done: bool = False, **more: Any) -> dict:
    return {
        "conversation": "c1",
        "step": step,
        "replies": list(replies),
        "asks": asks,
        "done": done,
        **more,
    }


def lamps():
    yield "hello"
    name = yield Ask("which lamp?")
    yield f"fading {name}"
    level = yield Ask()
    yield f"to {level}"


def test_a_conversation_from_beginning_to_end():
    """Open is step 0, every answer bears the step it answers, and the last one says done."""
    talk = Talk(lamps())
    assert talk.open() == told(0, "hello", asks=True, prompt="which lamp?")
    assert talk.next(1, "A") == told(1, "fading A", asks=True)
    assert talk.ended == []
    assert talk.next(2, 7) == told(2, "to 7", done=True)
    assert talk.ended == [talk.exchange]


def test_a_repeated_step_gets_the_same_answer_and_moves_nothing():
    """Any number of times, with any payload, after the end too."""
    talk = Talk(lamps())
    first = talk.open()
    assert talk.next(0) == first
    second = talk.next(1, "A")
    assert talk.next(1, "B") == second
    assert talk.next(1) == second
    last = talk.next(2, 7)
    assert talk.next(2, 7) == last


@pytest.mark.parametrize("step", [-1, 2, 99])
def test_a_wrong_step_is_told_which_is_expected(step):
    """It moves nothing."""
    talk = Talk(lamps())
    talk.open()
    with pytest.raises(InvalidParams, match="send 1"):
        talk.next(step, "A")
    assert talk.next(1, "A") == told(1, "fading A", asks=True)


def test_an_older_step_is_a_wrong_one():
    """Only the last answer is kept."""
    talk = Talk(lamps())
    talk.open()
    talk.next(1, "A")
    with pytest.raises(InvalidParams, match="send 2"):
        talk.next(0)


def test_payload_must_come_when_asked_and_only_then():
    """Either mistake moves nothing."""
    talk = Talk(lamps(), replies=1)
    assert talk.open() == told(0, "hello")
    with pytest.raises(InvalidParams, match="nothing was asked for: send step 1 without"):
        talk.next(1, "A")
    assert talk.next(1) == told(1, asks=True, prompt="which lamp?")
    with pytest.raises(InvalidParams, match="asks for input: send step 2 with payload"):
        talk.next(2)
    assert talk.next(2, None) == told(2, "fading None")


def test_what_bound_to_no_parameter_is_the_first_input():
    """Then the first request is answered before anybody sees it."""
    talk = Talk(lamps(), ("A",))
    assert talk.open() == told(0, "hello", "fading A", asks=True)
    assert talk.next(1, 7) == told(1, "to 7", done=True)


def test_one_answer_holds_so_many_replies():
    """The rest comes with the next steps, and the generator does not run ahead."""
    made = []

    def counting():
        for number in range(5):
            made.append(number)
            yield number

    talk = Talk(counting(), replies=2)
    assert talk.open() == told(0, 0, 1)
    assert made == [0, 1]
    assert talk.next(1) == told(1, 2, 3)
    assert talk.next(2) == told(2, 4, done=True)


def test_one_answer_holds_so_many_bytes():
    """A reply over the limit goes alone."""

    def talking():
        yield "x" * 600
        yield "x" * 600
        yield "x" * 5000
        yield "end"

    talk = Talk(talking(), size=1000)
    assert [len(reply) for reply in talk.open()["replies"]] == [600, 600]
    assert [len(reply) for reply in talk.next(1)["replies"]] == [5000]
    assert talk.next(2) == told(2, "end", done=True)


def raising():
    yield 1
    raise ValueError("boom")


def test_what_it_raises_comes_after_what_it_said():
    """The replies are not lost: the fault is the next step's answer, and repeated as such."""
    talk = Talk(raising())
    assert talk.open() == told(0, 1)
    for _ in range(2):
        with pytest.raises(PluginRaised, match=r"lab\.go raised ValueError: boom"):
            talk.next(1)
    assert len(talk.logged) == 1
    assert talk.ended == [talk.exchange]
    with pytest.raises(ConversationClosed, match="it failed"):
        talk.next(2)


def test_one_that_raises_at_once_fails_to_open():
    """There is nothing to converse about."""

    def broken():
        raise ValueError("boom")
        yield

    talk = Talk(broken())
    with pytest.raises(PluginRaised):
        talk.open()
    assert talk.ended == [talk.exchange]


# --- waiting --------------------------------------------------------------------------------------


class Slow:
    """An async conversation whose replies come when the test says so."""

    def __init__(self) -> None:
        self.source: Deferred[Any] = Deferred()
        self.ended = 0

    def say(self, reply: Any) -> None:
        source, self.source = self.source, Deferred()
        source.callback(reply)

    async def talk(self):
        try:
            while (reply := await self.source) is not None:
                yield reply
        finally:
            self.ended += 1


def test_an_answer_is_held_back_until_there_is_something_to_tell():
    """And given at once then."""
    slow = Slow()
    talk = Talk(slow.talk())
    assert talk.open() == told(0)
    pending = talk.next(1)
    assert not pending.called
    slow.say("news")
    assert outcome(pending) == told(1, "news")
    assert talk.clock.getDelayedCalls() == []


def test_after_the_wait_the_answer_tells_of_nothing():
    """The conversation goes on, and loses nothing that comes between two steps."""
    slow = Slow()
    talk = Talk(slow.talk())
    talk.open()
    pending = talk.next(1, wait=3)
    talk.clock.advance(2.9)
    assert not pending.called
    talk.clock.advance(0.2)
    assert outcome(pending) == told(1)
    slow.say("between")
    slow.source.callback(None)
    assert talk.next(2) == told(2, "between", done=True)
    assert slow.ended == 1


def test_between_steps_it_says_one_thing_and_no_more():
    """What it waited for when the answer went may come; nothing further is run ahead."""
    waited: Deferred[None] = Deferred()
    made = []

    async def bursting():
        await waited
        for number in range(3):
            made.append(number)
            yield number

    talk = Talk(bursting())
    talk.open()
    waited.callback(None)
    assert made == [0]
    assert talk.next(1) == told(1, 0, 1, 2, done=True)


def test_without_a_wait_the_answer_comes_at_once():
    """Polling is possible."""
    slow = Slow()
    talk = Talk(slow.talk())
    talk.open()
    assert talk.next(1, wait=0) == told(1)


def test_a_step_repeated_while_it_waits_waits_along():
    """Both get the one answer; a later step is not yet expected."""
    slow = Slow()
    talk = Talk(slow.talk())
    talk.open()
    first, second = talk.next(1), talk.next(1)
    with pytest.raises(InvalidParams, match="send 1"):
        talk.next(2)
    slow.say("news")
    assert outcome(first) == outcome(second) == told(1, "news")


def test_the_last_caller_who_leaves_takes_the_conversation_along():
    """One of two may lose its connection; with both gone it is closed at once."""
    slow = Slow()
    talk = Talk(slow.talk())
    talk.open()
    first, second = talk.next(1), talk.next(1)
    for pending in (first, second):
        pending.addErrback(lambda _: None)
    first.cancel()
    assert slow.ended == 0
    second.cancel()
    assert slow.ended == 1
    assert talk.ended == [talk.exchange]
    assert talk.clock.getDelayedCalls() == []
    with pytest.raises(ConversationClosed, match="its caller left"):
        talk.next(2)


def test_a_late_failure_reaches_who_waits():
    """As the fault that it is."""
    waited: Deferred[None] = Deferred()

    async def failing():
        await waited
        raise ValueError("boom")
        yield

    talk = Talk(failing())
    talk.open()
    pending = talk.next(1)
    waited.callback(None)
    with pytest.raises(PluginRaised):
        outcome(pending)


def test_an_answer_holds_all_that_is_there_when_it_ends_waiting():
    """Replies that follow each other without a pause come together."""
    waited: Deferred[None] = Deferred()

    async def bursting():
        await waited
        for number in range(3):
            yield number
        name = yield Ask()
        yield name

    talk = Talk(bursting())
    talk.open()
    pending = talk.next(1)
    waited.callback(None)
    assert outcome(pending) == told(1, 0, 1, 2, asks=True)
    assert talk.next(2, "x") == told(2, "x", done=True)


def test_a_request_that_came_between_steps_is_told_before_it_is_answered():
    """A caller cannot have known of it, so its step without payload is right."""
    waited: Deferred[None] = Deferred()

    async def asking():
        await waited
        yield (yield Ask("now?"))

    talk = Talk(asking())
    talk.open()
    assert talk.next(1, wait=0) == told(1)
    waited.callback(None)
    assert talk.next(2) == told(2, asks=True, prompt="now?")
    assert talk.next(3, "yes") == told(3, "yes", done=True)


# --- closing --------------------------------------------------------------------------------------


def test_closing_runs_the_finally_and_ends_all_steps():
    """The reason is told to whoever comes later; closing again is no error."""
    ended = []

    def talking():
        try:
            yield Ask()
        finally:
            ended.append(1)

    talk = Talk(talking())
    first = talk.open()
    assert talk.exchange.close("its caller closed it").called
    assert talk.exchange.close("once more").called
    assert (ended, talk.ended) == ([1], [talk.exchange])
    assert talk.next(0) == first
    with pytest.raises(ConversationClosed, match="its caller closed it"):
        talk.next(1, "x")


def test_closing_tells_who_waits():
    """With the reason."""
    slow = Slow()
    talk = Talk(slow.talk())
    talk.open()
    pending = talk.next(1)
    talk.exchange.close("the server is stopping")
    with pytest.raises(ConversationClosed, match="the server is stopping"):
        outcome(pending)
    assert slow.ended == 1
    assert talk.clock.getDelayedCalls() == []


def test_its_own_code_may_close_it():
    """The step's answer is that it is closed."""
    box: list[Talk] = []

    def closing():
        yield 1
        box[0].exchange.close("it closed itself")
        yield 2

    talk = Talk(closing(), replies=1)
    box.append(talk)
    assert talk.open() == told(0, 1)
    with pytest.raises(ConversationClosed, match="it closed itself"):
        talk.next(1)


def test_a_cancelled_wait_is_gone_for_the_caller():
    """Nobody reads it, and it is no incident."""
    slow = Slow()
    talk = Talk(slow.talk())
    talk.open()
    pending = talk.next(1)
    pending.cancel()
    failures: list[Any] = []
    pending.addErrback(failures.append)
    incidents = Incidents(Logger("test", observer=talk.logged.append), lambda: "id")
    assert isinstance(incidents.error_for(failures[0].value, "co2.next", ""), Gone)
    assert talk.logged == []
