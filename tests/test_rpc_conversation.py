"""All conversations of a server: whose they are, how many, how they end; and the wire methods."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
)
from rpc_room import Room, a_caller, outcome
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger

from co2.errors import (
    Co2Error,
    ConversationClosed,
    InvalidParams,
    MethodNotFound,
    NeedsConversation,
    PluginRaised,
    QueueFull,
    ShuttingDown,
    TooLarge,
)
from co2.model.calls import Caller, Level
from co2.model.conversation import Ask
from co2.rpc.conversation import Conversations
from co2.rpc.dialogue import Begun
from co2.rpc.exchange import NOTHING, Limits
from co2.rpc.incidents import Incidents

OTHER = a_caller(who="stranger", ip="10.0.0.9")


class Bench:
    """A plugin with conversations of several kinds."""

    def __init__(self) -> None:
        self.ended = 0
        self.cleaned: Deferred[None] = Deferred()

    def talk(self):
        """Ask twice."""
        try:
            first = yield Ask("first?")
            second = yield Ask("second?")
            yield [first, second]
        finally:
            self.ended += 1

    def count(self, most: int, by: int = 1):
        """Count up to most."""
        yield from range(0, most, by)

    def greet(self, name: str):
        """Greet somebody, and say what is put in."""
        given = yield Ask()
        yield f"{name}: {given}"

    async def wait(self):
        try:
            await Deferred()
            yield 1
        finally:
            self.ended += 1

    async def linger(self):
        try:
            yield 1
        finally:
            await self.cleaned
            self.ended += 1


def a_room(**more: Any) -> tuple[Room, Bench]:
    room, bench = Room(**more), Bench()
    for name in ("talk", "count", "greet", "wait", "linger"):
        room.add(name, getattr(bench, name))
    return room, bench


def opened(room: Room, name: str = "talk", caller: Caller | None = None) -> str:
    return room.call("co2.open", {"method": f"lab.bench.{name}"}, caller=caller)["conversation"]


# --- called plainly -------------------------------------------------------------------------------


def test_a_plain_call_answers_with_the_list_of_replies():
    """Its arguments bind to the parameters as always."""
    room, _ = a_room()
    assert room.call("lab.bench.count", 3) == [0, 1, 2]
    assert room.call("lab.bench.count", {"most": 5, "by": 2}) == [0, 2, 4]
    with pytest.raises(InvalidParams, match="most must be int"):
        room.call("lab.bench.count", "x")


def test_the_arguments_are_also_the_first_input():
    """For a method with parameters both; without any, only that."""
    room, _ = a_room()
    assert room.call("lab.bench.greet", "ada") == ["ada: ada"]
    with pytest.raises(NeedsConversation):
        room.call("lab.bench.talk", {"any": "thing"}, 2)


def test_a_plain_call_that_asks_twice_is_told_of_co2_open():
    """And the generator is closed."""
    room, bench = a_room()
    with pytest.raises(NeedsConversation, match=r"lab\.bench\.talk .* co2\.open"):
        room.call("lab.bench.talk", 1)
    assert bench.ended == 1


def test_a_plain_call_says_only_so_much():
    """Both limits are Limits'."""
    room, _ = a_room(limits=Limits(plain_replies=10, plain_size=300))
    assert len(room.call("lab.bench.count", 7)) == 7
    with pytest.raises(TooLarge, match=r"co2\.open"):
        room.call("lab.bench.count", 8)


def test_a_plain_call_that_is_cancelled_runs_its_finally():
    """A caller who leaves ends it."""
    room, bench = a_room()
    pending = room.call("lab.bench.wait")
    pending.addErrback(lambda _: None)
    pending.cancel()
    assert bench.ended == 1


# --- on the wire ----------------------------------------------------------------------------------


def test_a_conversation_over_the_wire_methods():
    """Open, next, next, done."""
    room, bench = a_room()
    answer = room.call("co2.open", {"method": "lab.bench.talk"})
    identity = answer["conversation"]
    assert answer == {
        "conversation": identity,
        "step": 0,
        "replies": [],
        "asks": True,
        "done": False,
        "prompt": "first?",
    }
    room.call("co2.next", {"conversation": identity, "step": 1, "payload": "a"})
    answer = room.call("co2.next", {"conversation": identity, "step": 2, "payload": None})
    assert (answer["replies"], answer["done"], bench.ended) == ([["a", None]], True, 1)


@pytest.mark.parametrize(
    ("params", "replies"), [([3], [0, 1, 2]), ({"most": 2}, [0, 1]), ([{"most": 1}], [0])]
)
def test_open_takes_params_as_a_list_or_as_names(params, replies):
    """As a call would have them."""
    room, _ = a_room()
    answer = room.call("co2.open", {"method": "lab.bench.count", "params": params})
    assert answer["replies"] == replies


def test_open_gives_unbound_params_as_the_first_input():
    """A method without parameters hears them at its first request; one with, does not."""
    room, _ = a_room()
    answer = room.call("co2.open", {"method": "lab.bench.talk", "params": ["a"]})
    assert answer["prompt"] == "second?"
    answer = room.call("co2.open", {"method": "lab.bench.greet", "params": ["ada"]})
    assert answer["asks"] is True
    given = {"conversation": answer["conversation"], "step": 1, "payload": "x"}
    assert room.call("co2.next", given)["replies"] == ["ada: x"]


def test_open_refuses_what_is_no_conversation_without_running_it():
    """A plain method has no steps."""
    room, _ = a_room()
    ran = []
    room.add("plain", lambda: ran.append(1))
    with pytest.raises(InvalidParams, match="is no conversation: call it plainly"):
        room.call("co2.open", {"method": "lab.bench.plain"})
    with pytest.raises(MethodNotFound):
        room.call("co2.open", {"method": "lab.bench.nothing"})
    assert ran == []


def test_a_bad_opening_leaves_nothing_open():
    """Wrong arguments, and a generator that raises at once."""
    room, _ = a_room(limits=Limits(per_caller=1))

    def broken():
        raise ValueError("boom")
        yield

    room.add("broken", broken)
    for _ in range(3):
        with pytest.raises(InvalidParams):
            room.call("co2.open", {"method": "lab.bench.count", "params": ["x"]})
        with pytest.raises(PluginRaised, match=r"lab\.bench\.broken"):
            room.call("co2.open", {"method": "lab.bench.broken"})
    opened(room)


def test_next_checks_its_arguments():
    """A step is a number, and a wait is not negative."""
    room, _ = a_room()
    identity = opened(room)
    for wrong in ({"step": "1"}, {"step": True}, {"step": 1, "wait": -1}, {"step": 1, "x": 1}, {}):
        with pytest.raises(InvalidParams):
            room.call("co2.next", {"conversation": identity, **wrong})


def test_a_wait_is_no_longer_than_the_limit():
    """However long the caller would wait, and a while if he does not say."""
    room, _ = a_room(limits=Limits(wait=5, longest_wait=20))
    identity = opened(room, "wait")
    for step, wait, held in ((1, {}, 5), (2, {"wait": 1e9}, 20), (3, {"wait": 2}, 2)):
        pending = room.call("co2.next", {"conversation": identity, "step": step, **wait})
        room.clock.advance(held - 0.1)
        assert not pending.called
        room.clock.advance(0.2)
        assert outcome(pending)["replies"] == []


# --- whose ----------------------------------------------------------------------------------------


def test_a_conversation_is_its_callers():
    """To anybody else the id is as unknown as a made-up one, and nothing moves."""
    room, bench = a_room()
    identity = opened(room)
    texts = set()
    for name in (identity, "made-up"):
        for call in (
            ("co2.next", {"conversation": name, "step": 1, "payload": 1}),
            ("co2.close", {"conversation": name}),
        ):
            with pytest.raises(ConversationClosed) as caught:
                room.call(*call, caller=OTHER)
            texts.add(caught.value.text)
    assert len(texts) == 1
    assert bench.ended == 0
    room.call("co2.next", {"conversation": identity, "step": 1, "payload": 1})


def test_the_same_caller_may_use_another_connection():
    """Address and name count, not the port."""
    room, _ = a_room()
    identity = opened(room)
    elsewhere = a_caller()._replace(port=50000)
    room.call("co2.next", {"conversation": identity, "step": 1, "payload": 1}, caller=elsewhere)


def test_open_asks_for_the_methods_level():
    """next and close need no more than the id."""
    room, _ = a_room()

    def secret():
        yield Ask()

    room.add("secret", secret, level=Level.ADMIN)
    with pytest.raises(Co2Error, match="needs admin"):
        opened(room, "secret")
    opened(room, "secret", a_caller(Level.ADMIN, "admin"))


# --- how many -------------------------------------------------------------------------------------


def test_a_caller_has_only_so_many_and_others_have_theirs():
    """Closing one makes room for another."""
    room, _ = a_room(limits=Limits(per_caller=2))
    first = opened(room)
    opened(room)
    with pytest.raises(QueueFull, match="2 conversations of this caller"):
        opened(room)
    opened(room, caller=a_caller(Level.ADMIN, "admin"))
    room.call("co2.close", {"conversation": first})
    opened(room)


def test_a_server_has_only_so_many():
    """Whoever they belong to."""
    room, _ = a_room(limits=Limits(most=3))
    for number in range(3):
        opened(room, caller=a_caller(ip=f"127.0.0.{number}"))
    with pytest.raises(QueueFull, match="3 conversations are open here"):
        opened(room)


def test_ended_ones_do_not_count_and_are_not_kept_for_ever():
    """Their last answers are remembered, up to a number and for a time."""
    room, _ = a_room(limits=Limits(per_caller=1, remembered=2), idle_timeout=10)
    done = [
        room.call("co2.open", {"method": "lab.bench.count", "params": [1]})["conversation"]
        for _ in range(3)
    ]
    with pytest.raises(ConversationClosed):
        room.call("co2.next", {"conversation": done[0], "step": 0})
    assert room.call("co2.next", {"conversation": done[2], "step": 0})["replies"] == [0]
    with pytest.raises(ConversationClosed, match="had come to its end"):
        room.call("co2.next", {"conversation": done[2], "step": 1})
    room.clock.advance(11)
    with pytest.raises(ConversationClosed, match="no such conversation"):
        room.call("co2.next", {"conversation": done[2], "step": 0})
    assert room.clock.getDelayedCalls() == []


# --- how they end ---------------------------------------------------------------------------------


def test_an_idle_conversation_is_closed():
    """Counted from its last answer; its finally runs."""
    room, bench = a_room(idle_timeout=100)
    identity = opened(room)
    room.clock.advance(90)
    room.call("co2.next", {"conversation": identity, "step": 1, "payload": 1})
    room.clock.advance(90)
    assert bench.ended == 0
    room.clock.advance(11)
    assert bench.ended == 1
    with pytest.raises(ConversationClosed, match="nobody called for 100 s"):
        room.call("co2.next", {"conversation": identity, "step": 2, "payload": 1})
    room.clock.advance(101)
    with pytest.raises(ConversationClosed, match="no such conversation"):
        room.call("co2.next", {"conversation": identity, "step": 2, "payload": 1})
    assert room.clock.getDelayedCalls() == []


def test_one_whose_caller_waits_is_not_idle():
    """Idleness begins with the answer."""
    room, bench = a_room(idle_timeout=10, limits=Limits(longest_wait=60))
    identity = opened(room, "wait")
    pending = room.call("co2.next", {"conversation": identity, "step": 1, "wait": 60})
    room.clock.advance(59)
    assert bench.ended == 0
    room.clock.advance(1)
    assert outcome(pending)["done"] is False
    room.clock.advance(11)
    assert bench.ended == 1


def test_a_caller_who_disconnects_while_waiting_ends_it_at_once():
    """The network cancels the call's Deferred."""
    room, bench = a_room()
    identity = opened(room, "wait")
    pending = room.call("co2.next", {"conversation": identity, "step": 1})
    pending.addErrback(lambda _: None)
    pending.cancel()
    assert bench.ended == 1


def test_close_answers_when_the_finally_has_run():
    """True, also when asked again."""
    room, bench = a_room(limits=Limits(replies=1))
    identity = opened(room, "linger")
    closing = room.call("co2.close", {"conversation": identity})
    assert not closing.called
    bench.cleaned.callback(None)
    assert outcome(closing) is True
    assert bench.ended == 1
    assert outcome(room.call("co2.close", {"conversation": identity})) is True


def test_a_plugin_that_goes_takes_its_conversations_along():
    """Others stay."""
    room, bench = a_room()
    opened(room)
    assert room.conversations.close_owned("lab.other").called
    assert bench.ended == 0
    assert room.conversations.close_owned("lab.bench").called
    assert bench.ended == 1


def test_a_stopping_server_ends_everything_and_opens_nothing():
    """Waiting callers are told, plain calls are cancelled, every finally runs."""
    room, bench = a_room()
    opened(room)
    waiting = room.call("co2.next", {"conversation": opened(room, "wait"), "step": 1})
    plain = room.call("lab.bench.wait")
    assert room.conversations.close_all().called
    assert bench.ended == 3
    with pytest.raises(ConversationClosed, match="the server is stopping"):
        outcome(waiting)
    with pytest.raises(Co2Error, match="cancelled"):
        outcome(plain)
    with pytest.raises(ShuttingDown):
        opened(room)
    assert room.clock.getDelayedCalls() == []
    assert room.logged == []


def test_a_stopping_server_waits_for_a_finally_but_not_for_ever():
    """What takes longer than the grace is left behind."""
    for patient in (True, False):
        room, bench = a_room(limits=Limits(grace=5, replies=1))
        opened(room, "linger")
        stopped = room.conversations.close_all()
        assert not stopped.called
        if patient:
            bench.cleaned.callback(None)
        room.clock.advance(5.1)
        assert stopped.called
        assert bench.ended == (1 if patient else 0)


# --- whatever happens, in whatever order ----------------------------------------------------------

ITEMS = st.lists(st.sampled_from(["reply", "ask", "wait"]), max_size=8)


class Script:
    """A conversation that follows a script, and notes what it hears and how often it ended."""

    def __init__(self, items: list[str], end: str, form: str) -> None:
        self.items = [item for item in items if form == "async" or item != "wait"]
        self.end = end
        self.form = form
        self.heard: list[Any] = []
        self.begun = self.ended = 0
        self.gate: Deferred[None] | None = None
        # What the caller sees of it:
        self.identity = ""
        self.step = 0
        self.asks = self.over = False
        self.got: list[int] = []
        self.sent: list[Any] = []
        self.pending: Deferred[Any] | None = None

    @property
    def replies(self) -> list[int]:
        return [number for number, item in enumerate(self.items) if item == "reply"]

    def generator(self) -> Any:
        return self.run_sync() if self.form == "sync" else self.run_async()

    def run_sync(self):
        self.begun += 1
        try:
            for number, item in enumerate(self.items):
                if item == "reply":
                    yield number
                else:
                    self.heard.append((yield Ask(number)))
            if self.end == "raise":
                raise ValueError("as scripted")
        finally:
            self.ended += 1

    async def run_async(self):
        self.begun += 1
        try:
            for number, item in enumerate(self.items):
                if item == "reply":
                    yield number
                elif item == "ask":
                    self.heard.append((yield Ask(number)))
                else:
                    self.gate = Deferred()
                    await self.gate
            if self.end == "raise":
                raise ValueError("as scripted")
        finally:
            self.ended += 1

    def take(self, answer: dict[str, Any]) -> None:
        """Note an answer as its caller would."""
        assert answer["step"] == self.step
        self.got.extend(answer["replies"])
        self.asks = answer["asks"]
        self.over = answer["done"]

    def fail(self, error: BaseException) -> None:
        assert isinstance(error, PluginRaised | ConversationClosed), error
        self.over = True


class AnyOrder(RuleBasedStateMachine):
    """Callers step, repeat, err, wait, leave, close and fall asleep."""

    scripts = Bundle("scripts")
    idle = 100.0

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.all: list[Script] = []
        self.limits = Limits(replies=2, per_caller=4, most=4, remembered=2, wait=5, grace=1)
        ids = (f"c{number}" for number in range(1000))
        self.conversations = Conversations(self.clock, ids.__next__, self.idle, self.limits)
        self.incidents = Incidents(Logger("test", observer=lambda _: None), lambda: "id")

    @rule(
        target=scripts,
        items=ITEMS,
        end=st.sampled_from(["return", "raise"]),
        form=st.sampled_from(["sync", "async"]),
    )
    def open(self, items, end, form):
        script = Script(items, end, form)
        begun = Begun(script.generator(), "lab.go", "lab", (), self.incidents)
        not_over = sum(bool(one.identity) and not one.over for one in self.all)
        try:
            answer = self.conversations.open(begun, a_caller())
        except QueueFull:
            assert not_over >= self.limits.most
            script.over = True
        except PluginRaised as error:
            script.fail(error)
        else:
            script.identity = answer["conversation"]
            script.take(answer)
        self.all.append(script)
        return script

    def _next(self, script: Script, step: int, payload: Any, wait: float) -> Any:
        return self.conversations.next(script.identity, a_caller(), step, payload, wait)

    @rule(script=scripts, wait=st.sampled_from([0.0, 5.0]), payload=st.integers())
    def step(self, script, wait, payload):
        if script.over or script.pending is not None:
            return
        asked = script.asks
        script.step += 1
        if asked:
            script.sent.append(payload)
        try:
            answer = self._next(script, script.step, payload if asked else NOTHING, wait)
        except Co2Error as error:
            if isinstance(error, ConversationClosed) and asked:
                script.sent.pop()
            script.fail(error)
        else:
            self._settle(script, answer)

    def _settle(self, script: Script, answer: Any) -> None:
        if not isinstance(answer, Deferred):
            script.take(answer)
            return

        def came(result: Any) -> None:
            script.pending = None
            script.take(result)

        def failed(failure: Any) -> None:
            script.pending = None
            script.over = True

        script.pending = answer
        answer.addCallbacks(came, failed)

    @rule(script=scripts)
    def repeat(self, script):
        """The same answer again, and nothing moves."""
        if script.over or script.pending is not None:
            return
        before = (list(script.heard), script.begun, script.ended)
        try:
            answer = self._next(script, script.step, NOTHING, 5.0)
        except ConversationClosed:
            script.over = True
        else:
            assert answer["step"] == script.step
            assert answer["replies"] == script.got[len(script.got) - len(answer["replies"]) :]
            assert before == (script.heard, script.begun, script.ended)

    @rule(script=scripts, offset=st.sampled_from([-2, 2, 7]))
    def err(self, script, offset):
        """A wrong step, a payload nobody asked for: a fault, and nothing moves."""
        if not script.identity:
            return
        before = (list(script.heard), script.ended)
        with pytest.raises((InvalidParams, ConversationClosed)):
            self._next(script, script.step + offset, NOTHING, 5.0)
        if script.pending is None:
            with pytest.raises((InvalidParams, ConversationClosed)):
                wrong = NOTHING if script.asks else "unasked"
                self._next(script, script.step + 1, wrong, 5.0)
        assert before == (script.heard, script.ended)

    @rule(script=scripts)
    def fire(self, script):
        """What an async one waits for comes."""
        if script.gate is not None and not script.gate.called:
            script.gate.callback(None)

    @rule(script=scripts)
    def disconnect(self, script):
        """Its caller leaves while waiting: it has ended when that is noticed."""
        if script.pending is not None:
            script.pending.cancel()
            assert script.ended == script.begun

    @rule(script=consumes(scripts))
    def close(self, script):
        try:
            closed = self.conversations.close(script.identity, a_caller())
        except ConversationClosed:
            pass
        else:
            assert closed.called
        script.over = True
        assert script.ended == script.begun

    @rule(seconds=st.sampled_from([1.0, 4.0, 30.0, 101.0]))
    def sleep(self, seconds):
        self.clock.advance(seconds)
        if seconds > self.idle:
            self.clock.advance(seconds)
            assert all(one.ended == one.begun for one in self.all)

    @precondition(lambda self: self.all)
    @invariant()
    def replies_come_once_and_in_order(self):
        for script in self.all:
            assert script.got == script.replies[: len(script.got)]

    @invariant()
    def inputs_arrive_once_and_in_order(self):
        for script in self.all:
            assert script.heard == script.sent

    @invariant()
    def nothing_runs_that_is_not_counted(self):
        running = sum(one.begun > one.ended for one in self.all)
        assert running <= self.limits.most
        assert all(one.ended <= one.begun <= 1 for one in self.all)

    def teardown(self):
        assert self.conversations.close_all().called
        assert all(one.ended == one.begun for one in self.all)
        assert self.clock.getDelayedCalls() == []


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.__doc__ = "In whatever order callers act, nothing is lost, repeated or left running."
