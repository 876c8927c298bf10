"""What an item does where it is owned, in the reactor's thread: requests and polls in their turn.

A method that a subclass overrides may block: it is called in a thread, unless it is `async def`, or
the class says `blocking = False`. SETs of an item are done one after the other, and so are its
refreshes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from plugin.mktl.items.hooks import Hooks
from plugin.mktl.values.kinds import check_value
from plugin.mktl.wire.dialects import done
from plugin.mktl.wire.message import Payload, Request
from plugin.mktl.work.runtime import awaited
from plugin.mktl.work.strand import Callbacks, Strand

if TYPE_CHECKING:
    from plugin.mktl.items.board import Board
    from plugin.mktl.keeping.keeper import Keeper

_CALLED = {
    "get": ("req_get",),
    "poll": ("req_poll", "perform_poll", "req_refresh", "perform_get"),
    "set": ("req_set", "validate", "validate_type", "perform_set", "from_payload", "publish"),
}
"""What each of them may call."""


@functools.cache
def _at_once(kind: Any, names: tuple[str, ...]) -> bool:
    if not kind.blocking:
        return True
    return all(
        getattr(kind, name) is getattr(Hooks, name)
        or inspect.iscoroutinefunction(getattr(kind, name))
        for name in names
    )


class Owned(Hooks):
    """See the module; a part of `Item`."""

    blocking: bool
    _callbacks: Callbacks | None

    def _own(self, pub: Board) -> None:
        self.pub = pub
        self._given = frozenset()
        self._sets: Strand | None = None
        self._refreshes: Strand | None = None
        self._polling: LoopingCall | None = None
        self._period: float | None = None
        self.keeper: Keeper | None = None
        self.ready = False

    def answers_at_once(self, what: str) -> bool:
        """Say whether 'get', 'poll' or 'set' of this item can be called by the reactor."""
        kind: Any = type(self)
        names = _CALLED[what]
        return _at_once(kind, names) and (not self.blocking or self._given.isdisjoint(names))

    def poll(self, period: float | None) -> None:
        """Refresh and publish every `period` seconds; None or 0 stops that."""
        self._period = period or None
        if self.ready:
            self.pub.runtime.soon(self._poll_again)

    # -- what the daemon calls ---------------------------------------------------------------------

    def take_get(self, request: Request) -> Any:
        """Answer a GET; gives a `Payload` or a Deferred of one.

        Raises:
            NotAllowed: it cannot be read.
        """
        if not self.about.gettable:
            return self.reject_get(request)
        if self.overrides("req_get"):
            at_once = self.answers_at_once("get")
            return self._in_turn("_refreshes", self.req_get, at_once, (request,), self._as_reply)
        if not request.payload.get("refresh") and (
            self._time is not None or not self.refreshes_itself()
        ):
            return self._payload()
        at_once = self.answers_at_once("poll")
        refreshed = (self.perform_poll, at_once, (), lambda _: self._payload())
        return self._in_turn("_refreshes", *refreshed)

    def take_set(self, request: Request) -> Any:
        """Do a SET after all earlier ones; gives a `Payload` or a Deferred of one.

        Raises:
            NotAllowed: it cannot be set.
            whatever refuses the value.
        """
        if not self.about.settable:
            return self.reject_set(request)
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
        """Take what an author's `req_get` gives: a payload, {'value', 'time'}, or None."""
        if isinstance(result, Payload):
            return result
        if isinstance(result, dict) and "value" in result:
            return self.to_payload(result["value"], result.get("time"))
        return self._payload()

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


def _as_done(result: Any) -> Payload:
    if isinstance(result, Payload):
        return result
    return done() if result is None or result is True else Payload(result)
