"""The Ethernet interfaces of this machine, as `agentlib.get_interfaces()` gives them."""

from __future__ import annotations

from pathlib import Path

import psutil

ETHERNET = "1"
"""ARPHRD_ETHER, in /sys/class/net/*/type."""


def ethernet_links(classes: Path = Path("/sys/class/net")) -> list[tuple[str, bool, str]]:
    """Give (name, whether it is up, lower-case MAC) of each Ethernet interface but loopback."""
    states = psutil.net_if_stats()
    links = []
    for name, addresses in psutil.net_if_addrs().items():
        macs = [one.address for one in addresses if one.family == psutil.AF_LINK]
        if macs and _is_ethernet(classes / name / "type", name):
            up = name in states and states[name].isup
            links.append((name, up, macs[0].lower().replace("-", ":")))
    return links


def _is_ethernet(kind: Path, name: str) -> bool:
    try:
        return kind.read_text("ascii").strip() == ETHERNET and name != "lo"
    except OSError:  # not Linux
        return not name.startswith("lo")
