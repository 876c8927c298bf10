"""What a machine's network shall be, as values; knows neither files nor where it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen


class BadNetworkConfig(RuntimeError):
    """What vm-data says cannot be applied; the text goes to the client as the 500's message."""


@frozen
class Address4:
    """An IPv4 address with its netmask, both dotted, and the prefix length in bits."""

    address: str
    netmask: str
    prefixlen: int


@frozen
class Address6:
    """An IPv6 address; the prefix length is kept as it came, a number or its digits."""

    address: str
    prefixlen: int | str


@frozen
class Route:
    """An IPv4 route."""

    network: str
    netmask: str
    prefixlen: int
    gateway: str

    @property
    def is_default(self) -> bool:
        """Whether it is the way to everywhere."""
        return self.network == "0.0.0.0" and not self.prefixlen  # noqa: S104  # as above


@frozen
class Interface:
    """One interface: `name` is this machine's, `label` only a comment."""

    name: str
    mac: str
    label: str | None
    up: bool
    ip4s: tuple[Address4, ...]
    ip6s: tuple[Address6, ...]
    gateway4: str | None
    gateway6: str | None
    routes: tuple[Route, ...]
    dns: tuple[str, ...]

    @property
    def addresses(self) -> tuple[Address4 | Address6, ...]:
        """Every address, IPv4 first."""
        return (*self.ip4s, *self.ip6s)

    @property
    def aliases(self) -> int:
        """How many names (`eth0`, `eth0:1`, ...) carry one address of each family."""
        return max(len(self.ip4s), len(self.ip6s))

    @property
    def further_routes(self) -> tuple[Route, ...]:
        """The routes without the default one, where `gateway4` says it already."""
        return tuple(route for _, route in self.placed_routes(self.gateway4))

    def placed_routes(self, gateway4: str | None) -> tuple[tuple[int, Route], ...]:
        """The routes without the default one by a gateway, each with its place among all."""
        return tuple(
            (place, route)
            for place, route in enumerate(self.routes)
            if not (route.is_default and route.gateway == gateway4)
        )

    def routes_as_of(self, flavour: Flavour) -> tuple[Route, ...]:
        """The routes as the original's Gentoo and Arch have them, if it is to be followed.

        It leaves out every default route, and every other by the same gateway too.
        """
        if not flavour.faithful:
            return self.further_routes
        return tuple(
            route
            for route in self.routes
            if route.network != "0.0.0.0"  # noqa: S104  # a route, nothing that listens
            and route.prefixlen
            and route.gateway != self.gateway4
        )


@frozen
class Network:
    """The interfaces in the order of their names, and the host's name."""

    interfaces: tuple[Interface, ...]
    hostname: str

    @property
    def dns(self) -> tuple[str, ...]:
        """Every name server once, in order."""
        return unique(server for one in self.interfaces for server in one.dns)

    def only_gateways(self) -> tuple[str | None, tuple[str, str] | None]:
        """Give the default gateways for files that have room for one of each family.

        Returns:
            the IPv4 gateway, and the IPv6 gateway with its interface's name.

        Raises:
            BadNetworkConfig: two interfaces have one each.
        """
        found4 = [one.gateway4 for one in self.interfaces if one.gateway4]
        found6 = [(one.gateway6, one.name) for one in self.interfaces if one.gateway6]
        for family, found in (("IPv4", found4), ("IPv6", found6)):
            if len(found) > 1:
                raise BadNetworkConfig(f"Multiple {family} default routes specified")
        return next(iter(found4), None), next(iter(found6), None)


@frozen
class Flavour:
    """How to write.

    Attributes:
        faithful: byte for byte as the agent of 2017, its faults included (docs/guest.md).
        stamp: the time for headers.
        program: who wrote it, for headers.
    """

    faithful: bool = False
    stamp: str = ""
    program: str = "co2-guest"


def unique(values: Iterable[str]) -> tuple[str, ...]:
    """Give each value once, in order."""
    return tuple(dict.fromkeys(values))


def described(interfaces: Iterable[Interface]) -> dict[str, dict[str, Any]]:
    """Give the normalised form of the original: interface name to a plain dict."""
    return {one.name: _described(one) for one in interfaces}


def _described(one: Interface) -> dict[str, Any]:
    return {
        "mac": one.mac,
        "label": one.label,
        "up": one.up,
        "ip4s": [
            {"address": a.address, "netmask": a.netmask, "prefixlen": a.prefixlen, "enabled": 1}
            for a in one.ip4s
        ],
        "ip6s": [{"address": a.address, "prefixlen": a.prefixlen, "enabled": 1} for a in one.ip6s],
        "gateway4": one.gateway4,
        "gateway6": one.gateway6,
        "routes": [
            {
                "network": r.network,
                "netmask": r.netmask,
                "prefixlen": r.prefixlen,
                "gateway": r.gateway,
            }
            for r in one.routes
        ],
        "dns": list(one.dns),
    }


Files = dict[str, str]
"""Path to content."""

Old = Mapping[str, str]
"""What stands in the files now: path to content, without those that are not there."""
