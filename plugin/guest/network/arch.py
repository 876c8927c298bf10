"""Arch Linux: rc.conf as it was first, then netcfg's, then netctl's profiles."""

from __future__ import annotations

from plugin.guest.network.arch_rc import for_profiles, in_rc_conf
from plugin.guest.network.model import Files, Flavour, Interface, Network, Old

RC_CONF = "/etc/rc.conf"


def arch_legacy(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write rc.conf: a variable for each address and route, two arrays that name them."""
    interfaces = [line for one in network.interfaces for line in _addresses(one)]
    gateway4, gateway6 = network.only_gateways()
    routes = [
        (
            f"{one.name}_route{place}",
            f"-net {route.network} netmask {route.netmask} gw {route.gateway}",
        )
        for one in network.interfaces
        for place, route in one.placed_routes(gateway4)
    ]
    routes += [("gateway", f"default gw {gateway4}")] if gateway4 else []
    routes += [("gateway6", f"default gw {gateway6[0]}")] if gateway6 else []
    old_text = old.get(RC_CONF, "")
    return {RC_CONF: in_rc_conf(old_text, interfaces, routes, faithful=flavour.faithful)}


def arch_netcfg(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write a profile for each interface below /etc/network.d, and rc.conf that starts them."""
    files = {f"/etc/network.d/{one.name}": _netcfg(one, flavour) for one in network.interfaces}
    names = [one.name for one in network.interfaces]
    # Python 2's order of a dict was the reverse for eth0, eth1, eth2.
    names = names[::-1] if flavour.faithful else names
    text = for_profiles(old.get(RC_CONF, ""), names, faithful=flavour.faithful)
    return {**files, RC_CONF: text}


def arch_netctl(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write a profile for each interface below /etc/netctl.

    The original wrote the first address only, and a netmask where netctl reads bits.
    """
    form = _netctl_faithful if flavour.faithful else _netctl
    files = {f"/etc/netctl/{one.name}": form(one) for one in network.interfaces}
    return files if flavour.faithful else {**files, "/etc/hostname": f"{network.hostname}\n"}


def _addresses(one: Interface) -> list[tuple[str, str]]:
    lines = []
    for index in range(one.aliases):
        words = [f"{one.name}:{index}" if index else one.name]
        words += [f"{a.address} netmask {a.netmask}" for a in one.ip4s[index : index + 1]]
        words += [f"add {a.address}/{a.prefixlen}" for a in one.ip6s[index : index + 1]]
        lines.append((f"{one.name}_{index}" if index else one.name, " ".join(words)))
    return lines


def _netcfg(one: Interface, flavour: Flavour) -> str:
    lines = [*_label(one), 'CONNECTION="ethernet"', f"INTERFACE={one.name}"]
    for ip4 in one.ip4s[:1]:
        lines += ['IP="static"', f'ADDR="{ip4.address}"', f'NETMASK="{ip4.netmask}"']
        lines += [f'GATEWAY="{one.gateway4}"'] if one.gateway4 else []
    for ip6 in one.ip6s[:1]:
        lines += ['IP6="static"', f'ADDR6="{ip6.address}/{ip6.prefixlen}"']
        lines += [f'GATEWAY6="{one.gateway6}"'] if one.gateway6 else []
    further = one.routes_as_of(flavour)
    if further:
        routes = (f'"{r.network}/{r.netmask} via {r.gateway}"' for r in further)
        lines.append(f"ROUTES=({' '.join(routes)})")
    if one.dns:
        lines.append(f"DNS=({' '.join(one.dns)})")
    return _text(lines + _further(one))


def _further(one: Interface) -> list[str]:
    more = [f"{a.address}/{a.netmask}" for a in one.ip4s[1:]]
    more += [f"{a.address}/{a.prefixlen}" for a in one.ip6s[1:]]
    if not more:
        return []
    up = "; ".join(f"ip addr add {address} dev {one.name}" for address in more)
    down = "; ".join(f"ip addr del {address} dev {one.name}" for address in reversed(more))
    return [f'POST_UP="{up}"', f'PRE_DOWN="{down}"']


def _netctl(one: Interface) -> str:
    return _profile(
        one,
        [f"{a.address}/{a.prefixlen}" for a in one.ip4s],
        [f"{a.address}/{a.prefixlen}" for a in one.ip6s],
        [f"{r.network}/{r.prefixlen} via {r.gateway}" for r in one.further_routes],
    )


def _netctl_faithful(one: Interface) -> str:
    return _profile(
        one,
        [f"{a.address}/{a.netmask}" for a in one.ip4s[:1]],
        [f"{a.address}/{a.prefixlen}" for a in one.ip6s[:1]],
        [f"{r.network}/{r.netmask} via {r.gateway}" for r in one.routes_as_of(Flavour(True))],
    )


def _profile(one: Interface, ip4s: list[str], ip6s: list[str], routes: list[str]) -> str:
    lines = [*_label(one), "Connection=ethernet", f"Interface={one.name}"]
    if ip4s:
        lines += ["IP=static", f"Address=({_quoted(ip4s)})"]
        lines += [f"Gateway={one.gateway4}"] if one.gateway4 else []
    if ip6s:
        lines += ["IP6=static", f"Address6=({_quoted(ip6s)})"]
        lines += [f"Gateway6={one.gateway6}"] if one.gateway6 else []
    lines += [f"Routes=({_quoted(routes)})"] if routes else []
    lines += [f"DNS=({_quoted(one.dns)})"] if one.dns else []
    return _text(lines)


def _quoted(values: list[str] | tuple[str, ...]) -> str:
    return " ".join(f"'{value}'" for value in values)


def _label(one: Interface) -> list[str]:
    return [f"# Label {one.label}"] if one.label else []


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
