"""Calls on their way to one host that collects: waiting, handed out, answered.

A call is handed out with the answer to the host's next request. That answer may be lost on its way,
so a host says with its requests which calls it has `heard` and is at work on; the others are handed
out again, under the same number. A host that says nothing of the kind is given each call once.

A process that has just started does not know what the one before it has run. So its first request
says nothing, and what was handed out until then is never handed out again: no method runs twice.
"""

from __future__ import annotations

from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from co2.errors import Gone, QueueFull, TimedOut
from co2.model.calls import Caller

_MOST = 100
"""Calls that may wait for one host, so that nobody can fill the relay with them."""


@define(eq=False)
class _Call:
    number: str
    method: str
    params: list[Any]
    caller: Caller
    answer: Deferred[Any]
    timer: IDelayedCall
    handed: bool = False
    once: bool = False

    def is_for(self, heard: frozenset[str]) -> bool:
        """Tell whether to hand it out to a host that has heard those."""
        return not self.handed or (not self.once and self.number not in heard)

    def as_struct(self) -> dict[str, Any]:
        """Give what the host gets."""
        return {
            "call": self.number,
            "method": self.method,
            "params": self.params,
            "caller": self.caller.as_struct(),
        }


class CallBox:
    """See the module.

    Args:
        clock: ends the waiting.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: dict[str, _Call] = {}

    def put(
        self,
        number: str,
        host: str,
        method: str,
        params: list[Any],
        caller: Caller,
        timeout: float,
    ) -> Deferred[Any]:
        """Keep a call until it is answered, or nobody waits for it any more.

        Args:
            number: names the call.
            host: whom it is for, for the text of errors.
            method, params, caller: what is called, and by whom.
            timeout: seconds for the answer.

        Raises:
            QueueFull: too many wait already.
        """
        if len(self._calls) >= _MOST:
            raise QueueFull(f"{_MOST} calls wait for {host} already")
        answer: Deferred[Any] = Deferred(lambda _: self._drop(number))
        late = TimedOut(f"{host} has not answered within {timeout:g} s")
        timer = self._clock.callLater(timeout, self.fail, number, late)
        self._calls[number] = _Call(number, method, params, caller, answer, timer)
        return answer

    def begin_request(self, heard: frozenset[str] | None) -> None:
        """Notice what a request says of calls: those that were heard, or None for nothing."""
        if heard is None:
            for call in self._calls.values():
                call.once = call.once or call.handed

    def hand_out(self, heard: frozenset[str] | None) -> list[dict[str, Any]]:
        """Give the calls that a host which has heard those is to have now."""
        known = frozenset(self._calls) if heard is None else heard
        given = [call for call in self._calls.values() if call.is_for(known)]
        for call in given:
            call.handed = True
        return [call.as_struct() for call in given]

    def settle(self, number: str, result: Any) -> None:
        """Give the one who waits the result.

        Raises:
            Gone: nobody waits (any more).
        """
        self._take(number).answer.callback(result)

    def fail(self, number: str, error: Exception) -> None:
        """Give the one who waits an error.

        Raises:
            Gone: nobody waits (any more).
        """
        self._take(number).answer.errback(error)

    def fail_all(self, error: Exception) -> None:
        """Give everybody who waits an error."""
        for number in list(self._calls):
            self.fail(number, error)

    def _take(self, number: str) -> _Call:
        call = self._calls.pop(number, None)
        if call is None:
            raise Gone("nobody waits for the answer of that call (any more)")
        if call.timer.active():
            call.timer.cancel()
        return call

    def _drop(self, number: str) -> None:
        """Forget a call whose caller has left."""
        self._take(number)
