"""The client's side of the protocol: requests in, answers out, without I/O.

How it works. `Client.ask` gives the bytes of a request and puts it in a queue; the head of the
queue is what the worker is at. `hear` takes stdout: the answer of the head, by the shape that its
request has, and then the prompt behind it. A prompt where an answer should begin says that the
request was interrupted. `hear_complaints` takes stderr.

It speaks to workers that keep the later rule for SIGINT (`--interrupt=late`): they never end by an
interrupt, and an interrupted request always moves the number on.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator
from enum import Enum
from typing import Final

from attrs import define, field, frozen

from plugin.gatherer.protocol.requests import spell

_PROMPT = re.compile(rb"#(\d{1,12})#\Z")
_MAX_LINE: Final = 1 << 20


class Part(Enum):
    """What an answer is made of."""

    LINE = "a line"
    BLOB = "a length on a line, so many bytes, and the end of a line"


Reading = Generator[Part, bytes, None]


def _fixed(*parts: Part) -> Callable[[], Reading]:
    def read() -> Reading:
        for part in parts:  # noqa: UP028 - what is sent in would not pass a `yield from` a tuple
            yield part

    return read


def _many(*parts: Part, last: tuple[Part, ...] = ()) -> Callable[[], Reading]:
    def read() -> Reading:
        count = int((yield Part.LINE))
        for _ in range(count):
            for part in parts:
                yield part
        for part in last:
            yield part

    return read


_L, _B = Part.LINE, Part.BLOB
SHAPES: dict[bytes, Callable[[], Reading]] = {
    b"version": _many(_L),
    b"exec": _fixed(_L, _B, _B),
    b"run": _fixed(_L, _L, _B, _L, _B),
    b"exec2file": _fixed(*[_L] * 7),
    b"glob": _many(_L),
    b"glob0": _many(_B),
    b"stat": _fixed(*[_L] * 7, _B),
    b"read": _fixed(_L, _L, _B, _B),
    b"cp": _fixed(*[_L] * 4, _B),
    b"globcp": _many(_L, _L, _L, _L, _B, _B, last=(_L,)),
    b"plan": _fixed(_L, _L, _B),
    b"pull": _fixed(_L, _B),
}
"""What each request answers; what is not here answers nothing."""


class Confused(Exception):
    """What came is not what a worker says; the connection is of no more use."""


@define(eq=False)
class Asked:
    """A request that was sent.

    Attributes:
        name: of the request.
        piece: told the blobs of the answer, piece by piece, as (index of the value, bytes); the
            value is then empty. None to have them whole.
        tag: whatever the asker wants to find again.
    """

    name: bytes
    piece: Callable[[int, bytes], None] | None = None
    tag: object = None


@frozen
class Prompted:
    """The worker waits for, or is at, the request with this number."""

    number: int


@frozen
class Answered:
    """The oldest request has its answer: lines and blobs, in order."""

    request: Asked
    values: tuple[bytes, ...]


@frozen
class Interrupted:
    """The oldest request was interrupted; there is no answer."""

    request: Asked


@frozen
class Alive:
    """The worker said ALIVE."""


@frozen
class Unknown:
    """The worker does not know the oldest request; there is no answer."""

    request: Asked


Event = Prompted | Answered | Interrupted | Alive | Unknown


@define
class Client:
    """One conversation with a worker."""

    waiting: deque[Asked] = field(factory=deque)
    number: int = -1
    _buffer: bytearray = field(factory=bytearray)
    _reading: Reading | None = None
    _wanted: Part | None = None
    _values: list[bytes] = field(factory=list)
    _blob: list[memoryview] = field(factory=list)
    _left: int = -1
    _answered: bool = False
    current: Asked | None = None
    _complaint: bytearray = field(factory=bytearray)

    @property
    def at(self) -> Asked | None:
        """What the worker is at and has not answered: an interrupt is for this request."""
        return None if self._answered else self.current

    def ask(self, asked: Asked, *params: bytes) -> bytes:
        """Give the bytes of a request that is now waited for."""
        data = spell(asked.name, *params)
        self.waiting.append(asked)
        self._begin()
        return data

    def hear(self, data: bytes) -> list[Event]:
        """Take bytes of stdout.

        Raises:
            Confused: they are not what a worker says.
        """
        events: list[Event] = []
        view = memoryview(data)
        while view:
            if self._left >= 0 and not self._buffer:
                view = view[self._blob_bytes(view) :]
                self._blob_done(events)
                continue
            self._buffer += view
            view = view[:0]
            self._lines(events)
        return events

    def hear_complaints(self, data: bytes) -> list[Event]:
        """Take bytes of stderr."""
        self._complaint += data
        events: list[Event] = []
        while (end := self._complaint.find(b"\n")) >= 0:
            line = bytes(self._complaint[:end])
            del self._complaint[: end + 1]
            if line == b"ALIVE":
                events.append(Alive())
        del self._complaint[:-4096]
        return events

    # --- stdout ----------------------------------------------------------------------------

    def _lines(self, events: list[Event]) -> None:
        while self._buffer:
            if self._left >= 0:
                used = self._blob_bytes(memoryview(bytes(self._buffer[: self._left + 1])))
                del self._buffer[:used]
                self._blob_done(events)
                continue
            end = self._buffer.find(b"\n")
            if end < 0:
                if len(self._buffer) > _MAX_LINE:
                    raise Confused("a line does not end")
                return
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._line(line, events)

    def _line(self, line: bytes, events: list[Event]) -> None:
        prompt = _PROMPT.match(line) if not self._values else None
        if self._wanted is None or prompt is not None:
            if prompt is None:
                raise Confused(f"{line[:80]!r} where a prompt should be")
            self._prompted(int(prompt[1]), events)
        elif self._wanted is Part.LINE:
            self._value(line, events)
        else:
            if not line.isdigit():
                raise Confused(f"{line[:80]!r} where a length should be")
            self._left = int(line)

    def _prompted(self, number: int, events: list[Event]) -> None:
        if self.current is not None and not self._answered:
            self.waiting.popleft()
            if number <= self.number:
                events.append(Unknown(self.current))
            elif self._reading is None:
                events.append(Answered(self.current, ()))
            else:
                events.append(Interrupted(self.current))
        self.number, self.current = number, None
        self._reading, self._wanted, self._answered = None, None, False
        self._begin()
        events.append(Prompted(number))

    def _begin(self) -> None:
        """Look at what the head of the queue will answer, when the worker waits for it."""
        if self.current is not None or not self.waiting or self.number < 0:
            return
        self.current = self.waiting[0]
        shape = SHAPES.get(_base(self.current.name))
        if shape is not None:
            self._reading = shape()
            self._wanted = next(self._reading)

    def _value(self, value: bytes, events: list[Event]) -> None:
        assert self._reading is not None
        self._values.append(value)
        try:
            self._wanted = self._reading.send(value)
        except StopIteration:
            events.append(Answered(self.waiting.popleft(), tuple(self._values)))
            self._values.clear()
            self._wanted, self._answered = None, True
        except ValueError as error:
            raise Confused(f"{value[:80]!r} where a count should be") from error

    # --- blobs -----------------------------------------------------------------------------

    def _blob_bytes(self, view: memoryview) -> int:
        """Take bytes of a blob; the one behind its last is the end of its line."""
        used = min(len(view), self._left)
        if used:
            piece = self.waiting[0].piece
            if piece is None:
                self._blob.append(view[:used])  # joined once, when all of it is there
            else:
                piece(len(self._values), bytes(view[:used]))
            self._left -= used
        if self._left == 0 and used < len(view):
            if view[used] != 10:
                raise Confused("a blob is not followed by the end of a line")
            self._left = -1
            used += 1
        return used

    def _blob_done(self, events: list[Event]) -> None:
        if self._left == -1:
            value = b"".join(self._blob)
            self._blob.clear()
            self._value(value, events)


def _base(name: bytes) -> bytes:
    return name if name in SHAPES else name.removesuffix(b"0")
