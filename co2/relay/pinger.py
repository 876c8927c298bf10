"""Asks satellites whether they are there: once when they register, then every so often.

A ping is a call of `ping`, and any well-formed answer is a good one, a fault that there is no such
method included (PROTOCOL section 5.2), unless it says that it is another host. There is never more
than one under way to a satellite, and the pings of many are spread over the interval.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, ensureDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.errors import Co2Error, DocumentError, TimedOut, TransportFailed
from co2.interfaces import IClockedWork
from co2.model.hosts import HostId, HostState
from co2.relay.lines import Lines
from co2.relay.presence import PUSHED, Presence
from co2.relay.roster import Roster
from co2.wire.xmlrpc import encode_call, read_reply

_PING = (encode_call("ping", ()),)
_CAPABILITIES = (encode_call("system.getCapabilities", ()),)
_TURN = 0.5
"""Seconds between two looks at who is due."""


@implementer(IClockedWork)
class Pinger:
    """See the module.

    Args:
        roster: whom to ask.
        clock: when.
        interval: seconds between two pings of one satellite.
        timeout: seconds for an answer.
        lines: the connections to the satellites.
    """

    _log = Logger()

    def __init__(
        self,
        roster: Roster,
        clock: IReactorTime,
        interval: float,
        timeout: float,
        lines: Lines,
    ) -> None:
        self.interval = interval
        self._roster = roster
        self._clock = clock
        self._timeout = timeout
        self._lines = lines
        self._due: dict[str, float] = {}
        self._asking: dict[str, Deferred[None]] = {}
        self._loop = LoopingCall(self._turn)
        self._loop.clock = clock
        self._stopped = False

    def start(self) -> None:
        """Begin to look who is due."""
        self._loop.start(_TURN, now=False)

    def stop(self) -> Deferred[Any]:
        """Stop; what is under way is cancelled, and nothing is checked any more."""
        self._stopped = True
        if self._loop.running:
            self._loop.stop()
        asking = list(self._asking.values())
        for one in asking:
            one.cancel()
        return DeferredList(asking, consumeErrors=True) if asking else succeed(None)

    def check(self, presence: Presence) -> None:
        """Find out, soon, whether a satellite that has just registered can be called back."""
        if not self._stopped:
            self._begin(presence, self._check(presence, presence.registration.epoch))

    def _turn(self) -> None:
        now = self._clock.seconds()
        self._roster.sweep(now)
        for presence in self._roster:
            due = self._due.setdefault(presence.random, now + self._spread(presence))
            if due <= now and self._may_ping(presence):
                self._due[presence.random] = now + self.interval
                self._begin(presence, self._ping(presence, presence.registration.epoch))
            elif presence.state is HostState.CHECKING and presence.random not in self._asking:
                self.check(presence)  # the last try broke off
        if len(self._due) > 2 * len(self._roster) + 100:
            self._due = {key: due for key, due in self._due.items() if self._roster.get(key)}

    def _may_ping(self, presence: Presence) -> bool:
        free = presence.random not in self._asking
        # At the address of a displaced one another host would answer.
        return free and presence.state in PUSHED and not self._roster.is_displaced(presence)

    def _spread(self, presence: Presence) -> float:
        return self.interval * (sum(presence.random.encode()) % 97) / 97

    def _begin(self, presence: Presence, work: Any) -> None:
        former = self._asking.pop(presence.random, None)
        if former is not None:
            former.cancel()
        asking: Deferred[None] = ensureDeferred(work)
        self._asking[presence.random] = asking
        asking.addErrback(self._broke, presence)
        asking.addBoth(self._ended, presence.random, asking)

    def _broke(self, failure: Failure, presence: Presence) -> None:
        if not failure.check(CancelledError):
            self._log.failure("asking {host} failed", failure, host=presence.registration.host_id)

    def _ended(self, result: Any, random: str, asking: Deferred[None]) -> None:
        if self._asking.get(random) is asking:
            del self._asking[random]

    async def _check(self, presence: Presence, epoch: int) -> None:
        # The answer to its call first: a host with one thread cannot be asked while it waits.
        await deferLater(self._clock, 0)
        reached = await self._ask(presence, _PING)
        if presence.registration.epoch != epoch:
            return
        if reached is None:
            self._roster.update(presence, state=HostState.POLL)
            self._log.info("{host} cannot be called back", host=presence.registration.host_id)
            return
        presence.pings.answered(reached)
        listed = await self._capabilities(presence)
        if presence.registration.epoch == epoch and presence.state is not HostState.GONE:
            self._roster.update(
                presence, state=HostState.ONLINE, co2="co2" in listed, nil="nil" in listed
            )
            self._roster.hear(presence, self._clock.seconds(), reached=True)

    async def _ping(self, presence: Presence, epoch: int) -> None:
        was_away = presence.state is HostState.AWAY
        reached = await self._ask(presence, _PING)
        if presence.registration.epoch != epoch:
            return
        if presence.state is HostState.AWAY and not was_away:
            # It has said goodbye meanwhile: that it answered before it went says nothing now.
            return
        if reached is None:
            presence.pings.failed()
        else:
            presence.pings.answered(reached)
            self._roster.hear(presence, self._clock.seconds(), reached=True)

    async def _ask(self, presence: Presence, call: tuple[bytes, ...]) -> float | None:
        """Give the milliseconds that an answer took, or None if there was none."""
        asked = self._clock.seconds()
        try:
            reply = read_reply(await self._lines.shared(presence).post(call, self._timeout))
        except (TransportFailed, TimedOut, DocumentError):
            return None
        if _is_another(reply, presence):
            return None
        return (self._clock.seconds() - asked) * 1000.0

    async def _capabilities(self, presence: Presence) -> frozenset[str]:
        try:
            answer = await self._lines.shared(presence).post(_CAPABILITIES, self._timeout)
            listed = read_reply(answer)
        except Co2Error:
            return frozenset()
        return frozenset(listed) if isinstance(listed, dict) else frozenset()


def _is_another(reply: Any, presence: Presence) -> bool:
    """Tell whether a host says that it is another one: that to which a NAT leads this port."""
    said = reply.get("host_id") if isinstance(reply, dict) else None
    try:
        return said is not None and HostId.parse(said).random != presence.random
    except ValueError:
        return False
