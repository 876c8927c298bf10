"""Which stand-in each thing has, and which names are looked for; both outlive a run."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Final

from attrs import define, field

_COMMON_USERS: Final = frozenset(
    {
        "root",
        "nobody",
        "daemon",
        "bin",
        "sys",
        "sync",
        "games",
        "man",
        "lp",
        "mail",
        "news",
        "www-data",
        "backup",
        "list",
        "irc",
        "user",
        "users",
        "admin",
        "test",
        "guest",
        "operator",
    }
)


@define
class Mapping:
    """Which stand-in each thing has.

    Attributes:
        tables: for each sort of thing, what stands for what; this is what is kept.
    """

    tables: dict[str, dict[str, str]] = field(factory=dict)

    def stand_in(self, sort: str, value: str, pattern: str) -> str:
        """Give the stand-in of a value, made by its number where there is none yet."""
        table = self.tables.setdefault(sort, {})
        if value not in table:
            table[value] = pattern.format(len(table) + 1)
        return table[value]

    def number(self, sort: str, value: str) -> int:
        """Give the number of a value, counted from 0."""
        return int(self.stand_in(sort, value, "{}")) - 1

    def as_struct(self) -> dict[str, Any]:
        """Give what the map's file holds."""
        return {"format": 1, "tables": self.tables}

    @classmethod
    def from_struct(cls, struct: dict[str, Any]) -> Mapping:
        """Read what a map's file holds.

        Raises:
            ValueError: it is no map.
        """
        tables = struct.get("tables")
        if struct.get("format") != 1 or not isinstance(tables, dict):
            raise ValueError("this is no map of the gatherer")
        return cls({str(sort): dict(table) for sort, table in tables.items()})

    def ipv4(self, text: str) -> str:
        """Map an address; the last part keeps telling hosts of one network apart."""
        try:
            address = ipaddress.IPv4Address(text)
        except ValueError:
            return text
        if not _telling(address) or text.startswith("255."):
            return text
        net, _, last = text.rpartition(".")
        number = self.number("ipv4 network", net)
        return f"{100 + number // 65536 % 100}.{number // 256 % 256}.{number % 256}.{last}"

    def ipv6(self, text: str) -> str:
        """Map an address: its network and its interface each by number."""
        try:
            address = ipaddress.IPv6Address(text)
        except ValueError:
            return text
        if not _telling(address) or address.is_multicast:
            return text
        value = int(address)
        interface = self.number("ipv6 interface", f"{value & (1 << 64) - 1:x}") + 1
        if address.is_link_local:
            return str(ipaddress.IPv6Address((0xFE80 << 112) + interface))
        net = self.number("ipv6 network", f"{value >> 64:x}") + 1
        return str(ipaddress.IPv6Address((0xFD00C02 << 100) + (net << 64) + interface))

    def mac(self, text: str) -> str:
        """Map a hardware address to a locally administered one."""
        plain = text.lower().replace("-", ":")
        if plain in ("ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"):
            return text
        number = self.number("mac", plain) + 1
        tail = ":".join(f"{number >> shift & 255:02x}" for shift in (16, 8, 0))
        return f"02:c0:02:{tail}".replace(":", "-" if "-" in text else ":")


def _telling(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return not (address.is_loopback or address.is_unspecified or address.is_multicast)


@define
class Names:
    """What names are looked for: `hosts` and `domains` of machines, `users`, other `words`."""

    hosts: set[str] = field(factory=set)
    domains: set[str] = field(factory=set)
    users: set[str] = field(factory=set)
    words: set[str] = field(factory=set)

    def learn_host(self, name: str) -> None:
        """Take in a host's name, short or whole."""
        name = name.strip().rstrip(".").lower()
        short, _, domain = name.partition(".")
        if short and short != "localhost" and not _is_address(name):
            self.hosts.add(short)
            if domain and domain not in ("localdomain", "local", "lan"):
                self.domains.add(domain)

    def learn_passwd(self, text: str) -> None:
        """Take in the people of a passwd file: ids from 1000 on, homes below /home."""
        for line in text.splitlines():
            fields = line.split(":")
            if len(fields) < 6 or not fields[2].isdigit():
                continue
            person = 1000 <= int(fields[2]) < 60000 or fields[5].startswith("/home/")
            if person and len(fields[0]) > 2 and fields[0] not in _COMMON_USERS:
                self.users.add(fields[0])

    def learn_hosts_file(self, text: str) -> None:
        """Take in the names of a hosts file."""
        for line in text.splitlines():
            for name in line.split("#")[0].split()[1:]:
                if not name.startswith(("localhost", "ip6-")):
                    self.learn_host(name)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def learned(names: Names, paths: Iterable[tuple[str, str]]) -> None:
    """Take in the files that tell names: (path, text) of passwd and hosts files and hostnames."""
    for path, text in paths:
        if path.endswith("passwd"):
            names.learn_passwd(text)
        elif path.endswith("hosts"):
            names.learn_hosts_file(text)
        else:
            names.learn_host(text)
