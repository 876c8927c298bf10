"""A thread of a plugin's own, that does one thing after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from twisted.python.failure import Failure

from co2.errors import ShuttingDown

_END = object()
_Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Deferred[Any]]


class Worker:
    """Runs functions in a daemon thread, so that one that never returns cannot hold up the end.

    Args:
        name: the thread's.
        reactor: results come back through it.
    """

    _log = Logger()

    def __init__(self, name: str, reactor: IReactorFromThreads) -> None:
        self._name = name
        self._reactor = reactor
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._waiting = 0
        self._stopped = False
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many tasks are not done yet, the one under way included."""
        return self._waiting

    def do(self, function: Callable[..., Any], *args: Any, **named: Any) -> Deferred[Any]:
        """Run a function as soon as the earlier ones are done; ShuttingDown after `stop`."""
        if self._stopped:
            return fail(ShuttingDown("the plugin has been stopped", retry_after=2.0))
        done: Deferred[Any] = Deferred()
        self._waiting += 1
        self._tasks.put((function, args, named, done))
        return done

    def stepping(
        self, method: Callable[..., Generator[Any, Any, Any]]
    ) -> Callable[..., AsyncGenerator[Any, Any]]:
        """Give a method that does what a generator method does, each step of it in the thread."""

        async def steps(*args: Any, **named: Any) -> AsyncGenerator[Any, Any]:
            generator = method(*args, **named)
            given = None
            try:
                while (reply := await self.do(_step, generator, given)) is not _END:
                    given = yield reply
            finally:
                await self.do(generator.close)

        return steps

    def stop(self) -> None:
        """End the thread after the tasks that wait; does not wait for it."""
        self._stopped = True
        self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            function, args, named, done = task
            result: Any
            try:
                result = function(*args, **named)
            except BaseException:
                # Whatever a plugin raises, SystemExit too, must end its call and not its thread.
                result = Failure()
            self._reactor.callFromThread(self._done, done, result)

    def _done(self, done: Deferred[Any], result: Any) -> None:
        self._waiting -= 1
        if done.called:
            # Whoever asked has gone: what it raised is still worth a line in the log.
            if isinstance(result, Failure):
                self._log.failure("{name} raised when nobody waited", result, name=self._name)
        elif isinstance(result, Deferred):
            result.chainDeferred(done)
        else:
            done.callback(result)


def _step(generator: Generator[Any, Any, Any], given: Any) -> Any:
    try:
        return generator.send(given)
    except StopIteration:
        return _END
