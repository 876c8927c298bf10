"""SuSE and openSUSE: ifcfg-*, ifroute-*, config and /etc/HOSTNAME."""

from __future__ import annotations

from plugin.guest.network.hosts import MARK
from plugin.guest.network.model import Address4, Files, Flavour, Interface, Network, Old
from plugin.guest.network.variables import set_variables

FOLDER = "/etc/sysconfig/network"


def suse(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write the files below /etc/sysconfig/network, where `old` has them the DNS settings too."""
    files = {"/etc/HOSTNAME": f"{network.hostname}\n"}
    for one in network.interfaces:
        files[f"{FOLDER}/ifcfg-{one.name}"] = _ifcfg(one)
        routes = _routes(one)
        if routes:
            files[f"{FOLDER}/ifroute-{one.name}"] = routes
    config = old.get(f"{FOLDER}/config")
    if config is not None and network.dns:
        servers = f'"{" ".join(network.dns)}"'
        files[f"{FOLDER}/config"] = set_variables(config, {"NETCONFIG_DNS_STATIC_SERVERS": servers})
    return files


def _ifcfg(one: Interface) -> str:
    lines = [f"# Label {one.label}"] if one.label else []
    lines.append("BOOTPROTO='static'")
    for index, address in enumerate(one.addresses):
        suffix = f"_{index - 1}" if index else ""
        lines.append(f"IPADDR{suffix}='{address.address}'")
        if isinstance(address, Address4):
            lines.append(f"NETMASK{suffix}='{address.netmask}'")
        else:
            lines.append(f"PREFIXLEN{suffix}='{address.prefixlen}'")
        if index:
            lines.append(f"LABEL{suffix}='{index - 1}'")
    lines += ["STARTMODE='auto'", "USERCONTROL='no'"]
    return MARK + "\n" + "".join(f"{line}\n" for line in lines)


def _routes(one: Interface) -> str:
    lines = [
        f"{route.network} {route.gateway} {route.netmask} {one.name}"
        for route in one.further_routes
    ]
    lines += [f"default {gateway} - -" for gateway in (one.gateway4, one.gateway6) if gateway]
    return "".join(f"{line}\n" for line in lines)
