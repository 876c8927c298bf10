"""A satellite or a relay as a Twisted service: what starts when, and what ends in which order.

At the end: plugins say goodbye while they can still send; what they sent is brought away; the host
takes its leave of the relay; calls that were begun are answered; the state is let go.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.errors import Co2Error, SettingsError
from co2.interfaces import IProperties
from co2.loading.stall import StallWatch
from co2.model.hosts import Address, canonical_ip, is_loopback
from co2.model.settings import Settings
from co2.service.foundation import Foundation, role_words
from co2.service.relay_part import RelayPart
from co2.service.satellite_part import SatellitePart
from co2.service.surroundings import Holdings

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # compared with, never bound to

Reread = Callable[[], Settings]
"""Reads the settings once more; raises SettingsError."""


class Server(Service):
    """See the module.

    Args:
        settings: what was read.
        reactor: the one that will run.
        reread: reads the settings once more, for SIGHUP.
        started: told when the server listens, with its URL and its state folder.
        failed: told why it cannot start; it has ended then.
    """

    _log = Logger()

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        reread: Reread,
        started: Callable[[str, Path], None],
        failed: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self._reread = reread
        self._started = started
        self._failed = failed
        self._holdings: Holdings | None = None
        self._watch: StallWatch | None = None
        self._base: Foundation | None = None
        self._relay: RelayPart | None = None
        self._satellite: SatellitePart | None = None
        self._port: IListeningPort | None = None

    def startService(self) -> None:
        """Begin; what is wrong is told to `failed`."""
        Service.startService(self)
        ensureDeferred(self._begin()).addErrback(self._broke)

    def stopService(self) -> Deferred[None]:
        """End; the Deferred fires when everything has been brought to its end."""
        Service.stopService(self)
        return ensureDeferred(self._end())

    def reload(self) -> None:
        """Read the settings once more, and take what can be taken while running."""
        try:
            fresh = self._reread()
        except SettingsError as error:
            self._log.error("the settings stay as they are: {why}", why=error.text)
            return
        changes, waiting = _changes(self._settings, fresh)
        self._settings = self._settings.evolve(**changes)
        if self._base is not None:
            self._base.settings = self._settings
        if self._relay is not None:
            self._relay.apply(self._settings)
        self._log.info("settings read again; changed: {names}", names=", ".join(changes) or "none")
        if waiting:
            self._log.warn("these need a restart: {names}", names=", ".join(waiting))

    def _broke(self, failure: Failure) -> None:
        self._log.failure("the server cannot start", failure)
        self._failed("a fault of co2's own; the log says which")

    # -- beginning -----------------------------------------------------------------------------

    async def _begin(self) -> None:
        try:
            await self._start_parts()
        except Co2Error as error:
            self._failed(error.text)
        except CannotListenError as error:
            self._failed(f"listen = {self._settings.listen!r}: {error.socketError}")

    async def _start_parts(self) -> None:
        self._holdings = Holdings(self._settings)
        surroundings = self._holdings.surroundings(self._reactor)
        base = self._base = Foundation(self._settings, surroundings)
        base.tell(_Role(lambda: self._settings))
        if "relay" in role_words(self._settings):
            self._relay = RelayPart(base)
        if self._settings.role == "satellite":
            self._satellite = SatellitePart(base)
            self._satellite.load()
        base.listening_at(await self._listen(base))
        if self._relay is not None:
            self._relay.start()
        if self._satellite is not None:
            self._satellite.start()
            self._watch = StallWatch(self._reactor, time.monotonic, self._satellite.loader.owner)
            self._watch.start()
        url = f"http://{base.address}/"
        self._log.info(
            "{role} {host_id} listens at {url}",
            role=self._settings.role,
            url=url,
            host_id=base.host_id(),
        )
        self._started(url, self._holdings.folder.path)

    async def _listen(self, base: Foundation) -> Address:
        try:
            endpoint = serverFromString(self._reactor, self._settings.listen)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise SettingsError(
                f"listen = {self._settings.listen!r} is no endpoint that can be listened on here "
                f"({error}); a systemd: endpoint needs a socket unit"
            ) from error
        self._port = await endpoint.listen(base.server)
        where = self._port.getHost()
        if not isinstance(where, IPv4Address | IPv6Address):
            return Address("127.0.0.1", 1)
        ip = canonical_ip(where.host)
        if not is_loopback(ip) and not self._settings.insecure:
            await _stopped(self._port)
            raise SettingsError(f"the socket listens on {ip}: set insecure = True to allow that")
        return Address("127.0.0.1" if ip in _WILDCARDS else ip, where.port)

    # -- the end -------------------------------------------------------------------------------

    async def _end(self) -> None:
        base, timeout = self._base, self._settings.stop_timeout
        if base is not None:
            await self._end_parts(base, timeout)
        if self._watch is not None:
            await self._watch.stop()
        if self._holdings is not None:
            await self._holdings.close()

    async def _end_parts(self, base: Foundation, timeout: float) -> None:
        # While plugins still run: a conversation's `finally` is theirs, and may need their thread.
        await base.conversations.close_all()
        if self._satellite is not None:
            await self._satellite.end_plugins(timeout)
            await self._satellite.drain(timeout)
        if self._relay is not None:
            await self._relay.drain(timeout)
        if self._satellite is not None:
            await self._satellite.stop()
        if self._relay is not None:
            await self._relay.stop()
        if self._port is not None:
            await _stopped(self._port)
        await base.conversations.close_all()
        await base.server.drain(timeout)


@implementer(IProperties)
class _Role:
    """What the settings say of a server."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def properties(self) -> dict[str, object]:
        """Give nick, roles and maintainer."""
        settings = self._settings()
        return {
            "nick": settings.nick,
            "roles": list(role_words(settings)),
            "maintainer": settings.maintainer,
            "maintainer_email": settings.maintainer_email,
        }


async def _stopped(port: IListeningPort) -> None:
    stopping = port.stopListening()
    if stopping is not None:
        await stopping


def _changes(old: Settings, new: Settings) -> tuple[dict[str, object], list[str]]:
    """Tell the settings that have changed: those that are taken now, and those that wait."""
    live: dict[str, object] = {}
    waiting: list[str] = []
    for field in attrs.fields(Settings):
        value = getattr(new, field.name)
        if value == getattr(old, field.name):
            continue
        if field.metadata.get("live"):
            live[field.name] = value
        else:
            waiting.append(field.name)
    return live, waiting
