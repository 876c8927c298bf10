"""The worker's protocol without a process: every rule, at every byte."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.gatherer.protocol.requests import REQUESTS, spell
from plugin.gatherer.protocol.session import (
    MAX_LINE,
    Complain,
    Leave,
    Say,
    Session,
    Start,
    State,
    Stop,
)

SCRIPT = b"noop\nexec\necho hi\nping\nglob\n/etc/*\nglobcp\n/a\n/b\n0\n2\nx\ny\nnoop\n"


class Driven:
    """A session whose requests are carried out at once, or held until told otherwise."""

    def __init__(self, *, hold=False, **options):
        self.session = Session(**options)
        self.hold = hold
        self.out, self.err, self.left = b"", b"", None
        self.done = []
        self._heed(self.session.begin())

    def send(self, data):
        self._heed(self.session.receive(data))

    def end(self):
        self._heed(self.session.end())

    def interrupt(self):
        self._heed(self.session.interrupt())

    def answer(self):
        self.session.answering()
        self.out += b"<%b>\n" % self.session.current.name
        self._heed(self.session.answered())

    def _heed(self, events):
        for event in events:
            if isinstance(event, Say):
                self.out += event.data
            elif isinstance(event, Complain):
                self.err += event.data
            elif isinstance(event, Leave):
                self.left = event.code
            elif isinstance(event, Stop):
                self._heed(self.session.stopped())
            elif isinstance(event, Start):
                self.done.append(event.request)
                if not self.hold:
                    self.answer()


def test_the_first_prompt_is_number_0():
    """A worker says its first prompt before it has read anything."""
    assert Driven().out == b"#0#\n"


def test_requests_are_counted_and_queued():
    """Requests that arrive together are carried out one after the other, and numbered."""
    driven = Driven()
    driven.send(SCRIPT)
    assert [request.number for request in driven.done] == [1, 3, 4]
    assert driven.out.endswith(b"#6#\n") and driven.err == b"ALIVE\n"
    assert driven.done[2].params == (b"/a", b"/b", b"0", b"2", b"x", b"y")


@given(st.lists(st.integers(0, len(SCRIPT)), max_size=8))
def test_pieces_do_not_matter(cuts):
    """However the bytes are cut on their way, the same comes out."""
    whole, parted = Driven(), Driven()
    whole.send(SCRIPT)
    ends = sorted({0, len(SCRIPT), *cuts})
    for start, stop in pairwise(ends):
        parted.send(SCRIPT[start:stop])
    assert (parted.out, parted.err, parted.done) == (whole.out, whole.err, whole.done)


@pytest.mark.parametrize("offset", range(len(SCRIPT) + 1))
def test_seed_interrupt_at_every_offset(offset):
    """At a prompt SIGINT is exit; among parameters it drops the request and keeps the number."""
    driven = Driven()
    driven.send(SCRIPT[:offset])
    state, number = driven.session.state, driven.session.number
    driven.interrupt()
    if state is State.COMMAND:
        assert driven.left == 0
        return
    assert driven.left is None and driven.err.count(b"INTERRUPTED") == 0
    assert driven.out.endswith(b"#%d#\n" % number) and driven.session.number == number
    driven.send(b"noop\n")
    assert driven.out.endswith(b"#%d#\n" % (number + 1))


@pytest.mark.parametrize("offset", range(len(SCRIPT) + 1))
def test_late_interrupt_at_every_offset(offset):
    """By the later rule SIGINT never ends a worker, tells the number, and always counts."""
    driven = Driven(late=True)
    driven.send(SCRIPT[:offset])
    number = driven.session.number
    driven.interrupt()
    assert driven.left is None
    assert driven.err.endswith(b"#%d# INTERRUPTED\n" % number)
    assert driven.out.endswith(b"#%d#\n" % (number + 1))
    driven.send(b"noop\n")
    assert driven.out.endswith(b"#%d#\n" % (number + 2))


@pytest.mark.parametrize("late", [False, True])
def test_interrupt_while_running(late):
    """A running request is stopped and counted, in both modes, and the queue goes on."""
    driven = Driven(hold=True, late=late)
    driven.send(b"exec\nsleep 9\nnoop\n")
    driven.interrupt()
    assert driven.err == (b"#0# INTERRUPTED\n" if late else b"INTERRUPTED\n")
    assert driven.out == b"#0#\n#1#\n#2#\n"


@pytest.mark.parametrize("late", [False, True])
def test_interrupt_while_answering(late):
    """An answer that has begun is finished: it is whole or absent."""
    driven = Driven(hold=True, late=late)
    driven.send(b"exec\nx\n")
    driven.session.answering()
    driven.interrupt()
    driven.answer()
    assert driven.out == b"#0#\n<exec>\n#1#\n" and driven.err == b""


@pytest.mark.parametrize("name", [b"noop", b"ping", b"version"])
def test_what_is_answered_at_once_never_runs(name):
    """A signal handler that looks at such a moment takes the interrupt for what comes behind."""
    states = set()

    class Watched(Session):
        def _done(self):
            states.add(self.state)
            super()._done()

    Watched().receive(name + b"\n")
    assert states == {State.PARAMS}


@pytest.mark.parametrize("offset", range(len(SCRIPT) + 1))
def test_alive_at_every_offset(offset):
    """SIGUSR1 says ALIVE in every state and changes nothing else."""
    driven = Driven()
    driven.send(SCRIPT[:offset])
    assert driven.session.alive() == [Complain(b"ALIVE\n")]
    driven.send(SCRIPT[offset:])
    whole = Driven()
    whole.send(SCRIPT)
    assert driven.out == whole.out


def test_unknown_commands():
    """An unknown command is told on stderr and not counted; a strict worker ends."""
    driven, strict = Driven(), Driven(strict=True)
    for one in (driven, strict):
        one.send(b"frobnicate\nnoop\n")
    assert driven.err == b"UNKNOWN COMMAND\n" and driven.out == b"#0#\n#0#\n#1#\n"
    assert strict.left == 255 and strict.out == b"#0#\n"


def test_end_of_input():
    """The end of the input is an exit, but for a strict worker, to which it is unknown."""
    driven, strict = Driven(), Driven(strict=True)
    driven.end()
    strict.end()
    assert (driven.left, driven.err) == (0, b"")
    assert (strict.left, strict.err) == (255, b"UNKNOWN COMMAND\n")


def test_end_of_input_among_parameters():
    """A half-read request is dropped at the end of the input; a strict worker runs it emptily."""
    driven, strict = Driven(), Driven(strict=True)
    for one in (driven, strict):
        one.send(b"exec\n")
        one.end()
    assert driven.left == 0 and not driven.done
    assert strict.left == 255 and strict.done[0].params == (b"",)


def test_a_last_line_without_an_end_counts():
    """A command that the input ends in the middle of a line with is still carried out."""
    driven = Driven()
    driven.send(b"exec\necho hi")
    driven.end()
    assert driven.done[0].params == (b"echo hi",) and driven.left == 0


def test_blanks_and_carriage_returns_are_stripped():
    """Blanks and CRLF around a line are no part of it."""
    driven = Driven()
    driven.send(b"  exec \r\n  echo hi\r\n")
    assert driven.done[0].params == (b"echo hi",)


def test_framed_parameters_hold_any_bytes():
    """With a 0 behind its name, a request takes parameters of any bytes by their length."""
    driven = Driven()
    driven.send(spell(b"cp0", b" a\nb ", b"\xff\x00", b"0") + b"noop\n")
    assert driven.done[0].params == (b" a\nb ", b"\xff\x00", b"0")
    assert driven.out.endswith(b"#2#\n")


def test_endless_lines_end_the_worker():
    """A line longer than anything sensible ends the worker rather than filling the memory."""
    driven = Driven()
    driven.send(b"x" * (MAX_LINE + 1))
    assert driven.left == 1 and driven.err == b"LINE TOO LONG\n"


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_random_bytes_never_wedge(data, late, strict):
    """Whatever bytes come, a session can be interrupted and, unless it ended, goes on."""
    driven = Driven(late=late, strict=strict)
    driven.send(data)
    if driven.left is not None:
        return
    driven.interrupt()
    if driven.left is None:
        number = driven.session.number
        driven.send(b"noop\n")
        assert driven.out.endswith(b"#%d#\n" % (number + 1))


def test_spelling_refuses_what_does_not_fit_on_a_line():
    """A path that a line cannot carry is refused with the name of the request that can."""
    with pytest.raises(ValueError, match="with a 0 behind it"):
        spell(b"cp", b"a\nb", b"c", b"0")
    with pytest.raises(ValueError, match="no request"):
        spell(b"dance")


def test_every_request_is_documented():
    """The page for people names every request of the table."""
    from gatherer.processes import ROOT

    page = (ROOT / "docs" / "gatherer.md").read_text(encoding="utf-8")
    missing = [name for name in REQUESTS if f"`{name.decode()}`" not in page]
    assert not missing
