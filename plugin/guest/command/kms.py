"""The command `kmsactivate`: registers a Red Hat machine with its update server."""

from __future__ import annotations

import re
from typing import Any

from plugin.guest.command.registry import CommandBase, command_add
from plugin.guest.network.variables import set_variables

UP2DATE = "/etc/sysconfig/rhn/up2date"
_DOMAIN = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")


class KmsCommands(CommandBase):
    """Red Hat only."""

    @command_add("kmsactivate")
    def kmsactivate(self, value: Any) -> tuple[int, str]:
        """Take {'activation_key', 'profile', 'domains'}: write up2date, run rhnreg_ks."""
        machine = self.surroundings.machine
        if not machine.exists("/etc/redhat-release"):
            return 500, "KMS not supported on this OS"
        if not isinstance(value, dict):
            return 500, "Invalid arguments"
        missing = [key for key in ("activation_key", "profile", "domains") if key not in value]
        if missing:
            return 500, f"Missing {' and '.join(missing)} in dictionary arguments"
        domains = value["domains"]
        domains = [domains] if isinstance(domains, str) else domains
        if not all(isinstance(one, str) and _DOMAIN.fullmatch(one) for one in domains):
            return 500, "'domains' is a list of host names"
        text = up2date(machine.read_text(UP2DATE) or "", domains)
        machine.make_folder(UP2DATE.rpartition("/")[0])
        machine.write(UP2DATE, text.encode("utf-8", "surrogateescape"), mode=0o600)
        words = ("--activationkey", str(value["activation_key"]))
        status = machine.run(
            ("rhnreg_ks", *words, "--profilename", str(value["profile"]), "--force")
        )
        return (500, f"Couldn't activate with RHN: {status}") if status else (0, "")


def up2date(old: str, domains: list[str]) -> str:
    """Give the file with these servers, and the certificate that they have; the rest stays."""
    return set_variables(
        old,
        {
            "serverURL": "".join(f"https://{one}/XMLRPC;" for one in domains),
            "noSSLServerURL": "".join(f"http://{one}/XMLRPC;" for one in domains),
            "sslCACert": "/usr/share/rhn/RHN-ORG-TRUSTED-SSL-CERT",
        },
    )
