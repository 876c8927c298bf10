"""Where a daemon listens: a pair of ports for each dialect, the same ones as the last time.

Request ports are looked for from 10079 up, publication ports from 10139 up; those that other
daemons of the same home remember are left to them.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import psutil
from attrs import field, frozen
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory

from plugin.mktl.keeping.home import last_port, others_ports, remember_port

FIRST_REQUEST, FIRST_PUBLICATION, LAST = 10079, 10139, 13679


@frozen
class Ways:
    """How a daemon can be reached.

    Attributes:
        interface: the address it binds; '0.0.0.0' is all of them, and there is no access control
            in mKTL: who reaches a port may set every item.
        hostname: what clients are told to connect to; '' derives it from `interface`.
        old_dialect: serve clients up to v0.8 too, on ports of their own.
        discovery_interface: see `discovery`; None is loopback only.
        discover: answer UDP at all, and announce to registries.
        registries: addresses of registries besides those listed in the home.
        most_news: bytes that may wait for one subscriber before the oldest are dropped.
    """

    interface: str = "127.0.0.1"
    hostname: str = ""
    old_dialect: bool = True
    discovery_interface: str | None = None
    discover: bool = True
    registries: tuple[str, ...] = field(default=(), converter=tuple)
    most_news: int = 16 * 1024 * 1024

    def told_hostname(self) -> str:
        """Give the name or address that clients connect to."""
        if self.hostname:
            return self.hostname
        if self.interface not in ("", "0.0.0.0"):  # noqa: S104  # compared, not bound
            return self.interface
        name = socket.getfqdn()
        return _first_address() if name.startswith("localhost") else name


def _first_address() -> str:
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and not one.address.startswith("127."):
                return str(one.address)
    return "127.0.0.1"


class PortFinder:
    """Listens, and remembers where.

    Args:
        reactor: listens.
        base: the home.
        store, uuid: whose ports these are.
        interface: the address to bind.
    """

    def __init__(self, reactor: Any, base: Path, store: str, uuid: str, interface: str) -> None:
        self._reactor = reactor
        self._base = base
        self._store = store
        self._uuid = uuid
        self._interface = interface
        self._avoided = others_ports(base, uuid)
        self.listening: list[Any] = []

    def listen(self, what: str, first: int, factory: Factory) -> int:
        """Listen for 'req', 'pub', 'old-req' or 'old-pub', and give the port.

        Raises:
            OSError: every port is taken.
        """
        former = last_port(self._base, self._store, self._uuid, what)
        for port in self._tries(former, first):
            try:
                listening = self._reactor.listenTCP(
                    port, factory, backlog=512, interface=self._interface
                )
            except CannotListenError:
                continue
            self.listening.append(listening)
            found: int = listening.getHost().port
            if found != former:
                remember_port(self._base, self._store, self._uuid, what, found)
            return found
        raise OSError(f"no port is free from {first} to {LAST} on {self._interface or '*'}")

    def _tries(self, former: int | None, first: int) -> Iterable[int]:
        if former is not None:
            yield former
        for port in range(first, LAST + 1):
            if port not in self._avoided:
                yield port
        yield from sorted(self._avoided)


def only_once(base: Path, store: str, uuid: str, alias: str) -> Callable[[], None]:
    """Make sure that no other process runs this daemon; gives what ends that.

    Raises:
        RuntimeError: one does.
    """
    path = base / "daemon" / "port" / store / f"{uuid}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    file: IO[str] = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        pid = file.read().strip()
        file.close()
        raise RuntimeError(f"{store} {alias} is running already, as process {pid}") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file.close
