"""Takes out of texts what would tell who and where: consistently, over all hosts and runs.

How it works. One compiled expression finds candidates; a `Mapping` gives each its stand-in, always
the same one: addresses keep their networks' structure (two hosts of one network stay in one
network), names of hosts, domains and users become numbered ones, keys and fingerprints numbered
tokens. What looks like a secret (passwords, hashes, private keys, tokens) is not mapped but
removed. The mapping is a file of its own, never part of the archive, and can be used again, so that
archives of different days can be compared.

No I/O. Text comes in pieces; a line is cleaned when it is whole, a longer stretch without an end of
line in parts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any, Final

from attrs import define, field

_MOST_LINE: Final = 1 << 16
REMOVED: Final = b"<removed>"

_V4 = rb"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)"
_MAC = rb"(?<![\w:-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])"
_V6 = rb"(?<![\w:.-])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:]|\.\d)"
_KEY = rb"\bAAAA[BCE][A-Za-z0-9+/]{32,}={0,3}|\bSHA256:[A-Za-z0-9+/]{43}"

_SECRETS: Final = (
    re.compile(
        rb"(?i)(\b[\w.-]*(?:password|passwd|passphrase|secret|api[_-]?key|auth[_-]?token|"
        rb"access[_-]?token|private[_-]?key|\bpsk|community|credentials?)[\w.-]*[\"']?\s*[=:]\s*)"
        rb"(\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s,;&]+)"
    ),
    re.compile(rb"(?i)(\b(?:authorization:\s*)?(?:bearer|basic)\s+)([A-Za-z0-9._~+/=-]{8,})"),
    re.compile(rb"(://[^/\s:@]+:)([^/\s@]+)(?=@)"),
    re.compile(rb"()(\$(?:1|2[aby]|5|6|7|y|gy)\$[./A-Za-z0-9$,=]{8,})"),
    re.compile(rb"()(\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}\b)"),
    re.compile(rb"()(\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})"),
)
_BLOCK_BEGINS = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
_BLOCK_ENDS = re.compile(rb"-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")

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


class Cleaner:
    """Cleans texts.

    Args:
        mapping: kept between runs.
        names: what has been learnt; `learn` again after adding to it.
    """

    def __init__(self, mapping: Mapping, names: Names | None = None) -> None:
        self.mapping = mapping
        self.names = names or Names()
        self._sorts: dict[str, tuple[str, str]] = {}
        self.learn()

    def learn(self) -> None:
        """Take notice of names that were added."""
        self._sorts = {}
        names = self.names
        for sort, pattern, found in (
            ("word", "word{}", names.words),
            ("user", "user{}", names.users),
            ("host", "host{}", names.hosts),
            ("domain", "domain{}.example", names.domains),
        ):
            for one in sorted(found):
                self._sorts[one.lower()] = (sort, pattern)
        words = sorted(self._sorts, key=lambda one: (-len(one), one))
        listed = b"|".join(re.escape(word.encode()) for word in words)
        named = rb"(?i:(?<![A-Za-z0-9])(?:" + listed + rb")(?![A-Za-z0-9]))" if words else rb"(?!)"
        parts = (rb"(?P<key>" + _KEY + rb")", rb"(?P<name>" + named + rb")")
        # the hardware address's own group keeps its number only in front
        self._expression = re.compile(
            rb"(?P<mac>"
            + _MAC.replace(rb"\1", rb"\2")
            + rb")|"
            + b"|".join(parts)
            + rb"|(?P<v4>"
            + _V4
            + rb")|(?P<v6>"
            + _V6
            + rb")"
        )

    def line(self, data: bytes) -> bytes:
        """Clean a whole line, or any text without a key block in it."""
        for secret in _SECRETS:
            data = secret.sub(rb"\1" + REMOVED, data)
        return self._expression.sub(self._mapped, data)

    def name(self, path: bytes) -> bytes:
        """Clean a path."""
        return self._expression.sub(self._mapped, path)

    def text(self, text: str) -> str:
        """Clean a text for people."""
        return self.line(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")

    def _mapped(self, match: re.Match[bytes]) -> bytes:
        text = match[0].decode("ascii", "replace")
        sort = match.lastgroup
        if sort == "v4":
            return self.mapping.ipv4(text).encode()
        if sort == "v6":
            return self.mapping.ipv6(text).encode()
        if sort == "key":
            return self.mapping.stand_in("key", text, "key{}").encode()
        if sort == "name":
            kind, pattern = self._sorts[text.lower()]
            return self.mapping.stand_in(kind, text.lower(), pattern).encode()
        return self.mapping.mac(text).encode()


class CleanStream:
    """Cleans one content that comes in pieces."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._rest = b""
        self._in_block = False

    def feed(self, piece: bytes) -> bytes:
        """Take a piece; give what is clean so far."""
        data = self._rest + piece
        end = data.rfind(b"\n") + 1
        if not end and len(data) > _MOST_LINE:
            end = _safe_cut(data)
        self._rest = data[end:]
        return self._lines(data[:end]) if end else b""

    def finish(self) -> bytes:
        """Give the rest."""
        rest, self._rest = self._rest, b""
        return self._lines(rest) if rest else b""

    def _lines(self, data: bytes) -> bytes:
        if not self._in_block and b"PRIVATE KEY" not in data:
            return self._cleaner.line(data)
        out = []
        for line in data.splitlines(keepends=True):
            if self._in_block:
                self._in_block = not _BLOCK_ENDS.search(line)
                continue
            begins = _BLOCK_BEGINS.search(line)
            if begins is None:
                out.append(self._cleaner.line(line))
                continue
            self._in_block = not _BLOCK_ENDS.search(line)
            out.append(self._cleaner.line(line[: begins.start()]) + REMOVED + b"\n")
        return b"".join(out)


def _safe_cut(data: bytes) -> int:
    """Find a place where no name or number can be torn apart."""
    for mark in (b" ", b",", b";", b"}"):
        at = data.rfind(mark, len(data) - 4096)
        if at >= 0:
            return at + 1
    return len(data) - 1024


def looks_binary(data: bytes) -> bool:
    """Say whether a content is no text that could be cleaned."""
    return b"\0" in data[:8192]


def learned(names: Names, paths: Iterable[tuple[str, str]]) -> None:
    """Take in the files that tell names: (path, text) of passwd and hosts files and hostnames."""
    for path, text in paths:
        if path.endswith("passwd"):
            names.learn_passwd(text)
        elif path.endswith("hosts"):
            names.learn_hosts_file(text)
        else:
            names.learn_host(text)
