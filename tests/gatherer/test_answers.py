"""Both ends of the protocol against each other, without a process."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatherer.test_session import Driven
from plugin.gatherer.protocol.answers import (
    SHAPES,
    Alive,
    Answered,
    Asked,
    Client,
    Confused,
    Interrupted,
    Part,
    Unknown,
)
from plugin.gatherer.protocol.records import Found, Missing, More, decode, encode
from plugin.gatherer.protocol.requests import REQUESTS

BLOB = st.binary(max_size=40)


class Pair:
    """A client and a session, joined; `answers` are given in order."""

    def __init__(self, *answers):
        self.client = Client()
        self.driven = Driven(hold=True, late=True)
        self.answers = list(answers)
        self.events = []
        self.heard = 0
        self.carry()

    def ask(self, name, *params):
        self.driven.send(self.client.ask(Asked(name), *params))
        self.carry()

    def carry(self):
        while self.driven.session.current is not None and self.answers:
            session = self.driven.session
            session.answering()
            self.driven.out += self.answers.pop(0)
            self.driven._heed(session.answered())
        new, self.heard = self.driven.out[self.heard :], len(self.driven.out)
        self.events += self.client.hear(new)


def test_queued_requests_get_their_own_answers():
    """Answers are matched to requests, silent ones among them."""
    pair = Pair(b"0\n2\nhi\n0\n\n", b"1\n3\na\nb\n")
    pair.ask(b"ping")
    pair.ask(b"exec", b"echo hi")
    pair.ask(b"noop")
    pair.ask(b"glob0", b"*")
    answered = [event for event in pair.events if isinstance(event, Answered)]
    assert [event.request.name for event in answered] == [b"ping", b"exec", b"noop", b"glob0"]
    assert answered[1].values == (b"0", b"hi", b"")
    assert answered[3].values == (b"1", b"a\nb")
    assert pair.client.hear_complaints(b"ALIVE\nINTERR") == [Alive()]


def test_an_interrupted_request_is_the_one_that_ran():
    """The head of the queue is interrupted, and the next one gets its answer."""
    pair = Pair()
    pair.ask(b"exec", b"sleep 9")
    pair.ask(b"glob", b"*")
    pair.driven.interrupt()
    pair.answers = [b"0\n"]
    pair.carry()
    kinds = [type(event) for event in pair.events if isinstance(event, Answered | Interrupted)]
    assert kinds == [Interrupted, Answered]


def test_an_older_worker_does_not_know_everything():
    """A request that the worker does not know is told, and the next one goes on."""
    client = Client()
    client.ask(Asked(b"pull"), b"0")
    client.ask(Asked(b"glob"), b"*")
    events = client.hear(b"#0#\n#0#\n0\n#1#\n")
    assert [type(event) for event in events if isinstance(event, Unknown | Answered)] == [
        Unknown,
        Answered,
    ]


@given(st.data())
def test_answers_of_every_shape_in_any_pieces(data):
    """Whatever the blobs hold, prompts among it, each answer comes out as it went in."""
    name = data.draw(st.sampled_from(sorted(SHAPES)))
    wire, values = b"", []
    reading = SHAPES[name]()
    part = next(reading)
    while True:
        if part is Part.LINE:
            value = b"%d" % data.draw(st.integers(0, 3))
            wire += value + b"\n"
        else:
            value = data.draw(BLOB | st.just(b"\n#1#\n"))
            wire += b"%d\n%b\n" % (len(value), value)
        values.append(value)
        try:
            part = reading.send(value)
        except StopIteration:
            break
    shape = REQUESTS[name]
    client = Client()
    client.ask(Asked(name), *([b"0"] * shape.params))
    whole = b"#0#\n" + wire + b"#1#\n"
    cuts = sorted({0, len(whole), *data.draw(st.lists(st.integers(0, len(whole)), max_size=5))})
    events = [e for a, b in pairwise(cuts) for e in client.hear(whole[a:b])]
    [answered] = [event for event in events if isinstance(event, Answered)]
    assert answered.values == tuple(values) and client.number == 1


@given(st.binary(max_size=100))
def test_strange_workers_confuse_and_nothing_more(data):
    """What is no worker's language raises Confused, or is waited on, and does nothing else."""
    client = Client()
    client.ask(Asked(b"glob0"), b"*")
    try:
        client.hear(data)
    except Confused:
        return
    client.hear_complaints(data)


RECORD = st.one_of(
    st.builds(
        Found,
        st.integers(0, 200),
        st.sampled_from("fldpsbch"),
        st.integers(0, 0o7777),
        st.integers(0, 1 << 32),
        st.integers(0, 1 << 32),
        st.integers(-(1 << 62), 1 << 62),
        st.integers(40, 1 << 60),  # more than a piece
        st.integers(-1, 1 << 60),
        st.integers(0, 1 << 60),
        BLOB,
        BLOB,
        BLOB,
    ),
    st.builds(More, BLOB),
    st.builds(Missing, st.integers(0, 200), st.integers(0, 1 << 40), BLOB),
)


@given(st.lists(RECORD, max_size=8))
def test_records_read_back(records):
    """A body of any records reads back as them."""
    assert list(decode(b"".join(encode(one) for one in records))) == records


@pytest.mark.parametrize("body", [b"x", b"o 1\n", b"+ 5\nabc", b"q 1 2\n"])
def test_bodies_that_are_none(body):
    """What is no body of records raises ValueError."""
    with pytest.raises(ValueError):
        list(decode(body))
