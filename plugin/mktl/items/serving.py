"""What an item does where it is owned: GET, SET, refresh, poll, validate, publish.

The seed's names are the ones that are called; the later generations' (`perform_get`, `perform_set`,
`perform_poll`) are called by these. A method that a subclass overrides may block: it is called in a
thread, unless it is `async def`, or the class says `blocking = False`. SETs of an item are done one
after the other, and so are its refreshes.
"""

from __future__ import annotations

import copy
import functools
import inspect
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from plugin.mktl.values.kinds import check_value, same
from plugin.mktl.wire.dialects import done
from plugin.mktl.wire.message import Bulk, Payload, Request, make_bulk
from plugin.mktl.work.runtime import awaited, is_awaited
from plugin.mktl.work.strand import Callbacks, Strand

if TYPE_CHECKING:
    from plugin.mktl.items.board import Board
    from plugin.mktl.items.store import Store
    from plugin.mktl.keeping.keeper import Keeper
    from plugin.mktl.values.description import Description

_HOOKS = {
    "get": ("req_get",),
    "poll": ("req_poll", "perform_poll", "req_refresh", "perform_get"),
    "set": ("req_set", "validate", "validate_type", "perform_set", "from_payload", "publish"),
}


class NotAllowed(PermissionError):
    """The item's description says that it cannot be set, or read."""


@functools.cache
def _at_once(kind: type, names: tuple[str, ...]) -> bool:
    if not kind.blocking:  # type: ignore[attr-defined]  # every Item has it
        return True
    own = [getattr(kind, name) for name in names]
    return all(
        method.__module__ == __name__ or inspect.iscoroutinefunction(method) for method in own
    )


class Serving:
    """See the module; a part of `Item`."""

    _log = Logger()
    blocking: bool
    publish_on_set: bool
    store: Store
    key: str
    full_key: str
    about: Description
    _value: Any
    _time: float | None
    _callbacks: Callbacks | None

    def _serve(self, pub: Board | None) -> None:
        if pub is None:
            raise ValueError(f"{self.full_key}: an authoritative item needs a daemon's 'pub'")
        self.pub = pub
        self._sets: Strand | None = None
        self._refreshes: Strand | None = None
        self._polling: LoopingCall | None = None
        self._period: float | None = None
        self.keeper: Keeper | None = None
        self.ready = False

    def answers_at_once(self, what: str) -> bool:
        """Say whether 'get', 'poll' or 'set' of this item can be called by the reactor."""
        kind: Any = type(self)
        return _at_once(kind, _HOOKS[what])

    def refreshes_itself(self) -> bool:
        """Say whether the class knows how to acquire a fresh value."""
        kind = type(self)
        return (
            kind.req_refresh is not Serving.req_refresh
            or kind.perform_get is not Serving.perform_get
        )

    # -- what subclasses override ----------------------------------------------------------------

    def req_get(self, request: Request) -> Any:
        """Answer a GET: the known value, or with `refresh` a fresh one; gives {'value', 'time'}."""
        if request.payload.refresh or (self._time is None and self.refreshes_itself()):
            refreshed = self.perform_poll()
            if is_awaited(refreshed):
                return awaited(refreshed).addCallback(lambda _: self._payload())
        return self._payload()

    def req_poll(self, *event: Any, repeat: bool = False) -> Any:
        """Refresh, and publish what is new; may be registered as a callback of other items."""
        if len(event) == 1:
            repeat = bool(event[0])
        refreshed = self.req_refresh()
        if is_awaited(refreshed):
            return awaited(refreshed).addCallback(self._publish_refreshed, repeat)
        return self._publish_refreshed(refreshed, repeat)

    def perform_poll(self, *event: Any, repeat: bool = False) -> Any:
        """Do `req_poll`; the name of later generations."""
        return self.req_poll(*event, repeat=repeat)

    def req_refresh(self) -> Any:
        """Acquire the newest value: {'value', 'time'}, or None if there is nothing new."""
        got = self.perform_get()
        if is_awaited(got):
            return awaited(got).addCallback(_as_refreshed)
        return _as_refreshed(got)

    def perform_get(self) -> Any:
        """Acquire the newest value: itself, a `Payload`, or None if there is nothing new."""
        return None

    def req_set(self, request: Request) -> Any:
        """Do a SET: check, validate, perform, publish; what it gives goes back to the client.

        Raises:
            anything, which is what the client is told.
        """
        value = self.validate(self.validate_type(self.from_payload(request.payload)))
        if is_awaited(value):
            return awaited(value).addCallback(self._set_checked)
        return self._set_checked(value)

    def validate_type(self, value: Any) -> Any:
        """Give the value in the form of the item's type; see `kinds.check_value`."""
        return check_value(self.about, value)

    def validate(self, value: Any) -> Any:
        """Give the value that shall be set, or raise; this one takes it as it is."""
        return value

    def perform_set(self, new_value: Any) -> Any:
        """Bring the new value about; this one has nothing to do."""

    def from_payload(self, payload: Payload) -> Any:
        """Take the value out of a request."""
        return payload.get("value") if payload.bulk is None else payload.bulk

    def publish(self, new_value: Any, timestamp: float | None = None, repeat: bool = False) -> None:
        """Make a new value known: to this process at once, to subscribers in order.

        Args:
            new_value: as Python has it.
            timestamp: UNIX seconds; now, if it is not given.
            repeat: publish it even if it is the same as before.
        """
        if type(new_value) not in (int, float, str, bool):
            new_value = _kept_form(new_value)
        board = self.pub
        with board.lock:
            if not repeat and self._time is not None and same(new_value, self._value):
                return
            self._value = new_value
            self._time = time.time() if timestamp is None else timestamp
            payload = self._payload()
            board.post(self, payload)
        board.wake()

    def poll(self, period: float | None) -> None:
        """Refresh and publish every `period` seconds; None or 0 stops that."""
        self._period = period or None
        if self.ready:
            self.pub.runtime.soon(self._poll_again)

    # -- what the daemon calls, in the reactor's thread --------------------------------------------

    def take_get(self, request: Request) -> Any:
        """Answer a GET; gives a `Payload` or a Deferred of one.

        Raises:
            NotAllowed: it cannot be read.
        """
        if not self.about.gettable:
            raise NotAllowed(f"{self.full_key} cannot be read")
        refresh = request.payload.get("refresh") or (self._time is None and self.refreshes_itself())
        if not self.answers_at_once("get"):
            return self._in_turn("_refreshes", self.req_get, False, (request,), self._as_reply)
        if not refresh:
            return self._payload()
        at_once = self.answers_at_once("poll")
        return self._in_turn("_refreshes", self.perform_poll, at_once, (), self._as_reply)

    def take_set(self, request: Request) -> Any:
        """Do a SET after all earlier ones; gives a `Payload` or a Deferred of one.

        Raises:
            NotAllowed: it cannot be set.
            whatever refuses the value.
        """
        if not self.about.settable:
            raise NotAllowed(f"{self.full_key} is read-only")
        at_once = self.answers_at_once("set")
        result = self._in_turn("_sets", self.req_set, at_once, (request,), _as_done)
        if self.keeper is None:
            return result
        # Outside of the turn, so that the SETs that wait share one write to the disk.
        return (
            result.addCallback(self._safe) if isinstance(result, Deferred) else self._safe(result)
        )

    def restore(self, payload: Payload) -> Any:
        """Set a value that was kept, by the same code as a client's; a read-only one too."""
        request = Request(b"", "SET", self.full_key, payload)
        call = (self.req_set, self.answers_at_once("set"), (request,))
        return self._in_turn("_sets", *call, lambda result: result)

    def begin(self) -> None:
        """Begin to poll, if that was asked for."""
        self.ready = True
        self._poll_again()

    def end(self) -> None:
        """Stop polling."""
        self._period = None
        self._poll_again()

    def told(self, payload: Payload) -> None:
        """Keep a publication that has gone out, and call back."""
        if self.keeper is not None:
            self.keeper.keep(self.key, payload)
        if self._callbacks:
            self._call_back()

    def _call_back(self) -> None:
        raise NotImplementedError

    # -- within ------------------------------------------------------------------------------------

    def _in_turn(
        self,
        strand: str,
        method: Callable[..., Any],
        at_once: bool,
        arguments: tuple[Any, ...],
        then: Callable[[Any], Any],
    ) -> Any:
        line: Strand | None = getattr(self, strand)
        if line is None:
            line = Strand()
            setattr(self, strand, line)

        def work() -> Any:
            if not at_once:
                return self.pub.runtime.in_thread(method, *arguments).addCallback(then)
            result = awaited(method(*arguments))
            return result.addCallback(then) if isinstance(result, Deferred) else then(result)

        return line.do(work)

    def _safe(self, payload: Payload) -> Any:
        safe = self.keeper.settled() if self.keeper is not None else None
        return payload if safe is None else safe.addCallback(lambda _: payload)

    def _as_reply(self, result: Any) -> Payload:
        if isinstance(result, Payload):
            return result
        return self._payload()

    def _payload(self) -> Payload:
        value, when = self._value, self._time
        if type(value) is Bulk:
            return Payload(None, when, value)
        return Payload(value, time.time() if when is None else when)

    def _publish_refreshed(self, refreshed: Any, repeat: bool) -> Any:
        if refreshed is None:
            return None
        if not isinstance(refreshed, dict) or "value" not in refreshed:
            raise TypeError(f"{self.full_key}: req_refresh gives {{'value', 'time'}} or None")
        bulk = getattr(refreshed, "bulk", None)
        value = refreshed["value"] if bulk is None else bulk
        self.publish(value, refreshed.get("time"), repeat)
        return refreshed

    def _set_checked(self, value: Any) -> Any:
        performed = self.perform_set(value)
        if is_awaited(performed):
            return awaited(performed).addCallback(self._set_performed, value)
        return self._set_performed(performed, value)

    def _set_performed(self, result: Any, value: Any) -> Any:
        if self.publish_on_set:
            self.publish(value)
        return result

    def _poll_again(self) -> None:
        if self._polling is not None:
            self._polling.stop()
            self._polling = None
        if self._period is not None and self.ready:
            self._polling = LoopingCall(self._poll_now)
            self._polling.clock = self.pub.runtime.reactor
            self._polling.start(self._period, now=True)

    def _poll_now(self) -> Any:
        at_once = self.answers_at_once("poll")
        try:
            doing = self._in_turn("_refreshes", self.perform_poll, at_once, (), lambda _: None)
        except Exception:
            self._poll_failed(Failure())
            return None
        return doing.addErrback(self._poll_failed) if isinstance(doing, Deferred) else None

    def _poll_failed(self, failure: Failure) -> None:
        self._log.failure("{item}: the poll raised", failure, item=self.full_key)

    def _refresh_here(self, refresh: bool) -> None:
        """Refresh for code in this process: in its own thread, or where the reactor is."""
        if not refresh:
            return
        if self.answers_at_once("poll"):
            self.pub.runtime.run(self.perform_poll)
        else:
            self.perform_poll()

    def _set_here(self, value: Any) -> None:
        self.publish(check_value(self.about, value))


def _kept_form(value: Any) -> Any:
    """Copy what its owner could change in place, so that the change is seen as one."""
    if isinstance(value, list | dict):
        return copy.deepcopy(value)
    if not hasattr(value, "tobytes"):
        return value
    return value.item() if getattr(value, "shape", None) == () else make_bulk(value)


def _as_done(result: Any) -> Payload:
    return done() if result is None or result is True else Payload(result)


def _as_refreshed(got: Any) -> dict[str, Any] | None:
    if got is None or isinstance(got, Payload):
        return got
    return {"value": got, "time": time.time()}
