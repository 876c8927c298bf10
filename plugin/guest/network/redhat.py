"""Red Hat, CentOS, Fedora and Oracle with network-scripts: ifcfg-*, route-*, network."""

from __future__ import annotations

from plugin.guest.network.hosts import MARK
from plugin.guest.network.model import Files, Flavour, Interface, Network, Old
from plugin.guest.network.variables import set_variables

FOLDER = "/etc/sysconfig/network-scripts"


def redhat(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write the files of network-scripts: an ifcfg for each name, one route file an interface."""
    files = {"/etc/sysconfig/network": _network(old.get("/etc/sysconfig/network", ""), network)}
    for one in network.interfaces:
        name = one.name
        for index in range(one.aliases):
            name = one.name if index == 0 else f"{one.name}:{index}"
            files[f"{FOLDER}/ifcfg-{name}"] = _ifcfg(one, index, name)
        if one.further_routes:
            # The original names the route file after the last alias, where ifup does not look.
            name = name if flavour.faithful else one.name
            files[f"{FOLDER}/route-{name}"] = _routes(one, flavour)
    return files


def _network(old: str, network: Network) -> str:
    ipv6 = any(one.ip6s for one in network.interfaces)
    settings = {"NETWORKING_IPV6": "yes" if ipv6 else "no", "HOSTNAME": network.hostname}
    return set_variables(old, {"NETWORKING": "yes", **settings})


def _ifcfg(one: Interface, index: int, name: str) -> str:
    lines = [f"# Label {one.label}"] if one.label else []
    lines += [f"DEVICE={name}", "BOOTPROTO=static", f"HWADDR={one.mac}"]
    for ip4 in one.ip4s[index : index + 1]:
        lines += [f"IPADDR={ip4.address}", f"NETMASK={ip4.netmask}"]
        if index == 0 and one.gateway4:
            lines += ["DEFROUTE=yes", f"GATEWAY={one.gateway4}"]
    for ip6 in one.ip6s[index : index + 1]:
        lines += ["IPV6INIT=yes", "IPV6_AUTOCONF=no", f"IPV6ADDR={ip6.address}/{ip6.prefixlen}"]
        if index == 0 and one.gateway6:
            lines.append(f"IPV6_DEFAULTGW={one.gateway6}%{one.name}")
    if index == 0:
        lines += [f"DNS{number}={server}" for number, server in enumerate(one.dns, 1)]
    lines += ["ONBOOT=yes", "NM_CONTROLLED=no"]
    return MARK + "\n" + "".join(f"{line}\n" for line in lines)


def _routes(one: Interface, flavour: Flavour) -> str:
    # The original leaves a gap where the default route was, at which ifup-routes stops reading.
    places = one.placed_routes(one.gateway4)
    numbered = places if flavour.faithful else enumerate(one.further_routes)
    return "".join(
        f"ADDRESS{number}={route.network}\n"
        f"NETMASK{number}={route.netmask}\n"
        f"GATEWAY{number}={route.gateway}\n"
        for number, route in numbered
    )
