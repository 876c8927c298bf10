"""Where mKTL's work is done: one reactor, threads for code that blocks, ways between.

A satellite or `co2-markd` says which reactor it runs (`use`). A plain script has none: the first
thing that needs one starts a reactor of its own in a thread. Everything on the wire happens in the
reactor's thread; a user's method that blocks is called in the pool.
"""

from __future__ import annotations

import atexit
import inspect
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.threads import blockingCallFromThread, deferToThreadPool
from twisted.python.threadpool import ThreadPool

from co2.api import keep_steady

MOST_THREADS = 64
"""Of code that blocks; each item has at most one SET and one refresh among them."""

THREADS_END_WITHIN = 2.0
"""Seconds for what still runs in threads at the end; what blocks for longer is left behind."""

_Value = TypeVar("_Value")
_lock = threading.Lock()
_current: Runtime | None = None


class Runtime:
    """See the module.

    Args:
        reactor: runs, or will run, in the thread that makes this.
        pool: for what blocks; None calls it straight away, which is for tests.
        ident: the reactor's thread; None counts every thread as it.
    """

    def __init__(
        self, reactor: Any, pool: ThreadPool | None = None, ident: int | None = None
    ) -> None:
        self.reactor = reactor
        self._pool = pool
        self._ident = ident

    def in_reactor(self) -> bool:
        """Say whether the caller is in the reactor's thread."""
        return self._ident is None or threading.get_ident() == self._ident

    def soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Call in the reactor's thread: now if this is it, else without waiting."""
        if self.in_reactor():
            function(*args)
        else:
            self.reactor.callFromThread(function, *args)

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call in the reactor's thread, and wait for the result, a Deferred's too.

        Raises:
            RuntimeError: called in the reactor's thread, for something that takes time there.
        """
        if not self.in_reactor():
            return blockingCallFromThread(self.reactor, _settled, function, *args)
        outcome: list[Any] = []
        failures: list[Any] = []
        waiting = _settled(function, *args)
        waiting.addCallbacks(outcome.append, failures.append)
        if failures:
            failures[0].raiseException()
        if not outcome:
            raise RuntimeError(
                "this would stop the reactor: use the method whose name ends in _later, or call "
                "it in a thread"
            )
        return outcome[0]

    def in_thread(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """Call in a thread of the pool; a Deferred or coroutine that it gives is waited for."""
        if self._pool is None:
            return _settled(function, *args)
        called = deferToThreadPool(self.reactor, self._pool, function, *args)
        return called.addCallback(awaited)

    def stop(self) -> None:
        """End the threads, once they are done; one that blocks does not keep the process."""
        if self._pool is not None and self._pool.started:
            ending = threading.Thread(target=self._pool.stop, name="mktl-end", daemon=True)
            ending.start()
            ending.join(THREADS_END_WITHIN)


def awaited(result: Any) -> Any:
    """Give a Deferred of what has to be waited for, and anything else as it is."""
    return ensureDeferred(result) if inspect.iscoroutine(result) else result


def is_awaited(result: Any) -> bool:
    """Tell a Deferred or a coroutine from a plain result."""
    return isinstance(result, Deferred) or inspect.iscoroutine(result)


def _settled(function: Callable[..., Any], *args: Any) -> Deferred[Any]:
    return maybeDeferred(lambda: awaited(function(*args)))


def use(reactor: Any) -> Runtime:
    """Let this process's mKTL run in the caller's thread, with that reactor.

    Raises:
        RuntimeError: it runs elsewhere already.
    """
    global _current  # noqa: PLW0603  # one a process, as its users expect
    with _lock:
        if _current is None:
            _current = _started(reactor, threading.get_ident())
            reactor.addSystemEventTrigger("after", "shutdown", _current.stop)
        elif _current.reactor is not reactor:
            raise RuntimeError("mKTL runs in another reactor of this process already")
        return _current


def current() -> Runtime:
    """Give this process's runtime; one with a thread of its own, if nobody has said which."""
    global _current  # noqa: PLW0603
    with _lock:
        if _current is None:
            _current = _in_own_thread()
        return _current


class _Thread(threading.Thread):
    """A thread that ends with the process, whatever a user's method waits for in it."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named, daemon=True)


class _Threads(ThreadPool):
    """A pool of these."""

    threadFactory: type[threading.Thread] = _Thread


def _started(reactor: Any, ident: int) -> Runtime:
    pool = _Threads(0, MOST_THREADS, "mktl")
    pool.start()
    return Runtime(reactor, pool, ident)


def _in_own_thread() -> Runtime:
    from twisted.internet.epollreactor import EPollReactor

    reactor = EPollReactor()
    keep_steady(reactor)
    thread = threading.Thread(target=reactor.run, args=(False,), name="mktl", daemon=True)
    thread.start()
    made = _started(reactor, thread.ident or 0)

    def end() -> None:
        made.stop()
        reactor.callFromThread(reactor.stop)
        thread.join(2.0)

    atexit.register(end)
    return made
