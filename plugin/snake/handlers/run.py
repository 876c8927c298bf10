"""Runs one handler against one connection.

How it works. `Steps` says what the handler asks for; a `Run` sends the reply, waits until
something can be read or the time is over, reads, and resumes the handler. It is told of bytes, of
the peer's leaving, and of a full send buffer; it never blocks, whatever the peer does.

Invariants: at most one timer is set, and only for a timeout of the handler's own; whoever owns the
run calls `look_at_deadline` every few seconds for the rest. After `_end` or `close` nothing of it
is left to happen: no timer, no generator. Values are never made up: what cannot be read or sent is
raised in the handler, at its yield.

The waits, all in seconds: the first payload may take `PAYLOAD_WAIT`, as the original's daemon
core allows; a payload that has begun, or is read without a timeout, may take `READ_WAIT`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from plugin.snake.cedar.errors import CedarError, PayloadError
from plugin.snake.cedar.framing import PACKET_BODY
from plugin.snake.cedar.values import MessageReader
from plugin.snake.cedar.wire import Wire
from plugin.snake.handlers import formats
from plugin.snake.handlers.sentinel import end_of_message
from plugin.snake.handlers.steps import HandlerFailed, Request, Steps

PAYLOAD_WAIT = 300.0
READ_WAIT = 20.0
_INLINE = 64
"""Steps that are taken in one turn of the event loop before others get theirs. A timeout of 0 is
a step like others: a turn for each would cost more than all else that a short reply does."""


_NOTHING = Request(None, None, None)


class PeerGone(ConnectionError):
    """The peer closed the connection while the handler wanted something of it."""


class PayloadTimeout(TimeoutError):
    """The payload did not come, or not all of it, in time."""


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
        self._steps, self._wire, self._flush = steps, wire, flush
        self._clock, self._ended = clock, ended
        self._message = payload
        self._awaits_payload = payload is None
        self._writer = wire.writer()
        self._phase = _Phase.RUNNING
        self._timer: IDelayedCall | None = None
        self._request = _NOTHING
        self._deadline = math.inf
        self._values: list[Any] = []
        self._next: Callable[[], Request | None] | None = None
        self._send_nothing = partial(steps.send, None)
        self._looping = self._held = self._gone = self._closing = False

    # --- what it is told -----------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._resume(self._steps.start)

    def received(self) -> None:
        """The wire has new bytes."""
        if self._phase in (_Phase.WAITING, _Phase.PAYLOAD):
            self._begin_reading()
        elif self._phase is _Phase.READING:
            self._read_on()

    def peer_left(self) -> None:
        """The connection is closed."""
        self._gone = True
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

    @property
    def reads(self) -> bool:
        """Whether the handler waits for the peer's bytes."""
        return self._phase in (_Phase.WAITING, _Phase.PAYLOAD, _Phase.READING)

    @property
    def used_payload(self) -> bool:
        """Whether the handler read its payload, or had it in a raw command's message."""
        return not self._awaits_payload

    @property
    def unsent(self) -> int:
        """Bytes that the handler wrote and no `end_of_message` sent."""
        return self._writer.size

    # --- resuming the handler ------------------------------------------------------------------

    def _resume(self, advance: Callable[[], Request | None]) -> None:
        """Let the handler go on; nested calls only note what comes next, to keep the stack flat."""
        self._phase = _Phase.RUNNING
        self._next = advance
        if self._looping:
            return
        self._looping = True
        for _ in range(_INLINE):
            if self._next is None:
                break
            advance, self._next = self._next, None
            self._step(advance)
        self._looping = False
        if self._closing:
            self.close()
        elif self._next is not None and self._phase is _Phase.RUNNING:
            self._timer = self._clock.callLater(0, self._resume, self._next)

    def _step(self, advance: Callable[[], Request | None]) -> None:
        try:
            request = advance()
        except HandlerFailed as failure:
            self._end(failure.__cause__)
            return
        if request is None:
            self._end(None)
            return
        try:
            self._reply(request.reply or ())
        except (TypeError, ValueError, OverflowError, PeerGone) as error:
            self._next = partial(self._steps.throw, error)
            return
        self._request = request
        if self._held:
            return
        if request.formats is None and not request.timeout:
            # nothing to read and nothing to wait for: whatever `_wait` found, it would say this
            self._next = self._send_nothing
            return
        self._wait()

    def _reply(self, reply: tuple[Any, ...]) -> None:
        if reply and self._gone:
            raise PeerGone("the peer has closed the connection")
        writer = self._writer
        mark = writer.mark()
        for item in reply:
            try:
                if item is end_of_message:
                    self._send(last=True)
                elif item is not None:
                    formats.write(item, writer)
                    if writer.size >= PACKET_BODY:
                        self._send(last=False)
            except BaseException:
                writer.rollback(mark)
                raise
            if writer.size == 0:
                mark = writer.mark()

    def _send(self, last: bool) -> None:
        self._wire.send(self._writer, last)
        self._flush()

    # --- waiting -------------------------------------------------------------------------------

    def _wait(self) -> None:
        request = self._request
        asks_first = self._awaits_payload and request.reply is None and request.formats is not None
        if asks_first and not self._readable():
            self._expect(PAYLOAD_WAIT, _Phase.PAYLOAD)
            return
        if request.timeout is None:
            self._begin_reading()
        elif request.timeout == 0 or self._readable():
            # others get their turn after `_INLINE` steps, see `_resume`
            self._turned()
        else:
            self._set(request.timeout, self._timed_out, _Phase.WAITING)

    def _readable(self) -> bool:
        unread = self._message is not None and self._message.left > 0
        return unread or self._wire.started or self._gone

    def _turned(self) -> None:
        self._timer = None
        if self._readable():
            self._begin_reading()
        else:
            self._timed_out()

    def _timed_out(self) -> None:
        self._timer = None
        self._resume(self._send_nothing)

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

    def _fail(self, error: Exception) -> None:
        self._resume(partial(self._steps.throw, error))

    # --- reading -------------------------------------------------------------------------------

    def _begin_reading(self) -> None:
        self._cancel()
        if self._request.formats is None:
            self._resume(self._send_nothing)
            return
        self._values = []
        self._phase = _Phase.READING
        self._read_on()

    def _read_on(self) -> None:
        try:
            complete = self._gather(self._request.formats or ())
        except (PayloadError, TypeError, PeerGone) as error:
            self._cancel()
            self._fail(error)
        except CedarError as error:
            self._cancel()
            self._gone = True
            self._fail(PeerGone(str(error)))
        else:
            if complete:
                self._cancel()
                self._resume(partial(self._steps.send, tuple(self._values)))
            elif self._deadline == math.inf:
                self._expect(READ_WAIT, _Phase.READING)

    def _gather(self, wanted: tuple[Any, ...]) -> bool:
        """Read as many values as there are; tell whether these are all."""
        while len(self._values) < len(wanted):
            item = wanted[len(self._values)]
            if item is None:
                self._values.append(None)
                continue
            if self._message is None:
                self._message = self._wire.message()
            if self._message is None:
                if self._gone:
                    raise PeerGone("the peer closed the connection before its payload was complete")
                return False
            self._awaits_payload = False
            self._values.append(formats.read(item, self._message))
            if item is end_of_message:
                self._message = None
        return True

    # --- timers and the end --------------------------------------------------------------------

    def _set(self, seconds: float, then: Callable[[], None], phase: _Phase) -> None:
        self._phase = phase
        self._timer = self._clock.callLater(seconds, then)

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
