"""The worker's side of the protocol: bytes and signals in, things to do out.

How it works. `Session` reads requests line by line from what `receive` is given and says what is
to be done as a list of events, in the order in which they must happen: `Say` and `Complain` are
bytes for stdout and stderr, `Start` is a request to be carried out, `Stop` is to end the one that
is being carried out, `Leave` ends the process. It touches no file, clock or process, so that every
rule about signals can be tried at every byte.

Invariants.
- One request at a time. Bytes behind it stay in the buffer until `answered` or `stopped`.
- An answer is whole or absent: after `answering` an interrupt no longer stops the request.
- Whoever drives it reads what stdin holds before it passes an interrupt on, so that an interrupt
  meets the request its sender meant.

Two rules for SIGINT. The seed's: at a prompt it is `exit`; between a command and its last
parameter the request is dropped and the same number is prompted again; while a request runs it is
stopped and counted. The later one (last design of 2010, `late=True`): whatever is being read or
run is dropped, its number is told on stderr, and the counter always moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from attrs import define, field, frozen

from plugin.gatherer.protocol.requests import REQUESTS, Request

MAX_LINE: Final = 1 << 20
"""Bytes of one line or framed parameter; nobody's path or command is longer, a flood is."""

MAX_COUNT: Final = 100_000
"""Parameters in a variable part."""


@frozen
class Say:
    """Write these bytes to stdout and flush."""

    data: bytes


@frozen
class Complain:
    """Write these bytes to stderr."""

    data: bytes


@frozen
class Start:
    """Carry out this request; `answering` and `answered`, or `stopped`, follow."""

    request: Request


@frozen
class Stop:
    """End the running request without an answer and call `stopped`."""

    request: Request


@frozen
class Leave:
    """End the process with this code."""

    code: int


Event = Say | Complain | Start | Stop | Leave


class State(Enum):
    """Where a session is."""

    COMMAND = "a command is expected"
    PARAMS = "a command was read, its parameters are not complete"
    RUNNING = "a request is being carried out"
    STOPPING = "a request was interrupted and is being ended"
    ANSWERING = "an answer is being written"
    OVER = "nothing is read any more"


@define
class Session:
    """One run of a worker.

    Attributes:
        strict: an unknown command, and the end of the input, end the process with code 255, as
            the worker of 2010 did.
        late: the later rule for SIGINT.
        version: what `version` answers, lines without their ends.
    """

    strict: bool = False
    late: bool = False
    version: tuple[bytes, ...] = ()
    state: State = State.COMMAND
    number: int = 0
    _buffer: bytearray = field(factory=bytearray)
    _ended: bool = False
    _name: bytes = b""
    _params: list[bytes] = field(factory=list)
    _wanted: int = 0
    _length: int = -1
    _current: Request | None = None

    @property
    def hungry(self) -> bool:
        """Whether more input can be used now; nothing is read ahead of a running request."""
        return self.state in (State.COMMAND, State.PARAMS) and not self._ended

    @property
    def current(self) -> Request | None:
        """The request that is being carried out."""
        return self._current

    def begin(self) -> list[Event]:
        """Give the first prompt."""
        return [self._prompt()]

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from stdin."""
        self._buffer += data
        return list(self._read())

    def end(self) -> list[Event]:
        """Take the end of stdin; an unfinished last line counts as a line."""
        self._ended = True
        return list(self._read())

    def alive(self) -> list[Event]:
        """Take SIGUSR1: it changes nothing."""
        return [Complain(b"ALIVE\n")]

    def interrupt(self) -> list[Event]:
        """Take SIGINT, by the rule that was chosen."""
        if self.state is State.RUNNING and self._current is not None:
            self.state = State.STOPPING
            return [Stop(self._current)]
        if self.state not in (State.COMMAND, State.PARAMS):
            return []
        if self.late:
            return self._dropped_late()
        if self.state is State.COMMAND:
            return [self._leave(0)]
        self._drop()
        return [self._prompt()]

    def answering(self) -> None:
        """Note that the first byte of the answer is about to be written."""
        self.state = State.ANSWERING

    def answered(self) -> list[Event]:
        """Note that the answer is out; give the next prompt and go on."""
        self._done()
        return [self._prompt(), *self._read()]

    def stopped(self) -> list[Event]:
        """Note that an interrupted request has ended and left nothing behind."""
        word = b"#%d# INTERRUPTED\n" % self.number if self.late else b"INTERRUPTED\n"
        self._done()
        return [Complain(word), self._prompt(), *self._read()]

    # --- reading ---------------------------------------------------------------------------

    def _read(self) -> Iterable[Event]:
        while self.state in (State.COMMAND, State.PARAMS):
            if len(self._params) < self._wanted:
                taken = self._take_param()
            else:
                taken = self._take_line()
            if taken is None:
                yield from self._starved()
                return
            yield from self._command(taken) if self.state is State.COMMAND else self._param(taken)

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end < 0 and not (self._ended and self._buffer):
            return None
        stop = len(self._buffer) if end < 0 else end + 1
        line = bytes(self._buffer[:stop])
        del self._buffer[:stop]
        return line.strip()

    def _take_param(self) -> bytes | None:
        if not REQUESTS[self._name].framed:
            return self._take_line()
        if self._length < 0:
            line = self._take_line()
            if line is None:
                return None
            self._length = _count(line, MAX_LINE)
        if len(self._buffer) <= self._length:
            return None
        data = bytes(self._buffer[: self._length])
        del self._buffer[: self._length + 1]
        self._length = -1
        return data

    def _starved(self) -> Iterable[Event]:
        if len(self._buffer) > MAX_LINE:
            yield Complain(b"LINE TOO LONG\n")
            yield self._leave(1)
        elif self._ended and not self.strict:
            yield self._leave(0)
        elif self._ended and self.state is State.COMMAND:
            yield from self._unknown()
        elif self._ended:
            missing = self._wanted - len(self._params)
            self._params += [b""] * missing
            yield from self._complete()

    def _command(self, name: bytes) -> Iterable[Event]:
        shape = REQUESTS.get(name)
        if shape is None:
            yield from self._unknown()
            return
        self._name, self._params, self._wanted = name, [], shape.params
        self.state = State.PARAMS
        if not shape.params:
            yield from self._complete()

    def _param(self, value: bytes) -> Iterable[Event]:
        self._params.append(value)
        shape = REQUESTS[self._name]
        if shape.counted and len(self._params) == shape.params:
            self._wanted += _count(value, MAX_COUNT)
        if len(self._params) == self._wanted:
            yield from self._complete()

    # --- doing -----------------------------------------------------------------------------

    def _complete(self) -> Iterable[Event]:
        if self._name in (b"noop", b"ping", b"version"):
            # It never runs: an interrupt at this moment is for what comes behind it, and not lost.
            yield from self._answer_here(self._name)
            return
        request = Request(self.number, self._name, tuple(self._params))
        self._current, self.state = request, State.RUNNING
        if request.name == b"exit":
            yield self._leave(0)
        else:
            yield Start(request)

    def _answer_here(self, name: bytes) -> Iterable[Event]:
        if name == b"ping":
            yield from self.alive()
        if name == b"version":
            yield Say(b"%d\n" % len(self.version) + b"".join(one + b"\n" for one in self.version))
        self._done()
        yield self._prompt()

    def _done(self) -> None:
        self.number += 1
        self._reset()

    def _reset(self) -> None:
        self._name, self._params, self._wanted, self._length = b"", [], 0, -1
        self._current = None
        self.state = State.COMMAND

    def _drop(self) -> None:
        self._buffer.clear()
        self._reset()

    def _dropped_late(self) -> list[Event]:
        word = Complain(b"#%d# INTERRUPTED\n" % self.number)
        self._drop()
        self.number += 1
        return [word, self._prompt()]

    def _unknown(self) -> Iterable[Event]:
        yield Complain(b"UNKNOWN COMMAND\n")
        yield self._leave(255) if self.strict else self._prompt()

    def _prompt(self) -> Say:
        return Say(b"#%d#\n" % self.number)

    def _leave(self, code: int) -> Leave:
        self.state = State.OVER
        return Leave(code)


def _count(line: bytes, most: int) -> int:
    """Read a count; what is no number, or more than may be, counts as 0 and fails later on."""
    return int(line) if line.isdigit() and len(line) < 12 and int(line) <= most else 0
