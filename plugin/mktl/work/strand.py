"""Work of one item in order: the next piece begins when the former has ended.

A `Strand` is for the reactor's thread and holds nobody up: a piece that gives its result at once
costs no Deferred. `Callbacks` hands news to functions of users, in order and away from the reactor.
"""

from __future__ import annotations

import inspect
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from plugin.mktl.work.runtime import Runtime, awaited

MOST_NEWS = 100_000
"""Values that may wait for a callback that does not return, before the oldest are dropped."""


class Strand:
    """See the module."""

    __slots__ = ("_busy", "_waiting")

    def __init__(self) -> None:
        self._busy = False
        self._waiting: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()

    def do(self, work: Callable[[], Any]) -> Any:
        """Do a piece of work after all earlier ones.

        Returns:
            its result if that is there at once, else a Deferred of it.

        Raises:
            whatever the work raises, if it is done at once.
        """
        if self._busy:
            later: Deferred[Any] = Deferred()
            self._waiting.append((work, later))
            return later
        self._busy = True
        try:
            result = work()
        except BaseException:
            self._go_on()
            raise
        if isinstance(result, Deferred):
            return result.addBoth(self._ended)
        self._go_on()
        return result

    def _ended(self, result: Any) -> Any:
        self._go_on()
        return result

    def _go_on(self) -> None:
        while self._waiting:
            work, later = self._waiting.popleft()
            doing = maybeDeferred(work)
            if not doing.called or doing.paused:
                doing.addBoth(self._ended).chainDeferred(later)
                return
            doing.chainDeferred(later)
        self._busy = False


class Callbacks:
    """The functions that want an item's new values, kept by weak references.

    Args:
        runtime: where they are called.
    """

    _log = Logger()

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._blocking: list[Any] = []
        self._inline: list[Any] = []
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Any, ...]] = deque(maxlen=MOST_NEWS)
        self._running = False
        self._told_behind = False
        self.idle = threading.Event()
        self.idle.set()

    def add(self, function: Callable[..., Any], inline: bool) -> None:
        """Add a function; an inline one is called in the reactor's thread and may be a coroutine's.

        Raises:
            TypeError: it cannot be called.
        """
        if not callable(function):
            raise TypeError(f"{function!r} is no function")
        reference: Any = (
            weakref.WeakMethod(function) if inspect.ismethod(function) else weakref.ref(function)
        )
        references = self._inline if inline else self._blocking
        # Not by the references: those to methods of two items are equal if the items' values are.
        if all(known() != function for known in tuple(references)):
            references.append(reference)

    def __bool__(self) -> bool:
        return bool(self._inline or self._blocking)

    def tell(self, *event: Any) -> None:
        """Call them all with the news; in the reactor's thread."""
        for function in _alive(self._inline):
            maybeDeferred(_call, function, event).addErrback(self._failed, function)
        if self._blocking:
            with self._lock:
                if len(self._waiting) == MOST_NEWS and not self._told_behind:
                    self._told_behind = True
                    self._log.warn("callbacks are too slow: values left out: {event}", event=event)
                self._waiting.append(event)
                if self._running:
                    return
                self._running = True
                self.idle.clear()
            self._runtime.in_thread(self._drain)

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    self.idle.set()
                    return
                event = self._waiting.popleft()
            for function in _alive(self._blocking):
                try:
                    function(*event)
                except Exception:
                    self._failed(Failure(), function)

    def _failed(self, failure: Failure, function: Any) -> None:
        name = getattr(function, "__qualname__", repr(function))
        self._log.failure("the callback {name} raised", failure, name=name)


def _call(function: Callable[..., Any], event: tuple[Any, ...]) -> Any:
    return awaited(function(*event))


def _alive(references: list[Any]) -> list[Callable[..., Any]]:
    found = []
    for reference in tuple(references):
        function = reference()
        if function is None:
            references.remove(reference)
        else:
            found.append(function)
    return found
