"""Runs one handler against one connection.

How it works. `Steps` says what the handler asks for; a `Run` sends the reply, waits until
something can be read or the time is over, reads, and resumes the handler. It is told of bytes, of
the peer's leaving, and of a full send buffer; it never blocks, whatever the peer does. What a
value is on the wire is `reading`'s and `writing`'s.

Invariants: at most one timer is set, and only for a timeout of the handler's own; whoever owns the
run calls `look_at_deadline` every few seconds for the rest. After `_end` or `close` nothing of it
is left to happen: no timer, no generator. What cannot be read or sent is raised in the handler, at
its yield.

The waits, all in seconds: the first payload may take `PAYLOAD_WAIT`, as the original's daemon
core allows; a payload that has begun, or is read without a timeout, may take `READ_WAIT`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from plugin.snake.cedar.errors import PayloadError
from plugin.snake.cedar.values import MessageReader
from plugin.snake.cedar.wire import Wire
from plugin.snake.handlers.reading import PayloadTimeout, PeerGone, Reading
from plugin.snake.handlers.steps import HandlerFailed, Request, Steps
from plugin.snake.handlers.writing import Writing

PAYLOAD_WAIT = 300.0
READ_WAIT = 20.0
INLINE = 64
"""Steps that are taken in one turn of the event loop before others get theirs. A timeout of 0 is
a step like others: a turn for each would cost more than all else that a short reply does."""
_NOTHING: Request = (None, None, None)
_WITH_NOTHING = None, None
"""How a handler goes on that gets no payload and no error."""


class _Phase(Enum):
    RUNNING = "the handler runs, or will next"
    PAYLOAD = "waiting for the first byte of the payload"
    WAITING = "suspended until something can be read or the time is over"
    READING = "suspended until whole messages are there"
    ENDED = "over"


class Run:
    """One handler at work.

    Args:
        steps: its generator.
        wire: the connection's bytes.
        flush: sends what the wire has to send.
        clock: for the waits.
        ended: called once, with the exception that ended the handler, or None.
        payload: the rest of a raw command's message, which is its payload.
    """

    def __init__(
        self,
        steps: Steps,
        wire: Wire,
        flush: Callable[[], None],
        clock: IReactorTime,
        ended: Callable[[BaseException | None], None],
        payload: MessageReader | None,
    ) -> None:
        self._steps = steps
        self._reading = Reading(wire, payload)
        self._writing = Writing(wire, flush)
        self._clock, self._ended = clock, ended
        self._phase = _Phase.RUNNING
        self._timer: IDelayedCall | None = None
        self._deadline = math.inf
        self._request = _NOTHING
        self._next: tuple[Any, BaseException | None] | None = None
        self._looping = self._held = self._closing = False

    # --- what it is told -----------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._resume()

    def received(self) -> None:
        """The wire has new bytes."""
        if self._phase in (_Phase.WAITING, _Phase.PAYLOAD):
            self._begin_reading()
        elif self._phase is _Phase.READING:
            self._read_on()

    def peer_left(self) -> None:
        """The connection is closed."""
        self._reading.gone = True
        self.released()
        self.received()

    def held(self) -> None:
        """The send buffer is full; the handler stays at its next yield."""
        self._held = True

    def released(self) -> None:
        """The send buffer has room again."""
        if self._held:
            self._held = False
            if self._phase is _Phase.RUNNING and not self._looping:
                self._wait()

    def close(self) -> BaseException | None:
        """End the handler now; its `finally` blocks run. Gives what they raised."""
        if self._looping:
            self._closing = True
            return None
        self._stop()
        return self._steps.close()

    def look_at_deadline(self, now: float) -> None:
        """Give up on the payload if it should have been here by now; called every few seconds."""
        if now < self._deadline:
            return
        nothing = self._phase is _Phase.PAYLOAD
        self._cancel()
        self._fail(
            PayloadTimeout(f"no payload came within {PAYLOAD_WAIT:g} seconds")
            if nothing
            else PayloadTimeout(f"the payload was not complete within {READ_WAIT:g} seconds")
        )

    # --- what it tells -------------------------------------------------------------------------

    @property
    def reads(self) -> bool:
        """Whether the handler waits for the peer's bytes."""
        return self._phase in (_Phase.WAITING, _Phase.PAYLOAD, _Phase.READING)

    @property
    def used_payload(self) -> bool:
        """Whether the handler read its payload, or had it in a raw command's message."""
        return not self._reading.awaits_payload

    @property
    def unsent(self) -> int:
        """Bytes that the handler wrote and no `end_of_message` sent."""
        return self._writing.unsent

    # --- resuming the handler ------------------------------------------------------------------

    def _resume(self, payload: Any = None, error: BaseException | None = None) -> None:
        """Let the handler go on; nested calls only note what comes next, to keep the stack flat."""
        self._phase = _Phase.RUNNING
        self._next = payload, error
        if self._looping:
            return
        self._looping = True
        for _ in range(INLINE):
            if self._next is None:
                break
            (payload, error), self._next = self._next, None
            self._step(payload, error)
        self._looping = False
        if self._closing:
            self.close()
        elif self._next is not None and self._phase is _Phase.RUNNING:
            self._timer = self._clock.callLater(0, self._resume, *self._next)

    def _step(self, payload: Any, error: BaseException | None) -> None:
        try:
            request = self._steps.go_on(payload, error)
        except HandlerFailed as failure:
            self._end(failure.__cause__)
            return
        if request is None:
            self._end(None)
            return
        reply, timeout, formats = self._request = request
        if reply:
            try:
                if self._reading.gone:
                    raise PeerGone("the peer has closed the connection")
                self._writing.write(reply)
            except (TypeError, ValueError, OverflowError, PeerGone) as mistake:
                self._next = None, mistake
                return
        if self._held:
            return
        if formats is None and not timeout:
            # nothing to read and nothing to wait for: whatever `_wait` found, it would say this
            self._next = _WITH_NOTHING
            return
        self._wait()

    def _fail(self, error: Exception) -> None:
        self._resume(error=error)

    # --- waiting and reading -------------------------------------------------------------------

    def _wait(self) -> None:
        reply, timeout, formats = self._request
        reading = self._reading
        asks_first = reply is None and formats is not None
        if asks_first and reading.awaits_payload and not reading.readable:
            self._expect(PAYLOAD_WAIT, _Phase.PAYLOAD)
        elif timeout is None or reading.readable:
            self._begin_reading()
        elif timeout == 0:
            # others get their turn after `INLINE` steps, see `_resume`
            self._timed_out()
        else:
            self._phase = _Phase.WAITING
            self._timer = self._clock.callLater(timeout, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        self._resume()

    def _begin_reading(self) -> None:
        self._cancel()
        _, _, formats = self._request
        if formats is None:
            self._resume()
            return
        self._reading.begin()
        self._phase = _Phase.READING
        self._read_on()

    def _read_on(self) -> None:
        _, _, formats = self._request
        try:
            values = self._reading.read(formats or ())
        except (PayloadError, TypeError, PeerGone) as error:
            self._cancel()
            self._fail(error)
            return
        if values is not None:
            self._cancel()
            self._resume(values)
        elif self._deadline == math.inf:
            self._expect(READ_WAIT, _Phase.READING)

    # --- timers and the end --------------------------------------------------------------------

    def _expect(self, seconds: float, phase: _Phase) -> None:
        """Bound what the peer may take; coarse, because nearly every bound is met at once."""
        self._phase = phase
        self._deadline = self._clock.seconds() + seconds

    def _cancel(self) -> None:
        self._deadline = math.inf
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _stop(self) -> None:
        self._cancel()
        self._phase, self._next = _Phase.ENDED, None

    def _end(self, error: BaseException | None) -> None:
        self._stop()
        self._ended(error)
