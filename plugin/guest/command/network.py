"""The command `resetnetwork`: what dom0 says of the network, into this machine's files."""

from __future__ import annotations

import json
import re
from typing import Any

from twisted.logger import Logger

from plugin.guest.command.registry import CommandBase, command_add
from plugin.guest.command.surroundings import VmData
from plugin.guest.network.apply import apply, current_hostname
from plugin.guest.network.distributions import detect
from plugin.guest.network.model import Network
from plugin.guest.network.normal import interfaces_from

_log = Logger()
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})")


class NetworkCommands(CommandBase):
    """Reads, decides, writes, restarts."""

    @command_add("resetnetwork")
    def resetnetwork(self, value: Any) -> tuple[int, str]:
        """Write the network's files and restart it.

        The value does not matter to a client of 2010; a dict with 'networking' (a list of the
        objects that vm-data has) and 'hostname' stands in for vm-data where there is none.
        """
        here = self.surroundings
        data = _given(value) or here.vm_data()
        interfaces = interfaces_from(data.networking, here.links(), faithful=here.faithful)
        kind = here.distribution or detect(here.machine)
        hostname = data.hostname or current_hostname(here.machine, kind) or kind.partition("_")[0]
        if not _HOSTNAME.fullmatch(hostname):
            return 500, "vm-data/hostname is no host name"
        network = Network(interfaces, hostname)
        applied = apply(here.machine, kind, network, here.flavour(), here.now())
        _log.info("network of {kind}: wrote {files}", kind=kind, files=applied.written)
        if applied.failed:
            return 500, f"Couldn't restart network: {'; '.join(applied.failed)}"
        return 0, ""


def _given(value: Any) -> VmData | None:
    if not isinstance(value, dict) or "networking" not in value:
        return None
    entries = value["networking"]
    if not isinstance(entries, list):
        raise ValueError("'networking' is a list of objects")
    hostname = value.get("hostname")
    return VmData(str(hostname) if hostname else None, tuple(json.dumps(one) for one in entries))
