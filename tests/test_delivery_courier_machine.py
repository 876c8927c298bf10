"""A courier over a network that does its worst, against a model of what it promises.

Whatever breaks, is cut, delayed, refused or restarted: every wanted message is settled exactly
once and in order, reaches the peer in order, and says `redelivered` if it was there before.
"""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from co2.delivery.backoff import Backoff
from co2.delivery.courier import Courier
from co2.delivery.journal import MemoryJournal
from co2.errors import (
    Co2Error,
    Fault,
    MethodNotFound,
    PluginRaised,
    RateLimited,
    UnsupportedValue,
)
from co2.model.hosts import Address
from co2.testing.fates import Fate, Loss, ScriptedFates
from co2.testing.network import MemoryNetwork
from co2.testing.samples import a_message, result_of
from co2.wire.xmlrpc import decode_call, encode_fault, encode_reply, read_reply

HERE, THERE = Address("10.0.0.1", 2004), Address("10.0.0.2", 2004)

fates = st.builds(
    Fate,
    there=st.sampled_from([0.001, 0.01, 0.3, 2.0]),
    back=st.sampled_from([0.001, 0.2, 6.0]),
    loss=st.sampled_from([Loss.NOTHING, Loss.NOTHING, Loss.REQUEST, Loss.ANSWER]),
)


class ModelPeer:
    """What a satellite does: drops what it had, refuses some for good, and all for a while."""

    def __init__(self, clock):
        self.clock = clock
        self.taken: list[int] = []
        self.unmarked: list[int] = []
        self.marked: set[int] = set()
        self.refusals: list[float] = []
        self.refused: int | None = None
        self.until = 0.0
        self.refuses_batches = False

    def answer(self, body, claim):
        call = decode_call(body)
        if call.method != "system.multicall":
            return self.take(call.params[0])
        if self.refuses_batches:
            return encode_fault(MethodNotFound("no batches here").as_fault())
        replies = [read_reply(self.take(one["params"][0])) for one in call.params[0]]
        return encode_reply(
            [
                {"faultCode": one.code, "faultString": one.text}
                if isinstance(one, Fault)
                else [one]
                for one in replies
            ]
        )

    def take(self, struct):
        number = struct["seq"]
        if number in self.taken:
            # The first post may come in behind the second one, which was marked and taken.
            if not struct.get("redelivered") and number not in self.marked:
                self.unmarked.append(number)
        elif self.refuses_now(number):
            wait = max(0.1, self.until - self.clock.seconds())
            return encode_fault(RateLimited("later", wait).as_fault())
        else:
            self.taken.append(number)
            if struct.get("redelivered"):
                self.marked.add(number)
        if struct["data"] == "bad":
            return encode_fault(PluginRaised("bad").as_fault())
        return encode_reply({"number": number})

    def refuses_now(self, number):
        """Once it has refused a message it takes no other before that one, as a queue would."""
        if self.refusals and self.refused is None:
            self.refused, self.until = number, self.clock.seconds() + self.refusals.pop()
        if self.refused == number and self.clock.seconds() >= self.until:
            self.refused = None
        return self.refused is not None


class CourierMachine(RuleBasedStateMachine):
    """See the module."""

    window, batch, refuses_batches = 4, 1, False

    def __init__(self):
        super().__init__()
        self.network = MemoryNetwork()
        self.clock = self.network.clock
        self.journal = MemoryJournal("j", 10_000, 100_000_000)
        self.host = self.network.host(HERE)
        self.model = ModelPeer(self.clock)
        self.model.refuses_batches = self.refuses_batches
        self.network.attach(THERE, self.model.answer)
        self.kinds: list[str] = []
        self.told: list[tuple[int, object]] = []
        self.timers = self.network.host(HERE).reactor
        self.cursors = [0]
        self.courier = self.make_courier(0, 0)

    def make_courier(self, after, reached):
        return Courier(
            self.journal,
            self.host.peer(THERE),
            self.timers,
            Backoff(Random(1).random, longest=4.0),
            method="notify",
            wants=lambda entry: entry.message.host_id.random != "own",
            refuses=lambda entry: UnsupportedValue("nil") if entry.nil_at else None,
            settled=lambda entry, outcome: self.told.append((entry.seq, outcome)),
            window=self.window,
            batch=self.batch,
            timeout=5.0,
            after=after,
            reached=reached,
        )

    @rule(kind=st.sampled_from(["good", "good", "good", "bad", "own", "nil"]))
    def append(self, kind):
        number = self.journal.last_seq + 1
        data = None if kind == "nil" else kind
        message = a_message(number, "own" if kind == "own" else "author", data or kind)
        if kind == "nil":
            message = a_message(number, "author", [None])
        result_of(self.journal.append(message))
        self.kinds.append(kind)
        self.courier.wake()

    @rule(more=st.lists(fates, max_size=5))
    def script(self, more):
        assert isinstance(self.network.fates, ScriptedFates)
        self.network.fates.add(*more)

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.01, 0.5, 3.0, 20.0]))
    def pass_time(self, seconds):
        self.clock.pass_time(seconds)

    @rule(forth=st.booleans(), back=st.booleans())
    def cut(self, forth, back):
        if forth:
            self.network.cut(HERE, THERE, both=False)
        if back:
            self.network.cut(THERE, HERE, both=False)

    @rule()
    def heal(self):
        self.network.heal()

    @rule()
    def restart_server(self):
        self.network.attach(THERE, self.model.answer)

    @rule()
    def stop_server(self):
        self.network.detach(THERE)

    @rule(seconds=st.sampled_from([0.5, 7.0]))
    def refuse(self, seconds):
        self.model.refusals.append(seconds)

    @rule(count=st.integers(2, 8))
    def append_many(self, count):
        for _ in range(count):
            self.append("good")

    @rule()
    def pause(self):
        self.courier.pause()

    @rule()
    def resume(self):
        self.courier.resume()

    @precondition(lambda self: self.kinds)
    @rule()
    def replace(self):
        """The satellite registers again: a new courier goes on where the old one stood."""
        self.courier.close()
        self.courier = self.make_courier(self.courier.cursor, self.courier.reached)

    @invariant()
    def it_is_orderly(self):
        assert self.told == self.expected()[: len(self.told)]
        wanted = [one for one in self.numbers("good", "bad") if one <= max(self.model.taken or [0])]
        assert self.model.taken == wanted
        assert self.model.unmarked == []
        assert len(self.timers.getDelayedCalls()) <= 1
        self.cursors.append(self.courier.cursor)
        assert self.cursors == sorted(self.cursors)
        assert self.courier.cursor <= self.journal.last_seq

    def numbers(self, *kinds):
        return [number for number, kind in enumerate(self.kinds, 1) if kind in kinds]

    def expected(self):
        told = []
        for number in self.numbers("good", "bad", "nil"):
            kind = self.kinds[number - 1]
            told.append((number, {"number": number} if kind == "good" else Kind(kind)))
        return told

    def teardown(self):
        self.network.fates = ScriptedFates()
        self.network.heal()
        self.network.attach(THERE, self.model.answer)
        self.courier.resume()
        self.clock.pass_time(120.0)
        assert self.told == self.expected()
        assert self.model.taken == self.numbers("good", "bad")
        assert self.courier.queued == 0
        self.courier.close()
        self.clock.pass_time(10.0)
        assert self.clock.getDelayedCalls() == []


class Kind:
    """Equal to the error that a message of that kind is settled with."""

    __hash__ = None  # type: ignore[assignment]  # it is never looked up

    def __init__(self, kind):
        self.error = PluginRaised if kind == "bad" else UnsupportedValue

    def __eq__(self, other):
        return isinstance(other, Co2Error) and type(other) is self.error

    def __repr__(self):
        return self.error.__name__


class BatchCourierMachine(CourierMachine):
    """The same with several messages in a post."""

    window, batch = 2, 3


class NoBatchCourierMachine(BatchCourierMachine):
    """The same with a peer that does not know `system.multicall`."""

    refuses_batches = True


TestNoBatchCourierMachine = NoBatchCourierMachine.TestCase
TestNoBatchCourierMachine.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None
)

TestBatchCourierMachine = BatchCourierMachine.TestCase
TestBatchCourierMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

TestCourierMachine = CourierMachine.TestCase
TestCourierMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
