"""Who is there: a question by UDP, and the port of whoever answers.

Old and new dialect ask with different words on the same two ports: 10103 for registries, 10111 for
daemons. By default only loopback is listened to and asked, and registries that people have listed;
`interface` opts in to the broadcasts of one network (its name or address, or '*').
Every daemon of a machine hears what is sent to 127.255.255.255.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import psutil
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from plugin.mktl.wire.dialects import New, Old

REGISTRY_PORT = 10103
DAEMON_PORT = 10111
LOOPBACK = "127.0.0.1"
LOOPBACK_BROADCAST = "127.255.255.255"
_PAUSE = 1.0
"""Seconds between two answers to one address."""
_MOST_ASKERS = 10_000
_DIALECTS = (New, Old)
_log = Logger()

Network = ipaddress.IPv4Network


class Answered(NamedTuple):
    """Somebody who has answered."""

    host: str
    port: int
    dialect: str


class Responder(DatagramProtocol):
    """Answers whoever asks from a network that is listened to.

    Args:
        ports: request port by dialect name.
        networks: where askers may be.
        clock: so that nobody is answered more than once a second.
        voice: what answers instead, where the ports are not bound at the address that was asked:
            askers connect to the address that the answer comes from.
    """

    noisy = False
    transport: Any

    def __init__(
        self,
        ports: Mapping[str, int],
        networks: Iterable[Network],
        clock: IReactorTime,
        voice: Responder | None = None,
    ) -> None:
        self._answers = {
            dialect.call: dialect.answer + str(ports[dialect.name]).encode()
            for dialect in _DIALECTS
            if dialect.name in ports
        }
        self._networks = tuple(networks)
        self._clock = clock
        self._voice = voice or self
        self._answered: dict[tuple[str, int, bytes], float] = {}

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Answer a call."""
        call = datagram.strip()
        answer = self._answers.get(call)
        asker = ipaddress.IPv4Address(addr[0])
        if answer is None or not any(asker in network for network in self._networks):
            return
        now = self._clock.seconds()
        last = self._answered.pop((*addr, call), None)
        if last is not None and now - last < _PAUSE:
            self._answered[(*addr, call)] = last
            return
        self._answered[(*addr, call)] = now
        if len(self._answered) > _MOST_ASKERS:
            del self._answered[next(iter(self._answered))]
        self._voice.transport.write(answer, addr)


def networks_of(interface: str | None) -> list[Network]:
    """Give the networks whose askers are answered: loopback, and that of the interface.

    Args:
        interface: a name, an address, '*' for all, or None.

    Raises:
        ValueError: there is no such interface.
    """
    found = [ipaddress.IPv4Network("127.0.0.0/8")]
    if not interface:
        return found
    if interface == "*":
        return [ipaddress.IPv4Network("0.0.0.0/0")]
    for name, addresses in psutil.net_if_addrs().items():
        for one in addresses:
            if one.family == socket.AF_INET and interface in (name, one.address):
                found.append(ipaddress.IPv4Network(f"{one.address}/{one.netmask}", strict=False))
    if len(found) == 1 and interface not in ("lo", LOOPBACK):
        raise ValueError(f"discovery_interface: there is no interface {interface!r} with IPv4")
    return found


def respond(
    reactor: Any,
    udp_port: int,
    ports: Mapping[str, int],
    interface: str | None = None,
    bound: str = LOOPBACK,
) -> list[Any]:
    """Listen for calls on a UDP port.

    Args:
        ports: request port by dialect name.
        interface: see the module.
        bound: the address that the request ports are bound at; "" or 0.0.0.0 is every one.

    Returns:
        what listens, to be stopped; empty if the port is somebody else's alone.
    """
    networks = networks_of(interface)
    addresses = [""] if interface else [LOOPBACK, LOOPBACK_BROADCAST]
    voice = None
    listening = []
    if bound not in ("", "0.0.0.0", LOOPBACK):  # noqa: S104  # compared, not bound
        voice = Responder(ports, networks, reactor)
        listening += _listen_shared(reactor, udp_port, voice, bound)
        if not listening:
            return []
    for address in addresses:
        responder = Responder(ports, networks, reactor, voice)
        listening += _listen_shared(reactor, udp_port, responder, address)
    return listening


def _listen_shared(reactor: Any, port: int, protocol: DatagramProtocol, address: str) -> list[Any]:
    """Listen where other daemons of this machine listen too; where that fails, do without."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as shared:
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            shared.setblocking(False)
            shared.bind((address, port))
            # The reactor has a duplicate of it.
            return [reactor.adoptDatagramPort(shared.fileno(), socket.AF_INET, protocol)]
    except (OSError, CannotListenError) as error:
        _log.warn("no discovery on UDP {port}: {error}", port=port, error=str(error))
        return []


class _Search(DatagramProtocol):
    """Asks once, and gathers who answers."""

    noisy = False
    transport: Any

    def __init__(self, port: int, targets: Iterable[str]) -> None:
        self._port = port
        self._targets = list(targets)
        self.found: list[Answered] = []
        self.first: Deferred[None] = Deferred()

    def startProtocol(self) -> None:
        """Ask everybody in both dialects; whom nobody can reach is passed."""
        self.transport.setBroadcastAllowed(True)
        for target in self._targets:
            for dialect in _DIALECTS:
                try:
                    self.transport.write(dialect.call, (target, self._port))
                except (OSError, ValueError):
                    continue

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Take an answer."""
        for dialect in _DIALECTS:
            number = datagram.strip().removeprefix(dialect.answer)
            if number != datagram.strip() and number.isdigit() and 0 < int(number) < 65536:
                self.found.append(Answered(addr[0], int(number), dialect.name))
                if not self.first.called:
                    self.first.callback(None)


async def search(
    reactor: Any,
    port: int,
    listed: Iterable[str] = (),
    interface: str | None = None,
    wait: float = 1.0,
    everybody: bool = False,
) -> list[Answered]:
    """Ask who is there, and give who has answered, new dialect first.

    Args:
        port: `REGISTRY_PORT` or `DAEMON_PORT`.
        listed: addresses to ask besides.
        interface: see the module.
        wait: seconds.
        everybody: wait for the whole time; otherwise until shortly after the first answer.
    """
    targets = [LOOPBACK, LOOPBACK_BROADCAST, *await _resolved(reactor, listed)]
    if interface:
        targets += [str(one.broadcast_address) for one in networks_of(interface)[1:]]
        targets += ["255.255.255.255"] if interface == "*" else []
    asking = _Search(port, dict.fromkeys(targets))
    local = all(target.startswith("127.") for target in targets)
    bound = reactor.listenUDP(0, asking, interface=LOOPBACK if local else "")
    try:
        if everybody:
            await _pause(reactor, wait)
        else:
            await _either(reactor, asking.first, wait)
            await _pause(reactor, min(0.02, wait))
    finally:
        await bound.stopListening()
    return sorted(dict.fromkeys(asking.found), key=lambda one: one.dialect)


async def _resolved(reactor: Any, names: Iterable[str]) -> list[str]:
    found = []
    for name in names:
        try:
            found.append(await reactor.resolve(name, (1,)))
        except Exception:  # a name that is not known now is no reason to ask nobody
            _log.warn("the registry {name} is not known by that name", name=name)
    return found


def _pause(reactor: Any, seconds: float) -> Deferred[None]:
    later: Deferred[None] = Deferred()
    reactor.callLater(seconds, later.callback, None)
    return later


def _either(reactor: Any, first: Deferred[None], seconds: float) -> Deferred[None]:
    over: Deferred[None] = Deferred()
    timer = reactor.callLater(seconds, over.callback, None)

    def came(_: None) -> None:
        if timer.active():
            timer.cancel()
            over.callback(None)

    first.addCallback(came)
    return over
