"""A relay's rooms, wired to each other and to a foundation."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall

from co2.delivery.backoff import Backoff
from co2.delivery.courier import Courier
from co2.delivery.one_at_a_time import OneAtATime
from co2.delivery.outcomes import retry_as_told
from co2.errors import Co2Error, Spoofed
from co2.interfaces import ICourier, IPeer
from co2.model.hosts import HostState, Registration
from co2.model.settings import Settings
from co2.relay.admission import Admission
from co2.relay.calling import Calling
from co2.relay.errand import Errand
from co2.relay.fanout import Fanout
from co2.relay.intake import Intake
from co2.relay.limiter import Limiter
from co2.relay.lines import Lines
from co2.relay.pinger import Pinger
from co2.relay.presence import PUSHED, Presence
from co2.relay.procedures import RelayProcedures
from co2.relay.receipts import Receipts
from co2.relay.roster import Roster
from co2.service.foundation import Foundation
from co2.service.uplink import Uplink
from co2.wire.xmlrpc import encode_members

WRITTEN_AHEAD = 2
"""Posts in flight to one co2 host: while one is worked off the next is there already."""

BATCH = 64
"""Messages in one post, when as many wait."""

PATIENCE = 0.25
"""Seconds that a co2 host's plugins have for a message before what is behind it goes on."""

_PRUNE_EVERY = 10.0

_TOKEN_WAIT = 1.0
"""Seconds until a satellite that does not know its token is asked again."""

_GRACE = 5.0
"""Seconds that an answer may come after the satellite's own limit for its plugins."""


class RelayPart:
    """See the module."""

    def __init__(self, base: Foundation) -> None:
        settings = base.settings
        self._base = base
        self.roster = Roster(
            base.surroundings.rosters, settings.lease, settings.forget_after, self._changed
        )
        self.journal = base.surroundings.journals(
            "relay", base.ulids.make(), settings.retention, False
        )
        self.lines = Lines(self._open_line)
        self._pruning = LoopingCall(self._prune)
        self._uplinks: list[Uplink] = []
        self.fanout = Fanout(
            self.journal,
            self.journal,
            self.roster,
            base.reactor,
            base.surroundings.now,
            base.ulids.make,
            self._open_courier,
        )
        self.limiter = Limiter(settings.message_rate, settings.message_burst)
        self.admission = Admission(
            self.roster,
            base.identity.secret.encode(),
            lambda: secrets.token_hex(8),
            settings.max_sats,
            settings.allow_untokened,
        )
        self.intake = Intake(
            self.admission,
            self.limiter,
            self.journal,
            self.fanout,
            base.surroundings.now,
            base.reactor.seconds,
            base.ulids.make,
            base.reactor,
            base.identity.random,
            self._cascades,
        )
        self.pinger = Pinger(
            self.roster, base.reactor, settings.ping_interval, settings.send_timeout, self.lines
        )
        base.enter(
            RelayProcedures(
                base.identity.random,
                self.roster,
                self.journal,
                self.admission,
                self.intake,
                self.fanout,
                Receipts(
                    self.journal,
                    self.journal,
                    self.roster,
                    self.admission,
                    self.fanout.wants,
                    lambda: [uplink.joined for uplink in self._uplinks],
                ),
                Calling(self.roster, self.lines, self.fanout.collecting),
                base.reactor,
                base.surroundings.now,
            )
        )

    def start(self) -> None:
        """Take up the satellites that were there before, and begin to ping."""
        now = self._base.reactor.seconds()
        self.roster.load(now, self.journal.cursors(), self.journal.last_seq)
        self.pinger.start()
        for upstream in self._base.settings.upstream:
            uplink = Uplink(
                self._base, upstream, self.journal, self.intake.take_relayed, WRITTEN_AHEAD, BATCH
            )
            self._uplinks.append(uplink)
            self.fanout.join(uplink.joined)
            uplink.start()
        self._pruning.clock = self._base.reactor
        self._pruning.start(_PRUNE_EVERY)

    def apply(self, settings: Settings) -> None:
        """Take those settings that can change while the server runs."""
        self.roster.lease = settings.lease
        self.roster.forget_after = settings.forget_after
        self.pinger.interval = settings.ping_interval
        self.limiter.rate = settings.message_rate
        self.limiter.burst = settings.message_burst
        self.admission.max_sats = settings.max_sats
        self.admission.allow_untokened = settings.allow_untokened

    def drain(self, timeout: float) -> Deferred[Any]:
        """Wait until those who are there have got everything; at most `timeout` seconds."""
        return until(self._is_delivered, self._base.reactor, timeout)

    def stop(self) -> Deferred[Any]:
        """End pings and couriers."""
        if self._pruning.running:
            self._pruning.stop()
        self.intake.close()
        # Pings first: one that fails because its line is closed here says nothing of its host.
        stopped = self.pinger.stop()
        for presence in self.roster:
            self.lines.drop(presence)
        leaving = [uplink.stop() for uplink in self._uplinks]
        return gatherResults([stopped, *leaving, self.fanout.close()])

    def _is_delivered(self) -> bool:
        return not any(
            one.courier.queued and not one.courier.trouble
            for one in self.roster
            if one.courier is not None and one.state is HostState.ONLINE
        )

    def _cascades(self) -> bool:
        return bool(self._base.settings.upstream) or self.roster.has_relays

    def _prune(self) -> None:
        cursors = {presence.random: presence.settled for presence in self.roster}
        for uplink in self._uplinks:
            uplink.keep_cursor()
            cursors[uplink.joined.ledger_name] = uplink.joined.settled
        self.journal.prune(self._base.surroundings.now(), cursors)

    def _changed(self, presence: Presence) -> None:
        if presence.state is HostState.GONE:
            self.limiter.forget(presence.random)
        self.fanout.follow(presence)
        if presence.state not in PUSHED:
            self.lines.drop(presence)
        if presence.state is HostState.CHECKING:
            self.pinger.check(presence)

    def _open_line(self, registration: Registration) -> IPeer:
        peer = self._base.network.peer(registration.address)
        return OneAtATime(peer, self._base.reactor)

    def _open_courier(self, presence: Presence, errand: Errand) -> ICourier:
        registration, settings = presence.registration, self._base.settings
        return Courier(
            self.journal,
            self._base.network.peer(registration.address)
            if registration.co2
            else self.lines.shared(presence),
            self._base.reactor,
            Backoff(self._base.surroundings.draw),
            method="notify",
            members=encode_members(_shown(registration)),
            wants=errand.wants,
            refuses=errand.refuses,
            settled=errand.settled,
            missed=errand.missed,
            extra=errand.adds,
            greeting=errand.greeting(),
            greeted=errand.greeted,
            retry=_retry_at_satellite,
            window=WRITTEN_AHEAD if registration.co2 else 1,
            batch=BATCH if registration.co2 else 1,
            timeout=settings.receive_timeout + _GRACE,
            plain=not registration.co2,
            after=presence.cursor,
            reached=presence.reached,
        )


def _shown(registration: Registration) -> dict[str, Any]:
    """Give what a satellite is shown with every message, beside the message itself."""
    shown: dict[str, Any] = {"patience": PATIENCE} if registration.co2 else {}
    if registration.notify_token:
        shown["token"] = registration.notify_token
    return shown


def _retry_at_satellite(error: Co2Error) -> float | None:
    """Say what to do about a satellite's fault.

    One that does not know the token has another one by now, or another host is at its address: it
    registers again, or its lease ends. The message waits for either.
    """
    return _TOKEN_WAIT if isinstance(error, Spoofed) else retry_as_told(error)


def until(is_so: Callable[[], bool], clock: Any, timeout: float) -> Deferred[Any]:
    """Wait until something is so, looking again and again, for at most `timeout` seconds."""
    give_up = clock.seconds() + timeout

    def look() -> None:
        if is_so() or clock.seconds() >= give_up:
            loop.stop()

    loop = LoopingCall(look)
    loop.clock = clock
    return loop.start(0.02)
