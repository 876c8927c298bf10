"""Collecting from a relay that cannot connect to this host: behind NAT, one connection out.

A loop: ask the relay for what has come, wait there if nothing has; hand the messages to the inbox
and the calls to the registry; say with the next request what became of them. What is under way when
the connection breaks is asked for again, and the inbox knows what it has had already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from co2.errors import Co2Error, InternalError, NotRegistered, RetryLater, Spoofed
from co2.interfaces import IBackoff, IPeer
from co2.wire.xmlrpc import decode_reply, encode_call

_WAIT = 25.0
_MOST = 100


class Collector:
    """See the module.

    Args:
        peer: the relay.
        clock: for waiting after a failure.
        backoff: how long.
        proof: gives 'host_id' and 'token', as they are now.
        take: hands a message over; gives its answer, or a Deferred of it.
        call: runs `{'method', 'params', 'caller'}`; gives its result, or a Deferred.
        lost: told that the relay does not know this host.
        timeout: seconds for the relay to answer, beyond what it was asked to wait.
    """

    _log = Logger()

    def __init__(
        self,
        peer: IPeer,
        clock: IReactorTime,
        backoff: IBackoff,
        proof: Callable[[], dict[str, Any]],
        take: Callable[[dict[str, Any]], Any],
        call: Callable[[Mapping[str, Any]], Any],
        lost: Callable[[], None],
        timeout: float,
    ) -> None:
        self._peer = peer
        self._clock = clock
        self._backoff = backoff
        self._proof = proof
        self._take = take
        self._call = call
        self._lost = lost
        self._timeout = timeout
        self._after = 0
        self._receipts: list[dict[str, Any]] = []
        self._loop: Deferred[None] | None = None

    @property
    def running(self) -> bool:
        """Whether it collects."""
        return self._loop is not None

    def start(self) -> None:
        """Begin to collect, if it does not already."""
        if self._loop is None:
            self._after = 0
            self._receipts = []
            self._loop = ensureDeferred(self._run())
            self._loop.addErrback(self._stopped)

    def follow(self, state: str) -> None:
        """Collect if the relay cannot connect to this host, and stop if it can.

        Args:
            state: the one that the relay sees this host in.
        """
        if state == "poll":
            self.start()
        elif state == "online":
            self.stop()

    def stop(self) -> Deferred[None]:
        """Stop collecting."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel()
        return succeed(None)

    def close(self) -> Deferred[None]:
        """Stop for good."""
        self.stop()
        return self._peer.close()

    def _stopped(self, failure: Any) -> None:
        # One that was stopped may have been followed by another; only a fault ends the present one.
        if not failure.check(CancelledError):
            self._log.failure("collecting has ended", failure)
            self._loop = None

    async def _run(self) -> None:
        while True:
            try:
                await self._work_off(await self._ask())
            except Co2Error as error:
                self._log.debug("collecting failed: {why}", why=error.text)
                if isinstance(error, NotRegistered | Spoofed):
                    self._lost()
                await deferLater(self._clock, self._backoff.next())
                continue
            self._backoff.reset()

    async def _ask(self) -> dict[str, Any]:
        request = {
            **self._proof(),
            "after": self._after,
            "max": _MOST,
            "wait": _WAIT,
            "receipts": self._receipts,
        }
        answer = await self._post("relay.collect", request, _WAIT + self._timeout)
        if not isinstance(answer, dict) or not isinstance(answer.get("after"), int):
            raise InternalError("the relay's answer is none that relay.collect gives")
        self._receipts = []
        return answer

    async def _work_off(self, answer: dict[str, Any]) -> None:
        """Hand over what came.

        Raises:
            Co2Error: a message is not taken for now: nothing is acknowledged from it on, so that
                the relay gives it again.
        """
        for call in answer.get("calls") or ():
            # Calls are answered when they are done; messages do not wait for them.
            ensureDeferred(self._answer(call)).addErrback(self._unanswered)
        for message in answer.get("messages") or ():
            outcome = await maybeDeferred(self._take, message).addErrback(_refusal)
            seq = message.get("seq")
            if isinstance(seq, int):
                said = {name: outcome[name] for name in ("plugins", "refused") if name in outcome}
                self._receipts.append({"seq": seq, **said})
                self._after = max(self._after, seq)
        self._after = answer["after"]

    async def _answer(self, call: Mapping[str, Any]) -> None:
        request = {**self._proof(), "call": call.get("call")}
        try:
            request["result"] = await maybeDeferred(self._call, call)
        except Co2Error as error:
            fault = error.as_fault()
            request["fault"] = {"faultCode": fault.code, "faultString": fault.text}
        await self._post("relay.answer", request, self._timeout)

    def _unanswered(self, failure: Any) -> None:
        self._log.warn("a call's answer was not taken: {why}", why=str(failure.value))

    async def _post(self, method: str, struct: dict[str, Any], timeout: float) -> Any:
        answer = await self._peer.post((encode_call(method, [struct]),), timeout)
        return decode_reply(answer, whose=f"the relay {self._peer.address}")


def _refusal(failure: Any) -> dict[str, Any]:
    failure.trap(Co2Error)
    if isinstance(failure.value, RetryLater):
        failure.raiseException()
    return {"refused": failure.value.text}
