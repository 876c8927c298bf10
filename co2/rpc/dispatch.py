"""Runs a call: finds the method, checks the caller's level, binds, runs, and settles the result.

How it works. A name is looked up in the registry's flat dict and nowhere else. The level is
enforced here and only here: `system.multicall`, `method_call` and `co2.open` come back through
`Dispatcher`, so they lend nobody a right. What a method returns decides how it goes on: a plain
value is handed back as it is, at once; a Deferred or coroutine is waited for; a generator is a
conversation that was called plainly.

Invariant: nothing but a Co2Error leaves `call`, raised or in the Deferred. It knows nothing of
bytes, sockets, or what a method does.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.errors import Co2Error, Denied, InvalidParams, MethodNotFound
from co2.interfaces import ICalls
from co2.model.calls import Call, Caller, Level
from co2.rpc.conversation import Conversations
from co2.rpc.dialogue import Begun
from co2.rpc.incidents import Incidents
from co2.rpc.registry import Entry, Registry, shown_name

STALL = 1.0
"""Seconds that a method may keep the whole server before the log names it."""

_PLAIN = frozenset({dict, list, str, int, float, bool, bytes, tuple, type(None), datetime.datetime})


@implementer(ICalls)
class Dispatcher:
    """Where every call goes.

    Args:
        registry: the methods.
        clock: tells how long a method kept the server.
        conversations: collect the replies of a conversation that is called plainly.
        log: gets incidents and stalls.
    """

    def __init__(
        self, registry: Registry, clock: IReactorTime, conversations: Conversations, log: Logger
    ) -> None:
        self._registry = registry
        self._seconds = clock.seconds
        self._conversations = conversations
        self._log = log
        self.incidents = Incidents(log, lambda: secrets.token_hex(4))

    def call(self, call: Call, caller: Caller) -> Any:
        """Run a method.

        Args:
            call: the method's wire name and its positional values.
            caller: who asks; the level must reach the method's.

        Returns:
            the result, or a Deferred of it, which may be cancelled.

        Raises:
            MethodNotFound: nothing of that name was entered.
            Denied: the caller's level is too low; the text says why and what to do.
            InvalidParams: the arguments do not fit the signature.
            Co2Error: what the method raised, see `co2.rpc.incidents`.
        """
        entry = self.admit(call.method, caller)
        began = self._seconds()
        try:
            args, named = entry.bind(call.params)
            if entry.passes_caller:
                result = entry.function(caller, *args, **named)
            else:
                result = entry.function(*args, **named)
            if type(result) not in _PLAIN:
                result = self._settle(result, entry, call)
        except (Exception, SystemExit) as error:
            raise self._error(error, entry, call) from None
        finally:
            if self._seconds() - began > STALL:
                self._report_stall(call.method, entry, self._seconds() - began)
        return result

    def admit(self, method: str, caller: Caller) -> Entry:
        """Give the entry of a method if the caller may run it.

        Raises:
            MethodNotFound: nothing of that name was entered.
            Denied: the caller's level is too low.
        """
        entry = self._registry.find(method)
        if entry is None:
            raise MethodNotFound(
                f"no method {shown_name(method)} here; co2.get_method_names lists what there is"
            )
        if caller.level < entry.level:
            raise Denied(_denial(method, entry.level, caller))
        return entry

    def begin(self, call: Call, caller: Caller) -> Begun:
        """Start a conversation without running any of it.

        Raises:
            InvalidParams: the method is no conversation, or the arguments do not fit.
            Co2Error: as `call` does.
        """
        entry = self.admit(call.method, caller)
        if not entry.converses:
            raise InvalidParams(f"{call.method} is no conversation: call it plainly")
        try:
            args, named = entry.bind(call.params)
            first = (caller,) if entry.passes_caller else ()
            generator = entry.function(*first, *args, **named)
        except (Exception, SystemExit) as error:
            raise self._error(error, entry, call) from None
        unbound = call.params if entry.signature.parameters.nothing else ()
        return Begun(generator, call.method, entry.procedure.owner, unbound, self.incidents)

    def _settle(self, result: Any, entry: Entry, call: Call) -> Any:
        if not isinstance(result, Deferred):  # asked first, for to ask an ABC takes time
            if isinstance(result, Coroutine):
                result = Deferred.fromCoroutine(result)
            elif isinstance(result, Generator | AsyncGenerator):
                result = self._conversations.answer_plainly(result, call)  # a list, or a Deferred
        if isinstance(result, Deferred):
            result.addBoth(self._came, entry, call)
        return result

    def _came(self, result: Any, entry: Entry, call: Call) -> Any:
        """Settle what a Deferred has brought, as if the method had returned or raised it."""
        if type(result) in _PLAIN:
            return result
        if isinstance(result, Failure):
            assert result.value is not None
            raise self._error(result.value, entry, call)
        try:
            return self._settle(result, entry, call)
        except (Exception, SystemExit) as error:
            raise self._error(error, entry, call) from None

    def _error(self, error: BaseException, entry: Entry, call: Call) -> Co2Error:
        return self.incidents.error_for(error, call.method, entry.procedure.owner)

    def _report_stall(self, method: str, entry: Entry, seconds: float) -> None:
        self._log.warn(
            "{method} of {plugin} kept the whole server for {seconds:.1f} s;"
            " long work belongs in a thread",
            method=method,
            plugin=entry.procedure.owner or "the server",
            seconds=seconds,
        )


def _denial(method: str, needed: Level, caller: Caller) -> str:
    if needed is Level.ADMIN:
        remedy = "show the admin token, as bearer token or as the password of HTTP basic"
    else:
        remedy = "call from the server's own machine, or show a credential that is valid here"
    who = f"{caller.who} ({caller.ip}) has {caller.level.word}"
    reason = f", because {caller.because}" if caller.because else ""
    return f"{method} needs {needed.word}; {who}{reason}. To call it, {remedy}"
