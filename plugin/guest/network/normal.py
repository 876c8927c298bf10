"""vm-data, as dom0 writes it, to the model; the errors' words are those that clients know.

Source: the contract of the Unix guest agent for OpenStack (docs/guest.md, section vm-data).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
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
        one = _interface(_object(text), by_mac, faithful)
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
    entry: Mapping[str, Any], by_mac: Mapping[str, tuple[str, bool]], faithful: bool
) -> Interface:
    mac = entry.get("mac")
    if not mac:
        raise BadNetworkConfig("No MAC found in config")
    mac = str(mac).lower()
    if mac not in by_mac:
        raise BadNetworkConfig(f"Unknown interface MAC {mac}")
    name, up = by_mac[mac]
    given4, given6 = _addresses(entry, "ips", "IPv4"), _addresses(entry, "ip6s", "IPv6")
    if not given4 and not given6:
        raise BadNetworkConfig("No IPs found for interface")
    # Addresses that are all disabled leave an interface without any, which is no error. What is
    # asked first decides which error a client sees: every 'enabled' before any address.
    enabled4, enabled6 = (
        [one for one, wanted in zip(given, list(_enabled(given, faithful)), strict=True) if wanted]
        for given in (given4, given6)
    )
    label = entry.get("label")
    return Interface(
        name=name,
        mac=mac,
        label=None if label is None else _one_line(str(label)),
        up=up,
        ip4s=tuple(_address4(one, faithful) for one in enabled4),
        ip6s=tuple(_address6(one) for one in enabled6),
        gateway4=_word(entry.get("gateway")) or None,
        gateway6=_gateway6(entry, enabled6),
        routes=tuple(_route(one, faithful) for one in _list(entry, "routes")),
        dns=tuple(_word(server) for server in _list(entry, "dns")),
    )


def _list(entry: Mapping[str, Any], key: str) -> list[Any]:
    value = entry.get(key) or []
    if not isinstance(value, list):
        raise BadNetworkConfig(f"'{key}' is not a list")
    return value


def _addresses(entry: Mapping[str, Any], key: str, family: str) -> list[Mapping[str, Any]]:
    found = _list(entry, key)
    if not all(isinstance(one, dict) for one in found):
        raise BadNetworkConfig(f"an {family} address is not a JSON object")
    return found


def _enabled(given: Iterable[Mapping[str, Any]], faithful: bool) -> Iterator[bool]:
    for one in given:
        value = one.get("enabled", 0)
        try:
            if isinstance(value, str) and "_" in value:
                raise ValueError(value)  # Python 3 reads 1_0 as a number
            yield int(value) != 0
        except (ValueError, TypeError, OverflowError):
            shown = _shown(value, faithful)
            raise BadNetworkConfig(f"Invalid value {shown} for 'enabled' key") from None


def _shown(value: Any, faithful: bool) -> str:
    """Give a value as errors show it: faithful, texts as Python 2 wrote them."""
    if not faithful:
        return repr(value)
    return f"u{value!a}" if isinstance(value, str) else ascii(value)


def _need(one: Mapping[str, Any], key: str, family: str) -> None:
    if key not in one:
        raise BadNetworkConfig(f"Missing '{key}' key for {family} address")


def _address4(one: Mapping[str, Any], faithful: bool) -> Address4:
    _need(one, "ip", "IPv4")
    _need(one, "netmask", "IPv4")
    prefixlen = _prefixlen(one["netmask"], faithful)
    return Address4(_word(one["ip"]), one["netmask"], prefixlen)


def _address6(one: Mapping[str, Any]) -> Address6:
    if "ip" not in one and "address" not in one:
        raise BadNetworkConfig("Missing 'ip' or 'address' key for IPv6 address")
    _need(one, "netmask", "IPv6")
    prefixlen = one["netmask"]
    if isinstance(prefixlen, bool) or not str(prefixlen).isdigit() or int(prefixlen) > 128:
        raise BadNetworkConfig(f"Invalid prefix length {prefixlen!r} for IPv6 address")
    return Address6(_word(one.get("address", one.get("ip"))), prefixlen)


def _gateway6(entry: Mapping[str, Any], given6: Iterable[Mapping[str, Any]]) -> str | None:
    own = [one["gateway"] for one in given6 if one.get("gateway")]
    return _word(own[-1] if own else entry.get("gateway6")) or None


def _route(one: Any, faithful: bool) -> Route:
    for key in ("route", "netmask", "gateway"):
        if not isinstance(one, dict) or key not in one:
            raise BadNetworkConfig(f"Missing '{key}' key for route")
    prefixlen = _prefixlen(one["netmask"], faithful)
    return Route(_word(one["route"]), one["netmask"], prefixlen, _word(one["gateway"]))


def _prefixlen(netmask: Any, faithful: bool) -> int:
    if not isinstance(netmask, str) or netmask not in NETMASKS:
        shown = _shown(netmask, faithful)
        raise BadNetworkConfig(shown if faithful else f"Invalid netmask {shown}")
    return NETMASKS[netmask]


def _word(value: Any) -> str:
    """Refuse what could leave its place in a file: these words stand in shell scripts, too."""
    word = "" if value is None else str(value)
    if word and not _SANE.fullmatch(word):
        raise BadNetworkConfig(f"{word!r} is neither an address nor a netmask")
    return word


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
