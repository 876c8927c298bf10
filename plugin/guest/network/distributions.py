"""Which files this machine's network is in, and what makes the system read them again.

Decides from the files that are there, below a root; writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from attrs import frozen

from plugin.guest.network.arch import arch_legacy, arch_netcfg, arch_netctl
from plugin.guest.network.debian import debian
from plugin.guest.network.freebsd import freebsd
from plugin.guest.network.gentoo import gentoo_legacy, gentoo_openrc
from plugin.guest.network.model import Files, Flavour, Network, Old
from plugin.guest.network.redhat import redhat
from plugin.guest.network.suse import suse
from plugin.guest.network.today import NETPLAN, netplan, network_manager, networkd

Command = tuple[str, ...]


class Tree(Protocol):
    """What is asked of the machine's files."""

    def read_text(self, path: str) -> str | None:
        """Give a file's content, or None where there is none."""

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or a folder of that name."""


@frozen
class Distribution:
    """One way of configuring networks.

    Attributes:
        write: the model to files.
        reads: files whose old content `write` keeps parts of.
        restart: commands, given the interfaces' names, that make the system read the files.
        hostname: where the host's name stands; (path, name of the variable or '').
        private: files that only root may read.
        own: how names of files begin that this agent alone writes, so that those of interfaces
            or aliases that are gone are removed.
    """

    write: Callable[[Network, Old, Flavour], Files]
    restart: Callable[[tuple[str, ...]], tuple[Command, ...]]
    reads: tuple[str, ...] = ()
    hostname: tuple[str, str] = ("/etc/hostname", "")
    private: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


def _always(*commands: Command) -> Callable[[tuple[str, ...]], tuple[Command, ...]]:
    return lambda names: commands


def _each(*commands: Command) -> Callable[[tuple[str, ...]], tuple[Command, ...]]:
    return lambda names: tuple(
        tuple(word.format(name) for word in command) for name in names for command in commands
    )


_SCRIPTS = "/etc/sysconfig/network-scripts"
_RC = ("/etc/rc.conf", "hostname")
DISTRIBUTIONS: Mapping[str, Distribution] = {
    "debian": Distribution(debian, _each(("ifdown", "--force", "{}"), ("ifup", "--force", "{}"))),
    "redhat": Distribution(
        redhat,
        _always(("service", "network", "restart")),
        reads=("/etc/sysconfig/network",),
        hostname=("/etc/sysconfig/network", "HOSTNAME"),
        own=(f"{_SCRIPTS}/ifcfg-eth", f"{_SCRIPTS}/route-eth"),
    ),
    "suse": Distribution(
        suse,
        _always(("service", "network", "restart")),
        reads=("/etc/sysconfig/network/config",),
        hostname=("/etc/HOSTNAME", ""),
    ),
    "gentoo_openrc": Distribution(
        gentoo_openrc,
        _each(("/etc/init.d/net.{}", "restart")),
        hostname=("/etc/conf.d/hostname", "hostname"),
    ),
    "gentoo_legacy": Distribution(
        gentoo_legacy,
        _each(("/etc/init.d/net.{}", "restart")),
        hostname=("/etc/conf.d/hostname", "HOSTNAME"),
    ),
    "arch_legacy": Distribution(
        arch_legacy,
        _always(("/etc/rc.d/network", "restart")),
        reads=("/etc/rc.conf",),
        hostname=("/etc/rc.conf", "HOSTNAME"),
    ),
    "arch_netcfg": Distribution(
        arch_netcfg,
        _always(("/etc/rc.d/net-profiles", "restart")),
        reads=("/etc/rc.conf",),
        hostname=("/etc/rc.conf", "HOSTNAME"),
    ),
    "arch_netctl": Distribution(arch_netctl, _each(("netctl", "restart", "{}"))),
    "freebsd": Distribution(
        freebsd,
        _always(("/etc/rc.d/netif", "restart"), ("/etc/rc.d/routing", "restart")),
        reads=_RC[:1],
        hostname=_RC,
    ),
    "netplan": Distribution(netplan, _always(("netplan", "apply")), private=(NETPLAN,)),
    "network_manager": Distribution(
        network_manager,
        _always(("nmcli", "connection", "reload"), ("nmcli", "networking", "on")),
        private=("/etc/NetworkManager/system-connections/",),
        own=("/etc/NetworkManager/system-connections/guest-agent-",),
    ),
    "networkd": Distribution(
        networkd,
        _always(("networkctl", "reload")),
        own=("/etc/systemd/network/10-guest-agent-",),
    ),
}


def detect(tree: Tree) -> str:
    """Give the name in DISTRIBUTIONS that fits; the newest where several would work.

    Raises:
        LookupError: none does.
    """
    for test, name in _TESTS:
        if test(tree):
            return name
    raise LookupError("Couldn't figure out my OS: set `distribution` to one of " + _known())


def _known() -> str:
    return ", ".join(sorted(DISTRIBUTIONS))


def _has(*paths: str) -> Callable[[Tree], bool]:
    return lambda tree: all(tree.exists(path) for path in paths)


def _is(*words: str) -> Callable[[Tree], bool]:
    def test(tree: Tree) -> bool:
        text = tree.read_text("/etc/os-release") or ""
        found = " ".join(
            line.partition("=")[2]
            for line in text.splitlines()
            if line.startswith(("ID", "ID_LIKE"))
        )
        return any(word in found.replace('"', "").split() for word in words)

    return test


def _both(*tests: Callable[[Tree], bool]) -> Callable[[Tree], bool]:
    return lambda tree: all(test(tree) for test in tests)


_gentoo = _has("/etc/gentoo-release")
_arch = _has("/etc/arch-release")
_TESTS: tuple[tuple[Callable[[Tree], bool], str], ...] = (
    (_has("/etc/netplan"), "netplan"),
    (_both(_gentoo, _has("/sbin/openrc-run")), "gentoo_openrc"),
    (_both(_gentoo, _has("/sbin/rc-service")), "gentoo_openrc"),
    (_gentoo, "gentoo_legacy"),
    (_both(_arch, _has("/etc/netctl")), "arch_netctl"),
    (_both(_arch, _has("/etc/network.d")), "arch_netcfg"),
    (_both(_arch, _has("/etc/systemd/network")), "networkd"),
    (_arch, "arch_legacy"),
    (_has("/etc/sysconfig/network-scripts/ifup"), "redhat"),
    (_has("/etc/SuSE-release"), "suse"),
    (_both(_is("opensuse", "sles", "suse"), _has("/etc/sysconfig/network")), "suse"),
    (_has("/etc/network/interfaces"), "debian"),
    (_has("/etc/NetworkManager"), "network_manager"),
    (_has("/etc/redhat-release"), "redhat"),
    (_has("/etc/systemd/network"), "networkd"),
    (_has("/etc/debian_version"), "debian"),
    (_has("/bin/freebsd-version"), "freebsd"),
    (_has("/etc/rc.d/netif"), "freebsd"),
)
