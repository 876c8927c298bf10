"""One generator, sync or async, as a state machine: it replies, asks, ends, and is closed.

How it works. `TRANSITIONS` is the whole machine; `Dialogue._move` is the only place that changes
`stage`, and an event that the table does not have at that stage is a bug and raises. Requests come
from above (`resume`, `close`); events come from `_Steps`, which hide whether the generator is
sync, and then the event is there before `send` returns, or async, and then perhaps later.

    READY     suspended at a reply, or not begun; nothing runs until somebody resumes it
    ASKING    suspended at an Ask; to be resumed with the payload
    RUNNING   its code runs, or waits for something
    STOPPING  it was closed while RUNNING: what it waits for is cancelled, its next event awaited
    CLOSING   its `finally` runs
    ENDED     no code of it will ever run again

Invariants: a generator is closed exactly once, whatever it does; `closed()` fires when ENDED is
reached and never fails. It knows nothing of steps, callers, time or faults.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from enum import Enum, auto
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred

from co2.model.conversation import Ask
from co2.rpc.incidents import Incidents

AnyGenerator = Generator[Any, Any, Any] | AsyncGenerator[Any, Any]


class Begun(NamedTuple):
    """A conversation that has not run yet.

    `method` and `owner` name it; `unbound` are the call's values if they bound to no parameter,
    and so are the first input; `incidents` turns what it raises into a fault.
    """

    generator: AnyGenerator
    method: str
    owner: str
    unbound: tuple[Any, ...]
    incidents: Incidents


class Stage(Enum):
    """Where a dialogue stands."""

    READY = auto()
    ASKING = auto()
    RUNNING = auto()
    STOPPING = auto()
    CLOSING = auto()
    ENDED = auto()


class Event(Enum):
    """What happens to a dialogue."""

    RESUMED = auto()
    REPLIED = auto()
    ASKED = auto()
    RETURNED = auto()
    RAISED = auto()
    CLOSE_WANTED = auto()
    FINALLY_DONE = auto()


TRANSITIONS: dict[Stage, dict[Event, Stage]] = {
    Stage.READY: {
        Event.RESUMED: Stage.RUNNING,
        Event.CLOSE_WANTED: Stage.CLOSING,
    },
    Stage.ASKING: {
        Event.RESUMED: Stage.RUNNING,
        Event.CLOSE_WANTED: Stage.CLOSING,
    },
    Stage.RUNNING: {
        Event.REPLIED: Stage.READY,
        Event.ASKED: Stage.ASKING,
        Event.RETURNED: Stage.ENDED,
        Event.RAISED: Stage.ENDED,
        Event.CLOSE_WANTED: Stage.STOPPING,
    },
    Stage.STOPPING: {
        Event.REPLIED: Stage.CLOSING,
        Event.ASKED: Stage.CLOSING,
        Event.RETURNED: Stage.ENDED,
        Event.RAISED: Stage.ENDED,
        Event.CLOSE_WANTED: Stage.STOPPING,
    },
    Stage.CLOSING: {
        Event.FINALLY_DONE: Stage.ENDED,
        Event.CLOSE_WANTED: Stage.CLOSING,
    },
    Stage.ENDED: {
        Event.CLOSE_WANTED: Stage.ENDED,
    },
}


_Happened = Callable[[Event, Any], None]
_Later = Callable[[Callable[[], None]], object]


class Dialogue:
    """A generator that is being talked to.

    Args:
        begun: the generator and what names it in the log.
        heard: called after every event that came from the generator.
        later: calls a function when what runs now has returned to the reactor.

    Attributes:
        stage: where it stands.
        replies: what it has said and nobody has taken yet.
        prompt: what it said when it asked last.
        failure: what it raised, where that is what ended it.
    """

    def __init__(self, begun: Begun, heard: Callable[[], None], later: _Later) -> None:
        self.stage = Stage.READY
        self.replies: deque[Any] = deque()
        self.prompt: Any = None
        self.failure: BaseException | None = None
        self._begun = begun
        self._heard = heard
        self._steps = _steps_of(begun.generator, self._happened, later)
        self._awaiting_end: list[Deferred[None]] = []

    def resume(self, payload: Any = None) -> None:
        """Let it run to its next reply or request; `payload` is what it asked for."""
        self._move(Event.RESUMED)
        self._steps.send(payload)

    def close(self) -> None:
        """End it where it stands: its `finally` runs now, or once what it awaits is cancelled."""
        before = self.stage
        self._move(Event.CLOSE_WANTED)
        if before is Stage.RUNNING:
            self._steps.cancel()
        elif before is not self.stage:
            self._steps.close()

    def closed(self) -> Deferred[None]:
        """Give a Deferred that fires when no code of the generator will run again."""
        deferred: Deferred[None] = Deferred()
        if self.stage is Stage.ENDED:
            deferred.callback(None)
        else:
            self._awaiting_end.append(deferred)
        return deferred

    def _move(self, event: Event) -> None:
        self.stage = TRANSITIONS[self.stage][event]

    def _happened(self, event: Event, value: Any) -> None:
        stopping = self.stage in (Stage.STOPPING, Stage.CLOSING)
        self._move(event)
        if stopping:
            self._note_stray(event, value)
        elif event is Event.REPLIED:
            self.replies.append(value)
        elif event is Event.ASKED:
            self.prompt = value.prompt
        elif event is Event.RAISED:
            self.failure = value
        if self.stage is Stage.CLOSING:
            self._steps.close()
            return
        if self.stage is Stage.ENDED:
            waiting, self._awaiting_end = self._awaiting_end, []
            for deferred in waiting:
                deferred.callback(None)
        self._heard()

    def _note_stray(self, event: Event, value: Any) -> None:
        """Log what it raised while it was being closed: there is nobody left to tell."""
        if isinstance(value, BaseException) and not isinstance(value, CancelledError):
            self._begun.incidents.record(value, self._begun.method, self._begun.owner)


class _SyncSteps:
    """A plain generator: every event comes before `send` or `close` returns."""

    def __init__(self, generator: Generator[Any, Any, Any], happened: _Happened) -> None:
        self._generator = generator
        self._happened = happened

    def send(self, payload: Any) -> None:
        try:
            item = self._generator.send(payload)
        except StopIteration:
            self._happened(Event.RETURNED, None)
        except (Exception, SystemExit) as error:
            self._happened(Event.RAISED, error)
        else:
            self._happened(_event_of(item), item)

    def cancel(self) -> None:
        """Its own code asked for its end: it is closed when that code yields."""

    def close(self) -> None:
        raised: BaseException | None = None
        try:
            self._generator.close()
        except (Exception, SystemExit) as error:
            raised = error
        self._happened(Event.FINALLY_DONE, raised)


class _AsyncSteps:
    """An async generator: an event comes when what it awaits has come."""

    def __init__(
        self, generator: AsyncGenerator[Any, Any], happened: _Happened, later: _Later
    ) -> None:
        self._generator = generator
        self._happened = happened
        self._later = later
        self._pending: Deferred[None] | None = None

    def send(self, payload: Any) -> None:
        self._pending = Deferred.fromCoroutine(self._send(payload))

    async def _send(self, payload: Any) -> None:
        try:
            item = await self._generator.asend(payload)
        except StopAsyncIteration:
            self._happened(Event.RETURNED, None)
        except (Exception, SystemExit) as error:
            self._happened(Event.RAISED, error)
        else:
            self._happened(_event_of(item), item)

    def cancel(self) -> None:
        if getattr(self._generator, "ag_await", self) is None:
            # Its own code asked for its end, and awaits nothing that could be cancelled yet.
            self._later(self._cancel_pending)
        else:
            self._cancel_pending()

    def _cancel_pending(self) -> None:
        if self._pending is not None:
            self._pending.cancel()

    def close(self) -> None:
        self._pending = Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        raised: BaseException | None = None
        try:
            await self._generator.aclose()
        except (Exception, SystemExit) as error:
            raised = error
        self._happened(Event.FINALLY_DONE, raised)


def _steps_of(
    generator: AnyGenerator, happened: _Happened, later: _Later
) -> _SyncSteps | _AsyncSteps:
    if isinstance(generator, AsyncGenerator):
        return _AsyncSteps(generator, happened, later)
    return _SyncSteps(generator, happened)


def _event_of(item: Any) -> Event:
    return Event.ASKED if isinstance(item, Ask) else Event.REPLIED
