"""The daemon's own ad, sent to the collectors at intervals.

`updateDaemonAd(ad)` gets the ad that the daemon would send and returns the one to send; what the
daemon knows of itself is then laid over it, so that it cannot lie about that. Sending never waits
for anybody: one attempt for each collector, given up after `PATIENCE` seconds.
"""

from __future__ import annotations

import secrets
import socket
import time
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from plugin.snake.cedar.client import ClientConnection
from plugin.snake.cedar.commands import UPDATE_AD_GENERIC
from plugin.snake.cedar.errors import CedarError
from plugin.snake.cedar.negotiation import PLATFORM, VERSION, Policy, Wish
from plugin.snake.cedar.wire import Wire
from plugin.snake.classads.ad import ClassAd
from plugin.snake.daemon.files import host_and_port
from plugin.snake.daemon.logs import ERROR, FULL, DaemonLog
from plugin.snake.handlers.code import Code
from plugin.snake.handlers.formats import is_ad
from plugin.snake.language.genus import Genus
from plugin.snake.language.security import CLIENT

PATIENCE = 20


def daemon_ad(genus: Genus, address: str, now: float, started: float) -> ClassAd:
    """Make the ad that the daemon publishes of itself.

    Args:
        genus: whose.
        address: its sinful.
        now: seconds since 1970.
        started: when this version of it began, likewise.
    """
    machine = socket.gethostname()
    return ClassAd(
        {
            "MyType": genus.name,
            "TargetType": "",
            "Name": f"{genus.name.lower()}@{machine}",
            "Machine": machine,
            "MyAddress": address,
            "CondorVersion": VERSION,
            "CondorPlatform": PLATFORM,
            "DaemonStartTime": int(started),
            "MyCurrentTime": int(now),
            "UpdateInterval": genus.update_interval,
        }
    )


class AdUpdates:
    """The updates of one version of a daemon.

    Args:
        genus: its configuration.
        code: its code.
        reactor: for sockets and timers.
        log: where failures go.
        address: the daemon's sinful.
    """

    def __init__(
        self, genus: Genus, code: Code, reactor: Any, log: DaemonLog, address: str
    ) -> None:
        self._genus, self._code = genus, code
        self._reactor, self._log = reactor, log
        self._address = address
        # there is no way here to prove who sends
        wanted = genus.policies.of(CLIENT)
        self._policy = Policy(Wish.NEVER, wanted.encryption, wanted.integrity)
        self._started = time.time()
        self._count = 0
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Send the first update, a turn of the event loop from now."""
        if self._genus.collectors:
            self._timer = self._reactor.callLater(0, self._update)

    def stop(self) -> None:
        """Send no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _update(self) -> None:
        self._timer = self._reactor.callLater(self._genus.update_interval, self._update)
        ad = self.ad()
        if ad is None:
            return
        self._count += 1
        for collector in self._genus.collectors:
            self._send(collector, ad)

    def ad(self) -> ClassAd | None:
        """Make the ad to send; None if the code gives none."""
        own = daemon_ad(self._genus, self._address, time.time(), self._started)
        own["UpdateSequenceNumber"] = self._count
        try:
            ad = self._code.updated_ad(ClassAd.of(own.attributes))
        except Exception as error:
            self._log.failure("updateDaemonAd raised, the update is skipped", error)
            return None
        if not is_ad(ad):
            self._log.line("updateDaemonAd is missing or gave no ClassAd, the update is skipped")
            return None
        whole = ClassAd(repr(ad))
        whole.update(own)
        return whole

    def _send(self, collector: str, ad: ClassAd) -> None:
        try:
            host, port = host_and_port(collector)
        except ValueError:
            self._log.line(f"COLLECTOR_HOST: {collector!r} is no address", ERROR)
            return
        kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        factory = Factory.forProtocol(
            lambda: _Update(collector, ad, self._policy, self._log, self._reactor)
        )
        factory.noisy = False
        connecting = kind(self._reactor, host, port, timeout=PATIENCE).connect(factory)

        def failed(failure: Failure) -> None:
            self._log.line(f"no update to {collector}: {failure.getErrorMessage()}", ERROR)

        connecting.addErrback(failed)


class _Update(Protocol):
    """Sends one ad to one collector."""

    def __init__(
        self, collector: str, ad: ClassAd, policy: Policy, log: DaemonLog, clock: IReactorTime
    ) -> None:
        self._collector, self._ad, self._policy = collector, ad, policy
        self._log, self._clock = log, clock
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._timer = self._clock.callLater(PATIENCE, self._give_up)
        self._client = ClientConnection(
            Wire(), UPDATE_AD_GENERIC, self._policy, secrets.token_bytes(16), self._collector
        )
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        try:
            self._client.feed(data)
        except CedarError as error:
            self._log.line(f"no update to {self._collector}: {error}", ERROR)
            self._give_up()
            return
        if self._client.ready:
            payload = self._client.payload()
            payload.ad(self._ad.attributes)
            self._client.wire.send(payload)
            self._log.line(f"sent an update to {self._collector}", FULL)
        self._flush()
        if self._client.ready and self.transport is not None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _flush(self) -> None:
        if self.transport is not None:
            self.transport.write(self._client.wire.data_to_send())

    def _give_up(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()
