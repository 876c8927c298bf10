"""The files that every distribution has: /etc/hosts and /etc/resolv.conf."""

from __future__ import annotations

from plugin.guest.network.model import (
    Address4,
    Address6,
    Files,
    Flavour,
    Network,
    Old,
    unique,
)

MARK = "# Automatically generated, do not edit\n"


def common_files(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write /etc/hosts, and /etc/resolv.conf where there are name servers."""
    files = {"/etc/hosts": hosts(old.get("/etc/hosts", ""), network)}
    text = resolv_conf(network)
    if text is not None:
        files["/etc/resolv.conf"] = text
    return files


def resolv_conf(network: Network) -> str | None:
    """Give /etc/resolv.conf, or None where no name server is known and the old one stays."""
    if not network.dns:
        return None
    return MARK + "".join(f"nameserver {server}\n" for server in network.dns)


def hosts(old: str, network: Network) -> str:
    """Give /etc/hosts with the first address of each family of each interface.

    A line that says something else about one of these addresses stays as a comment; so does one
    that gives this host's name another address, unless that is a loopback's.
    """
    firsts: list[Address4 | Address6] = []
    for interface in network.interfaces:
        firsts += [*interface.ip4s[:1], *interface.ip6s[:1]]
    addresses = unique(one.address for one in firsts)
    missing = list(addresses)
    lines = []
    for line in old.splitlines():
        words = line.partition("#")[0].split()
        if words and words[0] in missing and words[1:2] == [network.hostname]:
            missing.remove(words[0])
        elif words and _contradicts(words, addresses, network.hostname):
            line = f"# {line}\t# Removed by nova-agent"
        lines.append(line)
    lines += [f"{address}\t{network.hostname}" for address in missing]
    return "".join(f"{line}\n" for line in lines)


def _contradicts(words: list[str], addresses: tuple[str, ...], hostname: str) -> bool:
    loopback = words[0].startswith("127.") or words[0] == "::1"
    return words[0] in addresses or (bool(addresses) and hostname in words[1:] and not loopback)
