"""Who a host is and where it is: `<random>@<ip>:<port>`."""

from __future__ import annotations

import ipaddress
import re
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple, Self

from attrs import evolve, field, frozen

_RANDOM = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_REMEMBERED = 4096
"""Host ids and addresses that are read again and again, in every message."""

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "::ffff:127.0.0.1"})


@lru_cache(_REMEMBERED)
def canonical_ip(text: str) -> str:
    """Give an address in its one spelling: `localhost`, `127.0.0.1` and `::1` are one host.

    Other names and addresses come back in lower case, IPv6 in its short form, IPv4 mapped into
    IPv6 as IPv4.
    """
    if text in _LOOPBACK_NAMES:
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text.lower()
    mapped = getattr(address, "ipv4_mapped", None)
    return canonical_ip(str(mapped)) if mapped is not None else str(address)


def is_loopback(ip: str) -> bool:
    """Tell whether a canonical address is this machine's own, any of 127.0.0.0/8 included."""
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False


class Address(NamedTuple):
    """Where a server listens: `ip` in canonical form, `port` 1..65535."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ip:port`, IPv6 in brackets.

        Raises:
            ValueError: the text is no address; it says what is wrong.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not host:
            raise ValueError(f"{text!r} is not <ip>:<port>")
        if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
            raise ValueError(f"{port!r} is no port number from 1 to 65535")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"an IPv6 address stands in brackets: [{host}]:{port}")
        return cls(canonical_ip(host), int(port))


def check_random(text: object) -> str:
    """Give the random part of a host id back, or say why it is none.

    Raises:
        ValueError: it is not 1..64 of `[A-Za-z0-9_-]`.
    """
    if not isinstance(text, str) or not _RANDOM.match(text):
        raise ValueError("the random part of a host_id is 1 to 64 of A-Z a-z 0-9 _ -")
    return text


class HostId(NamedTuple):
    """An author: `random` is who it is, `address` where it is now."""

    random: str
    address: Address

    def __str__(self) -> str:
        return f"{self.random}@{self.address}"

    @classmethod
    def parse(cls, text: object) -> HostId:
        """Read `<random>@<ip>:<port>`.

        Raises:
            ValueError: the text is no host id; it says what is wrong.
        """
        if not isinstance(text, str):
            raise ValueError(f"a host_id is a string, not {type(text).__name__}")
        return _parse_host_id(text)


@lru_cache(_REMEMBERED)
def _parse_host_id(text: str) -> HostId:
    random, at, address = text.partition("@")
    if not at:
        raise ValueError(f"{text!r} is not <random>@<ip>:<port>")
    return HostId(check_random(random), Address.parse(address))


class HostState(Enum):
    """Where a satellite stands in its relay's eyes."""

    CHECKING = "checking"
    """Registered; its callback has not been tried yet."""
    ONLINE = "online"
    """Its callback answers: messages are pushed to it."""
    POLL = "poll"
    """Nobody can connect to it: it collects."""
    AWAY = "away"
    """Its lease ran out; it is kept and may come back."""
    GONE = "gone"
    """Unregistered, or away for longer than forget_after."""


@frozen
class Registration:
    """What a relay remembers of a satellite over its own restart.

    `proof` is the SHA-256 of the satellite's secret, or None for a host that has none.
    `notify_token` is what the satellite asked the relay to show, kept in the clear because it
    must be shown. `epoch` counts registrations; `created` is UNIX seconds; `seen` too, but later
    than that of any other that registered before. `co2` and `nil` are capabilities: what it said
    when it registered, or listed when its callback was tried; a host with `co2` judges by itself
    who may call what. `topics` are the patterns
    of what it wants, None for everything; `newest` says that of a backlog it wants the newest of
    each author and topic only.
    """

    random: str
    address: Address
    nick: str
    proof: bytes | None = field(repr=False)
    notify_token: str | None = field(repr=False)
    epoch: int
    created: float
    seen: float
    state: HostState
    relays_others: bool = False
    co2: bool = False
    nil: bool = False
    topics: tuple[str, ...] | None = None
    newest: bool = False
    properties: dict[str, Any] = field(factory=dict)

    @property
    def host_id(self) -> HostId:
        """Who and where it is now."""
        return HostId(self.random, self.address)

    def evolve(self, **changes: Any) -> Registration:
        """Give a copy with those fields changed."""
        return evolve(self, **changes)


@frozen
class Identity:
    """Who this server is: drawn once, kept in its state directory (PROTOCOL section 5.1)."""

    random: str
    secret: str = field(repr=False)
