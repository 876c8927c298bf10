"""Collecting from a relay that cannot connect to this host: behind NAT, connections out only.

A loop: ask the relay for what has come, wait there if nothing has; hand the messages to the inbox
and the calls to the registry; say with the next request what became of them.

The messages of one answer are handed over together, in order, so that they are written together.
They are acknowledged as far as all are worked off, and as a rule that is waited for. What takes a
plugin longer is not: the loop asks for what is behind it, and says that it has it in hand (`have`),
so that a slow plugin keeps nothing from the others.

What is under way when the connection breaks is asked for again, and the inbox knows what it has had
already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    ensureDeferred,
    gatherResults,
    maybeDeferred,
)
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from co2.errors import Co2Error, InternalError, NotRegistered, Spoofed
from co2.interfaces import IBackoff, IPeer
from co2.satellite.handed_calls import HandedCalls
from co2.satellite.in_hand import InHand
from co2.wire.xmlrpc import BATCH_LIMITS, decode_reply, encode_call

_WAIT = 25.0
_MOST = 100

_PATIENCE = 0.25
"""Seconds that plugins have for what has come before more is asked for."""

_SHORT_WAIT = 1.0
"""Seconds to wait at the relay while plugins are at work: it shall hear soon what they said."""


class Collector:
    """See the module.

    Args:
        peer: the relay.
        clock: for waiting after a failure.
        backoff: how long.
        proof: gives 'host_id' and 'token', as they are now.
        take: hands a message over; gives its answer, or a Deferred of it.
        calls: runs the calls that were handed out.
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
        calls: HandedCalls,
        lost: Callable[[], None],
        timeout: float,
    ) -> None:
        self._peer = peer
        self._clock = clock
        self._backoff = backoff
        self._proof = proof
        self._take = take
        self._calls = calls
        self._lost = lost
        self._timeout = timeout
        self._hand = InHand()
        self._answered = False
        self._journal_id: str | None = None
        self._loop: Deferred[None] | None = None

    @property
    def running(self) -> bool:
        """Whether it collects."""
        return self._loop is not None

    def start(self) -> None:
        """Begin to collect, if it does not already."""
        if self._loop is None:
            self._hand = InHand()
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

    def stop(self) -> None:
        """Stop collecting."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel()

    def close(self) -> Deferred[Any]:
        """Stop for good."""
        self.stop()
        return gatherResults([self._peer.close(), self._calls.close()])

    def _stopped(self, failure: Any) -> None:
        # One that was stopped may have been followed by another; only a fault ends the present one.
        if not failure.check(CancelledError):
            self._log.failure("collecting has ended", failure)
            self._loop = None

    async def _run(self) -> None:
        while True:
            try:
                answer = await self._ask()
                self._check()
                self._hand_over(answer)
                await self._be_patient()
                self._check()
            except Co2Error as error:
                self._log.debug("collecting failed: {why}", why=error.text)
                if isinstance(error, NotRegistered | Spoofed):
                    self._lost()
                await deferLater(self._clock, self._backoff.next())
                continue
            self._backoff.reset()

    async def _ask(self) -> dict[str, Any]:
        hand = self._hand
        wait = _SHORT_WAIT if len(hand) else _WAIT
        receipts = list(hand.receipts)
        request = {
            **self._proof(),
            "after": hand.after,
            "have": hand.have,
            "max": _MOST,
            "wait": wait,
            "receipts": receipts,
        }
        if self._journal_id is not None:
            request["journal_id"] = self._journal_id
        # Before the first answer this process does not know what the one before it has run.
        if self._answered:
            request["heard"] = self._calls.heard
        body = encode_call("relay.collect", [request])
        posted = await self._peer.post((body,), wait + self._timeout)
        answer = decode_reply(posted, BATCH_LIMITS, f"the relay {self._peer.address}")
        if not isinstance(answer, dict) or not isinstance(answer.get("after"), int):
            raise InternalError("the relay's answer is none that relay.collect gives")
        self._answered = True
        self._count_in(answer.get("journal_id"), answer["after"])
        del hand.receipts[: len(receipts)]
        return answer

    def _count_in(self, journal_id: str | None, after: int) -> None:
        """Begin anew if the relay does not know the numbers that were shown to it.

        It counts in another journal, or in an older copy of this one: the numbers mean others.
        """
        if journal_id != self._journal_id or after < self._hand.have:
            self._journal_id = journal_id
            self._hand = InHand()

    def _hand_over(self, answer: Mapping[str, Any]) -> None:
        """Let plugins have what came: all of it in this turn, so that it is written together."""
        for call in answer.get("calls") or ():
            self._calls.take(call)
        hand = self._hand
        for message in answer.get("messages") or ():
            seq = message.get("seq")
            hand.take(seq if isinstance(seq, int) else 0, maybeDeferred(self._take, message))
        hand.reach(answer["after"])

    async def _be_patient(self) -> None:
        quiet = self._hand.quiet()
        timer = self._clock.callLater(_PATIENCE, _fire, quiet)
        try:
            await quiet
        finally:
            if timer.active():
                timer.cancel()

    def _check(self) -> None:
        """Let go of what cannot be taken for now.

        Raises:
            RetryLater: nothing from that message on is acknowledged, so that it comes again.
        """
        former = self._hand
        if former.trouble is not None:
            self._hand = InHand(former.after)
            self._hand.receipts = former.receipts
            raise former.trouble


def _fire(waiting: Deferred[None]) -> None:
    if not waiting.called:
        waiting.callback(None)
