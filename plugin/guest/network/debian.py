"""Debian's and Ubuntu's ifupdown: /etc/network/interfaces and /etc/hostname."""

from __future__ import annotations

from plugin.guest.network.model import (
    Address4,
    Address6,
    Files,
    Flavour,
    Interface,
    Network,
    Old,
)

HEAD = """\
# Used by ifup(8) and ifdown(8). See the interfaces(5) manpage or
# /usr/share/doc/ifupdown/examples for more information.
# The loopback network interface
auto lo
iface lo inet loopback
"""


def debian(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write the files of ifupdown: one stanza a name, aliases for further addresses."""
    stanzas = [stanza for one in network.interfaces for stanza in _stanzas(one, flavour)]
    return {
        "/etc/network/interfaces": HEAD + "".join(f"{line}\n" for line in stanzas),
        "/etc/hostname": f"{network.hostname}\n",
    }


def _stanzas(one: Interface, flavour: Flavour) -> list[str]:
    if not one.addresses:
        # The original hangs the routes of such an interface on whatever stanza comes before.
        return _routes(one) if flavour.faithful else []
    return [line for index in range(one.aliases) for line in _stanza(one, index)]


def _stanza(one: Interface, index: int) -> list[str]:
    name = one.name if index == 0 else f"{one.name}:{index}"
    lines = ["", *([f"# Label {one.label}"] if one.label else []), f"auto {name}"]
    lines += _family(name, "inet", one.ip4s[index : index + 1], one.gateway4, index)
    lines += _family(name, "inet6", one.ip6s[index : index + 1], one.gateway6, index)
    if index == 0 and one.dns:
        lines.append(f"    dns-nameservers {' '.join(one.dns)}")
    if index == one.aliases - 1:
        lines += _routes(one)
    return lines


def _family(
    name: str,
    family: str,
    found: tuple[Address4, ...] | tuple[Address6, ...],
    gateway: str | None,
    index: int,
) -> list[str]:
    if not found:
        return []
    first = found[0]
    mask = first.netmask if isinstance(first, Address4) else first.prefixlen
    lines = [
        f"iface {name} {family} static",
        f"    address {found[0].address}",
        f"    netmask {mask}",
    ]
    return [*lines, f"    gateway {gateway}"] if index == 0 and gateway else lines


def _routes(one: Interface) -> list[str]:
    lines = []
    for route in one.further_routes:
        what = f"-net {route.network} netmask {route.netmask} gw {route.gateway} || true"
        lines += [f"    post-up route add {what}", f"    pre-down route del {what}"]
    return lines
