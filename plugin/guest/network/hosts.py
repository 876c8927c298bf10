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
REMOVED = "\t# Removed by nova-agent"


def common_files(network: Network, old: Old, flavour: Flavour) -> Files:
    """Write /etc/hosts, and /etc/resolv.conf where there are name servers."""
    files = {"/etc/hosts": hosts(old.get("/etc/hosts", ""), network, flavour)}
    text = resolv_conf(network)
    if text is not None:
        files["/etc/resolv.conf"] = text
    return files


def resolv_conf(network: Network) -> str | None:
    """Give /etc/resolv.conf, or None where no name server is known and the old one stays."""
    if not network.dns:
        return None
    return MARK + "".join(f"nameserver {server}\n" for server in network.dns)


def hosts(old: str, network: Network, flavour: Flavour) -> str:
    """Give /etc/hosts with the first address of each family of each interface.

    A line of one of these addresses gets the host's name in place of the one that it has, beside a
    name with dots too; a line with more names stays. So does what was, as a comment. A line that
    gives the host's name to another address, as before a move, becomes a comment; loopback's does
    not.
    """
    firsts: list[Address4 | Address6] = []
    for interface in network.interfaces:
        firsts += [*interface.ip4s[:1], *interface.ip6s[:1]]
    missing = list(unique(one.address for one in firsts))
    moved = bool(missing) and not flavour.faithful
    lines = []
    for line in map(str.strip, old.splitlines()):
        told, mark, comment = line.partition("#")
        words = told.split()
        if words and words[0] in missing:
            missing.remove(words[0])
            new = _renamed(words[1:], network.hostname)
            if new != words[1:]:
                lines.append(f"# {line}{REMOVED}")
                line = f"{words[0]}\t{' '.join(new)}{mark and chr(9)}{mark}{comment}"
        elif moved and network.hostname in words[1:] and not _is_loopback(words[0]):
            line = f"# {line}{REMOVED}"
        lines.append(line)
    lines += [f"{address}\t{network.hostname}" for address in missing]
    return "".join(f"{line}\n" for line in lines)


def _renamed(names: list[str], hostname: str) -> list[str]:
    dotted = [name for name in names if "." in name]
    if len(names) == 1:
        return [hostname]
    if len(names) == 2 and len(dotted) == 1:
        return [name if "." in name else hostname for name in names]
    return names


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
