"""Being registered at a relay, and staying so whatever happens to it.

    OFFERING ── answer ──> ENROLLED ── renew, renew, … ─┐
       ^  │                    │                        │
       │  └─ no answer ─> WAITING <── no answer ────────┘
       └──── backoff ──────────┘

A satellite registers, renews its lease thrice within its time, and registers again when the relay
does not know it (any more) or has not answered. One timer and one request at a time. Registering
again with the same identity is always right (PROTOCOL section 5.1), so in doubt it registers.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from co2.errors import Co2Error, NotRegistered, TimedOut, TransportFailed
from co2.interfaces import IBackoff, IClockedWork, IPeer
from co2.wire.xmlrpc import decode_reply, encode_call

_VERDICT = 0.5
"""Seconds until a relay that checks the callback is asked what it has found."""

_TRY_AGAIN = 15
"""Renewals of a host that its relay cannot call back, from one try to be called to the next."""

_GOODBYE = 2.0
"""Seconds that a leaving satellite waits for its relay to say goodbye."""

_NO_ANSWER = (TransportFailed, TimedOut)

_SHORTEST = 0.3
"""Seconds, of a lease: a relay that says less would only be asked all the time."""


class EnrolmentState(Enum):
    """Where a satellite stands with its relay."""

    STOPPED = "stopped"
    OFFERING = "offering"
    ENROLLED = "enrolled"
    WAITING = "waiting"


@implementer(IClockedWork)
class Enrolment:
    """See the module.

    Args:
        relay: the peer.
        clock: for leases and waits.
        backoff: how long to wait when the relay does not answer.
        request: gives the struct of `relay.register`, made anew for every try.
        enrolled: told of the relay's answer, each time.
        timeout: seconds for the relay to answer.
        visiting: the host is not expected back: at the end it leaves the roster for good.
        stands: told of the state that the relay sees this host in, at each renewal.
    """

    _log = Logger()

    def __init__(
        self,
        relay: IPeer,
        clock: IReactorTime,
        backoff: IBackoff,
        request: Callable[[], dict[str, Any]],
        enrolled: Callable[[dict[str, Any]], None],
        timeout: float,
        visiting: bool = False,
        stands: Callable[[str], None] = lambda state: None,
    ) -> None:
        self.state = EnrolmentState.STOPPED
        self.trouble = ""
        self._relay = relay
        self._clock = clock
        self._backoff = backoff
        self._request = request
        self._enrolled = enrolled
        self._timeout = timeout
        self._visiting = visiting
        self._stands = stands
        self._answer: dict[str, Any] = {}
        self._polls = 0
        self._timer: IDelayedCall | None = None
        self._asking: Deferred[None] | None = None

    def start(self) -> None:
        """Register, and stay registered."""
        self._offer()

    def register_again(self) -> None:
        """Notice that the relay does not know this host (any more) or knows it elsewhere."""
        if self.state is EnrolmentState.ENROLLED:
            self._stop_timer()
            self._offer()

    def stop(self) -> Deferred[None]:
        """Say goodbye, so that the relay need not find out by itself, and stop."""
        self.state = EnrolmentState.STOPPED
        self._stop_timer()
        if self._asking is not None:
            self._asking.cancel()
        if not self._answer:
            return self._relay.close()
        # A relay that was away a moment ago may be back, and remember this host.
        return ensureDeferred(self._leave())

    # -- what is said to the relay -------------------------------------------------------------

    async def _register(self) -> None:
        answer = await self._call("relay.register", self._request(), self._timeout)
        if not isinstance(answer, dict) or not all(
            isinstance(answer.get(name), str) for name in ("host_id", "token")
        ):
            raise TransportFailed("the relay's answer is none that relay.register gives")
        again = bool(self._answer)
        self._answer = answer
        self.state = EnrolmentState.ENROLLED
        self.trouble = ""
        self._backoff.reset()
        self._log.info(
            "registered{again} as {host_id}", again=" again" if again else "", host_id=self.host_id
        )
        self._set_timer(self._next_renewal(answer), self._renew)
        self._enrolled(answer)

    async def _ask_renewal(self) -> None:
        answer = await self._call("relay.renew", self.proof(), self._timeout)
        state = answer.get("state") if isinstance(answer, dict) else None
        self._stands(str(state))
        self._polls = self._polls + 1 if state == "poll" else 0
        if self._polls % _TRY_AGAIN == 1:
            # The relay could not call back when it tried. That may have passed, and only a
            # registration makes it try again.
            self._offer_again()
            return
        self._set_timer(self._next_renewal(answer), self._renew)

    def _next_renewal(self, answer: Any) -> float:
        # While the relay checks whether it can call back, its verdict is asked for soon.
        checking = isinstance(answer, dict) and answer.get("state") == "checking"
        return min(_VERDICT, self._lease() / 3) if checking else self._lease() / 3

    def ask(self, method: str, request: dict[str, Any]) -> Deferred[Any]:
        """Ask the relay something that concerns this host.

        Raises:
            NotRegistered: it is not registered (yet).
        """
        if not self._answer:
            raise NotRegistered("this host is not registered at its relay (yet)")
        return ensureDeferred(self._call(method, {**self.proof(), **request}, self._timeout))

    async def _leave(self) -> None:
        try:
            if self._visiting:
                await self._call("relay.unregister", self.proof(), _GOODBYE)
            else:
                await self._call("relay.renew", {**self.proof(), "leaving": True}, _GOODBYE)
        except Co2Error as error:
            self._log.debug("the relay did not say goodbye: {why}", why=error.text)
        await self._relay.close()

    async def _call(self, method: str, struct: dict[str, Any], timeout: float) -> Any:
        answer = await self._relay.post((encode_call(method, [struct]),), timeout)
        return decode_reply(answer, whose=f"the relay {self._relay.address}")

    @property
    def host_id(self) -> str:
        """Who this host is to the relay; empty before the first registration."""
        return str(self._answer.get("host_id", ""))

    def proof(self) -> dict[str, Any]:
        """Give what proves to the relay that this host asks."""
        return {"host_id": self.host_id, "token": self._answer["token"]}

    def _lease(self) -> float:
        lease = self._answer.get("lease")
        return max(_SHORTEST, lease) if isinstance(lease, int | float) else 60.0

    # -- states --------------------------------------------------------------------------------

    def _offer(self) -> None:
        self.state = EnrolmentState.OFFERING
        self._ask(self._register())

    def _offer_again(self) -> None:
        self._asking = None  # the renewal that ends here
        self._offer()

    def _renew(self) -> None:
        self._timer = None
        self._ask(self._ask_renewal())

    def _ask(self, work: Any) -> None:
        if self._asking is not None:
            self._asking.cancel()
        asking: Deferred[None] = ensureDeferred(work)
        self._asking = asking
        asking.addErrback(self._not_answered)
        asking.addBoth(self._asked, asking)

    def _asked(self, result: Any, asking: Deferred[None]) -> None:
        if self._asking is asking:
            self._asking = None

    def _not_answered(self, failure: Any) -> None:
        error = failure.value
        if self.state is EnrolmentState.STOPPED or failure.check(CancelledError):
            return
        if not isinstance(error, Co2Error):
            self._log.failure("registering failed", failure)
        text = error.text if isinstance(error, Co2Error) else str(error)
        answered = isinstance(error, Co2Error) and not isinstance(error, _NO_ANSWER)
        if self.state is EnrolmentState.ENROLLED and answered:
            self._offer()
            return
        wait = self._backoff.next()
        if text != self.trouble:
            self._log.warn("not registered: {why}; trying again", why=text)
        self.trouble = text
        self.state = EnrolmentState.WAITING
        self._set_timer(wait, self._waited)

    def _waited(self) -> None:
        self._timer = None
        self._offer()

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._clock.callLater(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
