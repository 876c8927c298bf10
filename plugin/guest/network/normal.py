"""vm-data, as dom0 writes it, to the model; the errors' words are those that clients know.

Source: the contract of the Unix guest agent for OpenStack (docs/guest.md, section vm-data).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from plugin.guest.network.model import (
    Address4,
    Address6,
    BadNetworkConfig,
    Interface,
    Route,
)

Link = tuple[str, bool, str]
"""An interface of this machine: name, whether it is up, lower-case MAC."""

_SANE = re.compile(r"[0-9A-Za-z.:%/_-]+")
NETMASKS = {
    ".".join(str((0xFFFFFFFF << 32 - bits >> shift) & 255) for shift in (24, 16, 8, 0)): bits
    for bits in range(33)
}


def interfaces_from(
    entries: Iterable[str], links: Iterable[Link], *, faithful: bool = False
) -> tuple[Interface, ...]:
    """Read the entries below vm-data/networking.

    Args:
        entries: the JSON texts, in the store's order.
        links: this machine's interfaces; the choice is by MAC.
        faithful: say values in errors as Python 2 did.

    Raises:
        BadNetworkConfig: a text is not JSON, or does not hold what is needed.
    """
    by_mac = {mac.lower(): (name, up) for name, up, mac in links}
    found: dict[str, Interface] = {}
    for text in entries:
        one = _interface(_object(text), by_mac, "u" if faithful else "")
        found[one.name] = one
    return tuple(found[name] for name in sorted(found))


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadNetworkConfig("No JSON object could be decoded") from None
    if not isinstance(value, dict):
        raise BadNetworkConfig("an entry of vm-data/networking is not a JSON object")
    return value


def _interface(
    entry: Mapping[str, Any], by_mac: Mapping[str, tuple[str, bool]], prefix: str
) -> Interface:
    mac = entry.get("mac")
    if not mac:
        raise BadNetworkConfig("No MAC found in config")
    mac = str(mac).lower()
    if mac not in by_mac:
        raise BadNetworkConfig(f"Unknown interface MAC {mac}")
    name, up = by_mac[mac]
    # Addresses that are all disabled leave an interface without any, which is no error.
    given4 = _enabled(entry, "ips", "IPv4", prefix)
    given6 = _enabled(entry, "ip6s", "IPv6", prefix)
    if not _list(entry, "ips") and not _list(entry, "ip6s"):
        raise BadNetworkConfig("No IPs found for interface")
    label = entry.get("label")
    return Interface(
        name=name,
        mac=mac,
        label=None if label is None else _one_line(str(label)),
        up=up,
        ip4s=tuple(_address4(one) for one in given4),
        ip6s=tuple(_address6(one) for one in given6),
        gateway4=_word(entry.get("gateway")) or None,
        gateway6=_gateway6(entry, given6),
        routes=tuple(_route(one) for one in _list(entry, "routes")),
        dns=tuple(_word(server) for server in _list(entry, "dns")),
    )


def _list(entry: Mapping[str, Any], key: str) -> list[Any]:
    value = entry.get(key) or []
    if not isinstance(value, list):
        raise BadNetworkConfig(f"'{key}' is not a list")
    return value


def _enabled(
    entry: Mapping[str, Any], key: str, family: str, prefix: str
) -> list[Mapping[str, Any]]:
    return [one for one in _list(entry, key) if _is_enabled(_checked(one, family), prefix)]


def _checked(one: Any, family: str) -> Mapping[str, Any]:
    if not isinstance(one, dict):
        raise BadNetworkConfig(f"an {family} address is not a JSON object")
    if "ip" not in one and not (family == "IPv6" and "address" in one):
        raise BadNetworkConfig(f"Missing 'ip' key for {family} address")
    if "netmask" not in one:
        raise BadNetworkConfig(f"Missing 'netmask' key for {family} address")
    return one


def _is_enabled(one: Mapping[str, Any], prefix: str) -> bool:
    value = one.get("enabled", 0)
    try:
        return int(value) != 0
    except (ValueError, TypeError):
        shown = f"{prefix}{value!r}" if isinstance(value, str) else repr(value)
        raise BadNetworkConfig(f"Invalid value {shown} for 'enabled' key") from None


def _address4(one: Mapping[str, Any]) -> Address4:
    netmask = _word(one["netmask"])
    return Address4(_word(one["ip"]), netmask, _prefixlen(netmask))


def _address6(one: Mapping[str, Any]) -> Address6:
    prefixlen = one["netmask"]
    if isinstance(prefixlen, bool) or not str(prefixlen).isdigit() or int(prefixlen) > 128:
        raise BadNetworkConfig(f"Invalid prefix length {prefixlen!r} for IPv6 address")
    return Address6(_word(one.get("ip", one.get("address"))), prefixlen)


def _gateway6(entry: Mapping[str, Any], given6: Iterable[Mapping[str, Any]]) -> str | None:
    own = [one["gateway"] for one in given6 if one.get("gateway")]
    return _word(own[-1] if own else entry.get("gateway6")) or None


def _route(one: Any) -> Route:
    for key in ("route", "netmask", "gateway"):
        if not isinstance(one, dict) or key not in one:
            raise BadNetworkConfig(f"Missing '{key}' key for route")
    netmask = _word(one["netmask"])
    return Route(_word(one["route"]), netmask, _prefixlen(netmask), _word(one["gateway"]))


def _prefixlen(netmask: str) -> int:
    if netmask not in NETMASKS:
        raise BadNetworkConfig(f"Invalid netmask '{netmask}'")
    return NETMASKS[netmask]


def _word(value: Any) -> str:
    """Refuse what could leave its place in a file: these words stand in shell scripts, too."""
    word = "" if value is None else str(value)
    if word and not _SANE.fullmatch(word):
        raise BadNetworkConfig(f"{word!r} is neither an address nor a netmask")
    return word


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
