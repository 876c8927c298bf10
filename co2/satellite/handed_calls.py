"""Calls that the relay has handed out to this host: each is run once, and answered.

An answer that does not get through is posted again, six times in all with growing waits, and kept.
From then on the relay is not told any more that the call was heard, so it hands it out again when
it can, and gets what was kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from co2.errors import (
    Co2Error,
    Gone,
    InternalError,
    RetryLater,
    TimedOut,
    TransportFailed,
    UnsupportedValue,
)
from co2.interfaces import IBackoff, IPeer
from co2.model.recent import Recent
from co2.wire.xmlrpc import decode_reply, encode_call

_MOST_KEPT = 100
"""Answers that are kept: as many calls as a relay keeps for one host."""

_TRIES = 6
"""Posts of one answer at most; then the call may come again."""

_AGAIN = (TransportFailed, TimedOut, RetryLater)
"""What may go better soon."""

Answer = dict[str, Any]


class HandedCalls:
    """See the module.

    Args:
        peer: the relay, by a connection of its own: where this host collects, an answer would wait
            for the request before it, which waits for something to come.
        proof: gives 'host_id' and 'token', as they are now.
        run: runs `{'method', 'params', 'caller'}`; gives its result, or a Deferred.
        timeout: seconds for the relay to take an answer.
        clock: for waiting after a failure.
        backoff: makes what says how long, for one answer.
    """

    _log = Logger()

    def __init__(
        self,
        peer: IPeer,
        proof: Callable[[], dict[str, Any]],
        run: Callable[[Mapping[str, Any]], Any],
        timeout: float,
        clock: IReactorTime,
        backoff: Callable[[], IBackoff],
    ) -> None:
        self._peer = peer
        self._proof = proof
        self._run = run
        self._timeout = timeout
        self._clock = clock
        self._backoff = backoff
        self._closed = False
        self._waits: set[Deferred[None]] = set()
        self._busy: set[str] = set()
        self._unsent: Recent[str, Answer] = Recent(_MOST_KEPT)

    @property
    def heard(self) -> list[str]:
        """The calls that this host is at work on, and which need not be handed out again."""
        return sorted(self._busy)

    def take(self, call: Mapping[str, Any]) -> None:
        """Run a call, unless it is being run, and answer it."""
        number = str(call.get("call"))
        if number not in self._busy:
            self._busy.add(number)
            ensureDeferred(self._work_off(number, call)).addErrback(self._failed)

    def close(self) -> Deferred[None]:
        """Answer nothing any more."""
        self._closed = True
        for wait in list(self._waits):
            wait.cancel()
        return self._peer.close()

    async def _work_off(self, number: str, call: Mapping[str, Any]) -> None:
        try:
            answer = self._unsent.get(number) or await self._answer(call)
            await self._send(number, answer)
        finally:
            self._busy.discard(number)

    async def _answer(self, call: Mapping[str, Any]) -> Answer:
        try:
            return {"result": await maybeDeferred(self._run, call)}
        except Co2Error as error:
            return _as_answer(error)

    async def _send(self, number: str, answer: Answer) -> None:
        try:
            await self._post_until_taken(number, answer)
        except Gone:
            self._log.debug("nobody waits any more for the answer of call {call}", call=number)
        except Co2Error as error:
            self._unsent.put(number, answer)
            self._log.warn("a call's answer was not taken: {why}", why=error.text)
            return
        self._unsent.forget(number)

    async def _post_until_taken(self, number: str, answer: Answer) -> None:
        """Post an answer, again and again for a while if it does not get through.

        Raises:
            Gone: nobody waits for it.
            Co2Error: it was not taken.
        """
        backoff = self._backoff()
        for left in reversed(range(_TRIES)):
            # Written anew: the host may have registered again meanwhile.
            body = self._encode(number, answer)
            try:
                decode_reply(await self._peer.post((body,), self._timeout))
                return
            except _AGAIN:
                if not left or not await self._may_try_again(backoff.next()):
                    raise

    async def _may_try_again(self, seconds: float) -> bool:
        """Wait; tell whether there is still somebody to try."""
        if self._closed:
            return False
        wait: Deferred[None] = deferLater(self._clock, seconds)
        self._waits.add(wait)
        try:
            await wait
        except CancelledError:
            return False
        finally:
            self._waits.discard(wait)
        return True

    def _encode(self, number: str, answer: Answer) -> bytes:
        request = {**self._proof(), "call": number}
        try:
            return encode_call("relay.answer", [{**request, **answer}])
        except UnsupportedValue as error:
            text = f"the method returned what XML-RPC cannot carry: {error.text}"
            return encode_call("relay.answer", [{**request, **_as_answer(InternalError(text))}])

    def _failed(self, failure: Any) -> None:
        self._log.failure("a call that the relay handed out failed", failure)


def _as_answer(error: Co2Error) -> Answer:
    fault = error.as_fault()
    return {"fault": {"faultCode": fault.code, "faultString": fault.text}}
