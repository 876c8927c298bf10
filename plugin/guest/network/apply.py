"""Puts a network's files into their places and makes the system read them.

Decides what changed; unchanged files are left alone, old ones kept as `<path>.<time>.bak~`.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable

from attrs import frozen

from plugin.guest.machine import Machine
from plugin.guest.network.distributions import DISTRIBUTIONS, Distribution
from plugin.guest.network.hosts import common_files
from plugin.guest.network.model import Flavour, Network
from plugin.guest.network.variables import set_variables


@frozen
class Applied:
    """What was done: the paths written and removed, and commands that failed."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    failed: tuple[str, ...]


def current_hostname(machine: Machine, name: str) -> str:
    """Give the host's name as the distribution's file has it, or ''."""
    path, variable = DISTRIBUTIONS[name].hostname
    text = machine.read_text(path) or ""
    return _value(text, variable) if variable else next(iter(text.split()), "")


def _value(text: str, variable: str) -> str:
    found = re.search(rf"(?m)^{variable}=(.*)$", text)
    return next(iter(shlex.split(found[1], comments=True)), "") if found else ""


def apply(machine: Machine, name: str, network: Network, flavour: Flavour, now: float) -> Applied:
    """Write what has changed, and restart the network.

    Args:
        machine: where.
        name: one of DISTRIBUTIONS.
        network: what shall be.
        flavour: how to write.
        now: UNIX seconds, for the names of old files.

    Raises:
        BadNetworkConfig: the distribution's files cannot say it.
        OSError: a file could not be written; then none was.
    """
    kind = DISTRIBUTIONS[name]
    shared = ("/etc/hosts",)
    old = {path: text for path in (*kind.reads, *shared) if (text := machine.read_text(path))}
    files = {**kind.write(network, old, flavour), **common_files(network, old, flavour)}
    _set_name(kind, files, network.hostname)
    if machine.is_link("/etc/resolv.conf"):
        files.pop("/etc/resolv.conf", None)  # systemd-resolved or resolvconf owns it
    changed = {path: text for path, text in files.items() if machine.read_text(path) != text}
    _write(machine, kind, changed, f".{int(now)}.bak~")
    stale = tuple(_stale(machine, kind, files, network))
    for path in stale:
        machine.remove(path)
    _set_hostname(machine, network.hostname)
    return Applied(tuple(changed), stale, tuple(_restart(machine, kind, network)))


def _set_name(kind: Distribution, files: dict[str, str], hostname: str) -> None:
    """Put the host's name where it stands among the variables of a file, as in Arch's rc.conf."""
    path, name = kind.hostname
    if name and path in files and _value(files[path], name) != hostname:
        files[path] = set_variables(files[path], {name: f'"{hostname}"'})


def _write(machine: Machine, kind: Distribution, files: dict[str, str], backup: str) -> None:
    private = {path for path in files if path.startswith(kind.private or ("\0",))}
    for paths, mode in ((private, 0o600), (set(files) - private, 0o644)):
        content = {path: files[path].encode("utf-8", "surrogateescape") for path in sorted(paths)}
        machine.write_all(content, mode=mode, backup=backup)


def _stale(
    machine: Machine, kind: Distribution, files: Iterable[str], network: Network
) -> Iterable[str]:
    """Find files of aliases and routes that are gone, of the interfaces that are configured."""
    names = {one.name for one in network.interfaces}
    for beginning in kind.own:
        folder = beginning.rpartition("/")[0]
        for name in machine.names(folder):
            path = f"{folder}/{name}"
            of = re.split(r"[-]", name.removesuffix(".nmconnection").removesuffix(".network"))[-1]
            ours = path.startswith(beginning) and of.partition(":")[0] in names
            if ours and path not in files and not name.endswith("~"):
                yield path


def _set_hostname(machine: Machine, hostname: str) -> None:
    if machine.programs and hostname and os.uname().nodename != hostname:
        machine.run(("hostname", hostname))


def _restart(machine: Machine, kind: Distribution, network: Network) -> Iterable[str]:
    for command in kind.restart(tuple(one.name for one in network.interfaces)):
        if machine.run(command):
            yield " ".join(command)
