"""Who may do what: `ALLOW_level` and `DENY_level`, lists of `user@domain/address`.

Decides admission from a user, an address and a level. DENY goes before ALLOW; a level that has no
ALLOW list falls back to those that imply it; and where nothing is configured at all, this host may
everything and every other one may only what needs the level ALLOW or READ.

Source: HTCondor's rules as its manual describes them, cut to addresses and users: no host names,
because looking them up would wait.
"""

from __future__ import annotations

import fnmatch
import functools
import ipaddress
import re
from collections.abc import Callable

from attrs import frozen

from plugin.snake.cedar.commands import LEVELS

_IMPLIED_BY = {
    "READ": ("WRITE", "NEGOTIATOR", "ADMINISTRATOR", "DAEMON"),
    "WRITE": ("ADMINISTRATOR", "DAEMON"),
    "ADVERTISE_STARTD": ("DAEMON",),
    "ADVERTISE_SCHEDD": ("DAEMON",),
    "ADVERTISE_MASTER": ("DAEMON",),
}
"""Who is allowed the levels on the right is allowed the one on the left."""
_ADDRESS_PATTERN = re.compile(r"[0-9a-fA-F.:*]+")
_OPEN_TO_STRANGERS = frozenset({"ALLOW", "READ", "CLIENT"})


@frozen
class AddressRules:
    """The entries of one list."""

    entries: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, words: tuple[str, ...]) -> AddressRules:
        """Read `user@domain/address`, or an address alone; `*` stands for anything in it."""
        return cls(tuple(_split(word) for word in words))

    def strange(self) -> list[str]:
        """Give what stands for an address and is none, and so never matches: host names."""
        return [address for _, address in self.entries if not _is_address(address)]

    def match(self, user: str, address: str) -> str | None:
        """Give the entry that is about this user at this address."""
        for user_pattern, address_pattern in self.entries:
            if fnmatch.fnmatchcase(user, user_pattern) and _is_at(address, address_pattern):
                return f"{user_pattern}/{address_pattern}"
        return None


@frozen
class Rules:
    """All lists of a daemon, by level."""

    allow: dict[str, AddressRules]
    deny: dict[str, AddressRules]

    @classmethod
    def read(cls, words: Callable[[str], tuple[str, ...]]) -> Rules:
        """Read all lists.

        Args:
            words: gives the words of a knob, none if it is not set.
        """

        def lists(prefix: str) -> dict[str, AddressRules]:
            found = {level: words(f"{prefix}_{level}") for level in LEVELS}
            return {level: AddressRules.read(entry) for level, entry in found.items() if entry}

        return cls(lists("ALLOW"), lists("DENY"))

    def admits(self, level: str, user: str, address: str) -> bool:
        """Tell whether a user at an IP address may do what needs a level."""
        if level in self.deny and self.deny[level].match(user, address):
            return False
        if level == "ALLOW":
            return True
        named = [name for name in (level, *_IMPLIED_BY.get(level, ())) if name in self.allow]
        if named:
            return any(self.allow[name].match(user, address) for name in named)
        return level in _OPEN_TO_STRANGERS or _is_loopback(address)


@functools.lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _split(word: str) -> tuple[str, str]:
    if "@" not in word and not word.startswith("*/"):
        return "*", word
    user, slash, address = word.partition("/")
    return user, address if slash else "*"


def _is_address(pattern: str) -> bool:
    if "*" in pattern:
        return _ADDRESS_PATTERN.fullmatch(pattern) is not None
    try:
        ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return False
    return True


def _is_at(address: str, pattern: str) -> bool:
    if "*" in pattern:
        return fnmatch.fnmatchcase(address, pattern)
    try:
        network = ipaddress.ip_network(pattern, strict=False)
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False
