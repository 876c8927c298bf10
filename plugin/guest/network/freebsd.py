"""FreeBSD: everything stands in /etc/rc.conf, whose other lines stay."""

from __future__ import annotations

import re

from plugin.guest.network.model import Files, Flavour, Interface, Network, Old

RC_CONF = "/etc/rc.conf"
_OURS = re.compile(
    r"ifconfig|defaultrouter|ipv6_(?:ifconfig|defaultrouter|enable|network_interfaces)"
    r"|static_routes|route_|dhcpd_|hostname"
)


def freebsd(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write rc.conf: what it said of the network is replaced, the rest kept in its place."""
    before = (line.strip() for line in old.get(RC_CONF, "").splitlines())
    lines = [line for line in before if not _OURS.match(line)]
    lines += ['dhcpd_enable="NO"', f"hostname={network.hostname}"]
    for one in network.interfaces:
        lines += _addresses(one)
    lines += _routes(network) + _ipv6(network) + _routers(network, flavour)
    return {RC_CONF: "".join(f"{line}\n" for line in lines)}


def _addresses(one: Interface) -> list[str]:
    lines = [f"# Label {one.label}"] if one.label and one.addresses else []
    for index in range(one.aliases):
        name = f"{one.name}_alias{index - 1}" if index else one.name
        up = "" if index else " up"
        for ip4 in one.ip4s[index : index + 1]:
            lines.append(f'ifconfig_{name}="{ip4.address} netmask {ip4.netmask}{up}"')
        for ip6 in one.ip6s[index : index + 1]:
            lines.append(f'ipv6_ifconfig_{name}="{ip6.address}/{ip6.prefixlen}"')
    return lines


def _routes(network: Network) -> list[str]:
    gateway4, _ = network.only_gateways()
    routes = [route for one in network.interfaces for _, route in one.placed_routes(gateway4)]
    lines = [
        f'route_lan{number}="-net {route.network} -netmask {route.netmask} {route.gateway}"'
        for number, route in enumerate(routes)
    ]
    names = " ".join(f"lan{number}" for number in range(len(routes)))
    return [*lines, f'static_routes="{names}"'] if routes else []


def _ipv6(network: Network) -> list[str]:
    names = ",".join(one.name for one in network.interfaces if one.ip6s)
    return ['ipv6_enable="YES"', f'ipv6_network_interfaces="{names}"'] if names else []


def _routers(network: Network, flavour: Flavour) -> list[str]:
    gateway4, gateway6 = network.only_gateways()
    lines = [f'defaultrouter="{gateway4}"'] if gateway4 else []
    if gateway6:
        gateway, name = gateway6
        scope = "xn0" if flavour.faithful else name
        local = flavour.faithful or gateway.lower().startswith("fe80:")
        lines.append(f'ipv6_defaultrouter="{gateway}{f"%{scope}" if local else ""}"')
    return lines
