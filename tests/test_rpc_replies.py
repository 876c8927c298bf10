"""The list of replies that a plain call of a conversation answers with."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from co2.errors import NeedsConversation, TooLarge
from co2.model.calls import Call, Encoded
from co2.model.conversation import Ask
from co2.rpc.replies import PlainAnswer, estimate_size, input_of


def run(generator, *params, most: int = 10, most_bytes: int = 10_000) -> Any:
    return PlainAnswer(Call("lab.go", params), most, most_bytes).run(generator)


class Talk:
    """A conversation in both forms, that notes its end."""

    def __init__(self, *items: Any) -> None:
        self.items = items
        self.heard: list[Any] = []
        self.ended = 0

    def sync(self):
        try:
            for item in self.items:
                self.heard.append((yield item))
        finally:
            self.ended += 1

    async def asynchronous(self):
        try:
            for item in self.items:
                self.heard.append((yield item))
        finally:
            self.ended += 1

    def run(self, form: str, *params: Any, **limits: int) -> Any:
        """Run either form; what fails, raises."""
        self.generator = getattr(self, form)()  # held, so that nothing but a close ends it
        result = run(self.generator, *params, **limits)
        if not isinstance(result, Deferred):
            return result
        got: list[Any] = []
        failed: list[Any] = []
        result.addCallbacks(got.append, failed.append)
        if failed:
            raise failed[0].value
        return got[0]


both_forms = pytest.mark.parametrize("form", ["sync", "asynchronous"])


@both_forms
def test_the_replies_are_a_list(form):
    """What is yielded, in order; None and empty things too."""
    talk = Talk(1, None, {"a": []})
    assert talk.run(form) == [1, None, {"a": []}]
    assert talk.ended == 1


@both_forms
@pytest.mark.parametrize(
    ("params", "heard"), [((7,), 7), (([1, 2],), [1, 2]), ((1, 2), [1, 2]), ((), [])]
)
def test_the_first_input_is_what_the_call_brought(form, params, heard):
    """Its one argument, or the list of them."""
    talk = Talk("hello", Ask("what?"), "bye")
    assert talk.run(form, *params) == ["hello", "bye"]
    assert talk.heard == [None, heard, None]


@both_forms
def test_a_second_request_is_a_fault_that_names_the_way(form):
    """The generator is closed, and the caller sent to co2.open."""
    talk = Talk(Ask(), Ask(), 1)
    with pytest.raises(NeedsConversation, match=r"lab\.go asks for more than one .* co2\.open"):
        talk.run(form, 7)
    assert talk.ended == 1


@both_forms
def test_too_many_replies_are_a_fault_that_names_the_way(form):
    """Exactly the limit still goes."""
    assert len(Talk(*range(10)).run(form)) == 10
    talk = Talk(*range(11))
    with pytest.raises(TooLarge, match=r"co2\.open"):
        talk.run(form)
    assert talk.ended == 1


@both_forms
def test_too_large_replies_are_a_fault_that_names_the_way(form):
    """Their sum counts."""
    assert len(Talk("x" * 4000, "x" * 4000).run(form)) == 2
    with pytest.raises(TooLarge):
        Talk("x" * 4000, "x" * 4000, b"x" * 2000).run(form)


@both_forms
def test_what_it_raises_comes_out(form):
    """After its finally has run."""

    class Raising(Talk):
        def sync(self):
            yield from super().sync()
            raise ValueError("boom")

        async def asynchronous(self):
            yield 1
            self.ended += 1
            raise ValueError("boom")

    talk = Raising(1)
    with pytest.raises(ValueError, match="boom"):
        talk.run(form)
    assert talk.ended == 1


def test_an_endless_generator_is_stopped():
    """The limit stops what would never stop by itself."""

    def endless():
        while True:
            yield 1

    with pytest.raises(TooLarge):
        run(endless())


def test_cancelling_runs_the_finally():
    """A caller who leaves ends an async conversation where it waits."""
    events = []

    async def slow():
        try:
            yield 1
            await Deferred()
        finally:
            events.append("ended")

    pending = run(slow())
    assert not pending.called
    pending.cancel()
    failures: list[Any] = []
    pending.addErrback(failures.append)
    assert failures[0].check(CancelledError)
    assert events == ["ended"]


def test_input_of():
    """One value is itself, others are a list."""
    assert input_of((1,)) == 1
    assert input_of(()) == []
    assert input_of((1, 2)) == [1, 2]


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (1, 20, 60),
        ("x" * 1000, 1000, 1100),
        (b"x" * 999, 1332, 1400),
        ([1] * 100, 4000, 4200),
        ({"name": "x" * 100}, 104, 300),
        (Encoded(b"x" * 500, None), 500, 600),
    ],
)
def test_estimates_are_near(value, least, most):
    """Near enough to bound an answer by."""
    assert least <= estimate_size(value, 10**6) <= most


def test_estimating_stops_when_it_is_enough():
    """A huge or endless value costs no more than the limit."""
    endless: list[Any] = []
    endless.append(endless)
    assert 1000 < estimate_size(endless, 1000) < 1100
