"""A cell holds one plugin, so that what it does hurts nobody else.

Everything that the server asks of a plugin goes through its cell: messages, methods, the end. A
cell catches whatever the plugin raises, times what does not return, moves calls into a thread for
plugins that say they block, and counts. It knows nothing of where messages come from.

A plugin whose `receive` was late is not waited for any more until one returns in time: its
messages are answered `timeout` at once, because those for the other plugins come behind them on
the same connection. It still gets them, up to a bound. A threaded plugin that does not return
keeps its thread; it gets none, with the same answer, until it has returned.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadable import isInIOThread
from zope.interface import implementer

from co2.api import Co2Plugin
from co2.errors import LocalError
from co2.interfaces import IProcedureSource, IReceiver
from co2.loading.worker import Worker
from co2.model.calls import Level
from co2.model.procedure import Procedure
from co2.model.topics import TopicFilter
from co2.rpc.registry import Refusal, Registry

_MOST_OPEN = 100
"""Messages that a plugin which is late again and again may have under way."""

_TEXT = 200
"""Characters of a plugin's own words that travel."""


@implementer(IReceiver, IProcedureSource)
class Cell:
    """See the module.

    Args:
        plugin: the instance.
        package: name of its package on the wire.
        module: name of its module.
        clock: for timing what does not return.
        receive_timeout: gives the seconds that a `receive` may take.
        worker: the plugin's thread, for `threaded = True`.
    """

    _log = Logger()

    def __init__(
        self,
        plugin: Co2Plugin,
        package: str,
        module: str,
        clock: IReactorTime,
        receive_timeout: Callable[[], float],
        worker: Worker | None,
    ) -> None:
        self.name = f"{package}.{module}.{type(plugin).__name__}"
        self.receives = type(plugin).receive is not Co2Plugin.receive or "receive" in vars(plugin)
        self.topics = TopicFilter(type(plugin).topics)
        self.newest = _wants_newest(type(plugin).backlog)
        self.state = "running"
        self.error = ""
        self.plugin = plugin
        self._package = package
        self._module = module
        self._clock = clock
        self._receive_timeout = receive_timeout
        self._worker = worker
        self._stuck = 0
        self._open = 0
        self._tardy = False

    def wants(self, topic: str | None, superseded: bool) -> bool:
        """Tell whether the plugin wants a message; see `IReceiver.wants`."""
        return self.topics.matches(topic) and not (superseded and self.newest)

    # -- messages ------------------------------------------------------------------------------

    def deliver(self, struct: dict[str, Any]) -> str | Deferred[str]:
        """Hand over a message; see `IReceiver.deliver`."""
        if self.state != "running":
            return "skipped"
        if self._tardy and self._open >= _MOST_OPEN:
            return "timeout"
        if self._worker is not None:
            if self._stuck:
                return "timeout"
            return self._await(self._worker.do(self.plugin.receive, struct))
        try:
            result = self.plugin.receive(struct)
        except (Exception, SystemExit):
            return self._raised(Failure())
        if result is None:
            return "ok"
        if isinstance(result, Deferred):
            return self._await(result)
        if inspect.iscoroutine(result):
            return self._await(ensureDeferred(result))
        return "ok"

    def _await(self, result: Deferred[Any]) -> Deferred[str]:
        outcome: Deferred[str] = Deferred()
        timer = self._clock.callLater(self._receive_timeout(), self._late, outcome, result)
        self._open += 1

        def returned(value: Any) -> None:
            # A coroutine that a threaded plugin has returned is run here, by the reactor.
            if inspect.iscoroutine(value):
                ensureDeferred(value).addBoth(returned)
                return
            self._open -= 1
            if timer.active():
                timer.cancel()
                self._tardy = False
            else:
                self._stuck = max(0, self._stuck - 1)
            if not outcome.called:
                outcome.callback(self._raised(value) if isinstance(value, Failure) else "ok")
            elif isinstance(value, Failure) and not value.check(CancelledError):
                self._raised(value)

        result.addBoth(returned)
        if self._tardy and not outcome.called:
            outcome.callback("timeout")
        return outcome

    def _late(self, outcome: Deferred[str], result: Deferred[Any]) -> None:
        if not self._tardy:
            self._log.error(
                "{plugin}.receive has not returned within {seconds} s: it is not waited for any "
                "more until it returns in time",
                plugin=self.name,
                seconds=self._receive_timeout(),
            )
        self._tardy = self._worker is None
        self._stuck += 1
        if not outcome.called:
            outcome.callback("timeout")
        if self._worker is None:
            result.cancel()

    def _raised(self, failure: Failure) -> str:
        self._log.failure("{plugin}.receive raised", failure, plugin=self.name)
        error = failure.value
        return f"raised: {type(error).__name__}: {words(error)}"[:_TEXT]

    # -- methods -------------------------------------------------------------------------------

    def procedures(self) -> Iterable[Procedure]:
        """Give the plugin's `x_` methods, and what it brings as a procedure source itself."""
        found = [
            self._procedure(
                f"{self._package}.{self._module}.{name[2:]}", getattr(self.plugin, name)
            )
            for name in dir(type(self.plugin))
            if name.startswith("x_") and callable(getattr(type(self.plugin), name))
        ]
        if IProcedureSource.providedBy(self.plugin):
            found.extend(self._own(one) for one in self.plugin.procedures())
        return found

    def enter(self, registry: Registry) -> list[Refusal]:
        """Enter the plugin's methods, which it may renew from then on.

        Returns:
            what was refused; contains what the plugin raises on the way.
        """
        self.plugin._enter_methods = partial(self._renew, registry)
        try:
            return registry.enter_source(self)
        except Exception as error:
            self._log.failure("{plugin}: its methods cannot be entered", plugin=self.name)
            self.error = f"its methods are missing: {type(error).__name__}: {words(error)}"
            return []

    def _renew(self, registry: Registry) -> list[str]:
        # the registry is a dict that callers look into at any time between two turns
        if not isInIOThread():
            raise LocalError(f"{self.name}: methods are renewed in the reactor's thread only")
        return [refusal.reason.text for refusal in registry.renew(self, self.name)]

    def _procedure(self, name: str, method: Callable[..., Any]) -> Procedure:
        level = getattr(method, "__co2_level__", Level.CALL)
        return Procedure(name, self._guard(method), level, described=method, owner=self.name)

    def _own(self, procedure: Procedure) -> Procedure:
        # A name that is not the package's is refused by the registry, which knows the owner.
        return Procedure(
            procedure.name,
            self._guard(procedure.function),
            procedure.level,
            procedure.aliases,
            procedure.subject,
            procedure.passes_caller,
            procedure.whole,
            self.name,
        )

    def _guard(self, method: Callable[..., Any]) -> Callable[..., Any]:
        worker = self._worker
        if worker is None or inspect.iscoroutinefunction(method):
            return method
        if inspect.isasyncgenfunction(method):
            return method
        if inspect.isgeneratorfunction(method):
            return worker.stepping(method)
        return lambda *args, **named: worker.do(method, *args, **named)

    # -- the end -------------------------------------------------------------------------------

    def exit(self, timeout: float) -> Deferred[None]:
        """Call the plugin's `__exit__`, and wait for it; never fails.

        Args:
            timeout: seconds that it may take.
        """
        self.state = "stopped"
        ending = maybeDeferred(self._call_exit)
        ending.addTimeout(timeout, self._clock)
        ending.addErrback(self._exit_failed)
        ending.addBoth(self._end)
        return ending

    def _call_exit(self) -> Any:
        arguments = (None, None, None) if _wants_exc_info(self.plugin.__exit__) else ()
        if self._worker is not None:
            return self._worker.do(self.plugin.__exit__, *arguments)
        try:
            result = self.plugin.__exit__(*arguments)
        except SystemExit as error:
            raise RuntimeError("__exit__ raised SystemExit") from error
        return ensureDeferred(result) if inspect.iscoroutine(result) else result

    def _exit_failed(self, failure: Failure) -> None:
        self._log.failure("{plugin}.__exit__ failed", failure, plugin=self.name)

    def _end(self, result: Any) -> None:
        if self._worker is not None:
            self._worker.stop()

    def as_record(self) -> dict[str, Any]:
        """Give what `system.get_properties` shows of the plugin."""
        version = getattr(self.plugin, "version", "")
        return {
            "name": f"{self._package}.{self._module}",
            "class": type(self.plugin).__name__,
            "version": version if isinstance(version, str) else repr(version),
            "state": self.state,
            "error": self.error,
        }


def _wants_newest(backlog: str) -> bool:
    if backlog not in ("everything", "newest"):
        raise ValueError(f"backlog = {backlog!r} is neither 'everything' nor 'newest'")
    return backlog == "newest"


def _wants_exc_info(method: Callable[..., Any]) -> bool:
    """Tell a context manager's `__exit__` from the seed's, which takes no arguments."""
    try:
        inspect.signature(method).bind()
    except TypeError:
        return True
    return False


def words(error: BaseException | None) -> str:
    """Give an exception's own text, even if asking for it raises."""
    try:
        return str(error)
    except Exception:
        return "(its text cannot be shown)"
