"""What configures networks today: netplan, NetworkManager's keyfiles, systemd-networkd.

All three choose the interface by its MAC address, as vm-data does, so that a renamed one keeps
its settings. Files that other programs read with their own rights are written as those ask for.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence

from plugin.guest.network.hosts import MARK
from plugin.guest.network.model import (
    Address4,
    Address6,
    Files,
    Flavour,
    Interface,
    Network,
    Old,
)

NETPLAN = "/etc/netplan/60-guest-agent.yaml"
KEYFILES = "/etc/NetworkManager/system-connections"
NETWORKD = "/etc/systemd/network"
_NAMESPACE = uuid.UUID("5f1c2f0a-6d0c-4a7e-9d8e-0f6f1f0a2c11")


def netplan(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write one netplan file, mode 0600 as netplan asks for. Strings are quoted as in JSON."""
    lines = [MARK.rstrip(), "network:", "  version: 2"]
    lines += ["  ethernets:"] if network.interfaces else []
    for one in network.interfaces:
        lines += [f"    {json.dumps(one.name)}:", *(f"      {line}" for line in _plan(one))]
    return {NETPLAN: _text(lines), "/etc/hostname": f"{network.hostname}\n"}


def _plan(one: Interface) -> Iterable[str]:
    if one.label:
        yield f"# Label {one.label}"
    yield f"match: {{macaddress: {json.dumps(one.mac)}}}"
    yield f"set-name: {json.dumps(one.name)}"
    yield "dhcp4: false"
    yield "dhcp6: false"
    if one.addresses:
        yield f"addresses: {json.dumps([f'{a.address}/{a.prefixlen}' for a in one.addresses])}"
    if one.dns:
        yield f"nameservers: {{addresses: {json.dumps(list(one.dns))}}}"
    routes = _routes(one)
    if routes:
        yield "routes:"
    for target, gateway, on_link in routes:
        more = ", on-link: true" if on_link else ""
        yield f"- {{to: {json.dumps(target)}, via: {json.dumps(gateway)}{more}}}"


def _routes(one: Interface) -> list[tuple[str, str, bool]]:
    """Give target, gateway, and whether the gateway must be taken as reachable (a /32)."""
    single = any(str(a.prefixlen) == "32" for a in one.ip4s)
    routes = [(f"{r.network}/{r.prefixlen}", r.gateway, single) for r in one.further_routes]
    routes += [("0.0.0.0/0", one.gateway4, single)] if one.gateway4 else []
    return [*routes, *([("::/0", one.gateway6, False)] if one.gateway6 else [])]


def network_manager(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write one keyfile an interface, mode 0600: NetworkManager ignores those others may read.

    The uuid is made from the MAC address, so that it stays over runs.
    """
    files = {
        f"{KEYFILES}/guest-agent-{one.name}.nmconnection": _text(_keyfile(one))
        for one in network.interfaces
    }
    return {**files, "/etc/hostname": f"{network.hostname}\n"}


def _keyfile(one: Interface) -> Iterable[str]:
    yield MARK.rstrip()
    if one.label:
        yield f"# Label {one.label}"
    yield from ("[connection]", f"id=guest-agent-{one.name}")
    yield from (f"uuid={uuid.uuid5(_NAMESPACE, one.mac)}", "type=ethernet", "autoconnect=true")
    yield from ("", "[ethernet]", f"mac-address={one.mac.upper()}")
    yield from ("", "[ipv4]", *_family(one, 4))
    yield from ("", "[ipv6]", *_family(one, 6))


def _family(one: Interface, family: int) -> Iterable[str]:
    addresses: Sequence[Address4 | Address6] = one.ip4s if family == 4 else one.ip6s
    gateway = one.gateway4 if family == 4 else one.gateway6
    yield f"method={'manual' if addresses else 'disabled' if family == 4 else 'ignore'}"
    for number, address in enumerate(addresses, 1):
        yield f"address{number}={address.address}/{address.prefixlen}"
    if addresses and gateway:
        yield f"gateway={gateway}"
    servers = [server for server in one.dns if (":" in server) == (family == 6)]
    if addresses and servers:
        yield f"dns={';'.join(servers)};"
    for number, route in enumerate(one.further_routes if family == 4 and addresses else (), 1):
        yield f"route{number}={route.network}/{route.prefixlen},{route.gateway}"


def networkd(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write one .network file an interface, which every user may read, as networkd must."""
    files = {
        f"{NETWORKD}/10-guest-agent-{one.name}.network": _text(_unit(one))
        for one in network.interfaces
    }
    return {**files, "/etc/hostname": f"{network.hostname}\n"}


def _unit(one: Interface) -> Iterable[str]:
    yield MARK.rstrip()
    if one.label:
        yield f"# Label {one.label}"
    yield from ("[Match]", f"MACAddress={one.mac}", "", "[Network]", "DHCP=no")
    yield from (f"Address={a.address}/{a.prefixlen}" for a in one.addresses)
    yield from (f"DNS={server}" for server in one.dns)
    for target, gateway, on_link in _routes(one):
        yield from ("", "[Route]", f"Destination={target}", f"Gateway={gateway}")
        yield from (["GatewayOnLink=yes"] if on_link else [])


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
