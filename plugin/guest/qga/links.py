"""guest-network-*: interfaces with addresses and counts, and routes."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import psutil

from plugin.guest.machine import Machine
from plugin.guest.qga.schema import call

_FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}


class LinkCalls:
    """Tells of this machine's network."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @call("guest-network-get-interfaces")
    def get_interfaces(self) -> list[dict[str, Any]]:
        """Give each interface; those without an address have no counts, as with qemu-ga."""
        counts = psutil.net_io_counters(pernic=True)
        return [
            _interface(name, addresses, counts.get(name))
            for name, addresses in psutil.net_if_addrs().items()
        ]

    @call("guest-network-get-route")
    def get_route(self) -> list[dict[str, Any]]:
        """Give the IPv4 routes (QEMU 9.2)."""
        lines = (self._machine.read_text("/proc/net/route") or "").splitlines()[1:]
        return [_route(line.split()) for line in lines if len(line.split()) >= 11]


def _interface(name: str, addresses: list[Any], count: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name}
    for one in addresses:
        if one.family == psutil.AF_LINK:
            told["hardware-address"] = one.address.lower()
    found = [_address(one) for one in addresses if one.family in _FAMILIES]
    if found:
        told["ip-addresses"] = found
    if found and count is not None:
        told["statistics"] = {
            "rx-bytes": count.bytes_recv,
            "rx-packets": count.packets_recv,
            "rx-errs": count.errin,
            "rx-dropped": count.dropin,
            "tx-bytes": count.bytes_sent,
            "tx-packets": count.packets_sent,
            "tx-errs": count.errout,
            "tx-dropped": count.dropout,
        }
    return told


def _address(one: Any) -> dict[str, Any]:
    told = {
        "ip-address-type": _FAMILIES[one.family],
        "ip-address": one.address.partition("%")[0],
    }
    if one.netmask:
        mask = int(ipaddress.ip_address(one.netmask))
        told["prefix"] = mask.bit_count()
    return told


def _route(words: list[str]) -> dict[str, Any]:
    def dotted(word: str) -> str:
        return str(ipaddress.IPv4Address(int(word, 16).to_bytes(4, "little")))

    return {
        "iface": words[0],
        "destination": dotted(words[1]),
        "gateway": dotted(words[2]),
        "metric": int(words[6]),
        "mask": dotted(words[7]),
        "irtt": int(words[10]),
        "flags": int(words[3], 16),
        "refcnt": int(words[4]),
        "use": int(words[5]),
        "mtu": int(words[8]),
        "window": int(words[9]),
        "version": 4,
    }
