"""vm-data beside the recordings: every error in its order, routes, hosts, and Arch's rc.conf.

What is expected under `faithful` is what the agent of 2017 does, found by running it beside ours.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugin.guest.network.arch_rc import for_profiles, in_rc_conf
from plugin.guest.network.distributions import DISTRIBUTIONS
from plugin.guest.network.hosts import hosts, resolv_conf
from plugin.guest.network.model import BadNetworkConfig, Files, Flavour, Network
from plugin.guest.network.normal import interfaces_from
from plugin.guest.network.variables import set_variables

LINKS = [("eth0", True, "40:40:11:22:33:44"), ("eth1", False, "40:40:aa:bb:cc:dd")]
IP4 = {"ip": "192.0.2.10", "netmask": "255.255.255.0", "enabled": "1"}
IP6 = {"address": "2001:db8::5", "netmask": "64", "enabled": 1}
ROUTE = {"route": "198.51.100.0", "netmask": "255.255.255.0", "gateway": "192.0.2.254"}
EVERYWHERE = {"route": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"}
ALIKE = {**ROUTE, "gateway": "192.0.2.1"}
NOW, THEN = Flavour(), Flavour(faithful=True)


def entry(**members: Any) -> str:
    """Give the JSON of an interface with one address."""
    whole = {"mac": "40:40:11:22:33:44", "ips": [IP4], **members}
    return json.dumps({key: value for key, value in whole.items() if value is not None})


def network(*entries: str) -> Network:
    """Read entries as the agent of 2017."""
    return Network(interfaces_from(entries, LINKS, faithful=True), "web")


def without(key: str, given: dict[str, Any]) -> dict[str, Any]:
    """Leave a member out."""
    return {name: value for name, value in given.items() if name != key}


OFF = {**IP4, "enabled": "0"}
YES = {**IP4, "enabled": "yes"}
ERRORS = {
    "no mac": (entry(mac=None), "No MAC found in config"),
    "empty mac": (entry(mac=""), "No MAC found in config"),
    "unknown mac": (entry(mac="40:40:FF:00:00:01"), "Unknown interface MAC 40:40:ff:00:00:01"),
    "mac before addresses": (entry(mac="x", ips=[]), "Unknown interface MAC x"),
    "no addresses": (entry(ips=None), "No IPs found for interface"),
    "empty lists": (entry(ips=[], ip6s=[]), "No IPs found for interface"),
    "enabled is a word": (entry(ips=[YES]), "Invalid value u'yes' for 'enabled' key"),
    "enabled in Python 3 only": (
        entry(ips=[{**IP4, "enabled": "1_0"}]),
        "Invalid value u'1_0' for 'enabled' key",
    ),
    "enabled is no ASCII": (
        entry(ips=[{**IP4, "enabled": "jä"}]),
        r"Invalid value u'j\xe4' for 'enabled' key",
    ),
    "enabled is empty": (
        entry(ips=[{**IP4, "enabled": ""}]),
        "Invalid value u'' for 'enabled' key",
    ),
    "enabled of IPv6 before an address of IPv4": (
        entry(ips=[without("ip", IP4)], ip6s=[{**IP6, "enabled": "no"}]),
        "Invalid value u'no' for 'enabled' key",
    ),
    "no ip": (entry(ips=[without("ip", IP4)]), "Missing 'ip' key for IPv4 address"),
    "no netmask": (entry(ips=[without("netmask", IP4)]), "Missing 'netmask' key for IPv4 address"),
    "neither": (
        entry(ips=[{"enabled": 1}]),
        "Missing 'ip' key for IPv4 address",
    ),
    "no address of IPv6": (
        entry(ip6s=[without("address", IP6)]),
        "Missing 'ip' or 'address' key for IPv6 address",
    ),
    "no netmask of IPv6": (
        entry(ip6s=[without("netmask", IP6)]),
        "Missing 'netmask' key for IPv6 address",
    ),
    "a netmask that is none": (entry(ips=[{**IP4, "netmask": "255.0.255.0"}]), "u'255.0.255.0'"),
    "a netmask in bits": (entry(ips=[{**IP4, "netmask": 24}]), "24"),
    "no route": (entry(routes=[without("route", ROUTE)]), "Missing 'route' key for route"),
    "no netmask of a route": (
        entry(routes=[without("netmask", ROUTE)]),
        "Missing 'netmask' key for route",
    ),
    "no gateway of a route": (
        entry(routes=[ROUTE, without("gateway", ROUTE)]),
        "Missing 'gateway' key for route",
    ),
    "a route's netmask": (entry(routes=[{**ROUTE, "netmask": "24"}]), "u'24'"),
    "addresses before routes": (
        entry(ips=[without("ip", IP4)], routes=[{}]),
        "Missing 'ip' key for IPv4 address",
    ),
    "no JSON": ("not json", "No JSON object could be decoded"),
    "empty": ("", "No JSON object could be decoded"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_and_their_order(case: str) -> None:
    """Each has the original's words, and of two the one that the original saw first."""
    text, expected = ERRORS[case]
    with pytest.raises(BadNetworkConfig) as caught:
        network(text)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("given", "addresses"),
    [
        ([OFF], []),
        ([without("enabled", IP4)], []),
        ([{**IP4, "enabled": True}], ["192.0.2.10"]),
        ([{**IP4, "enabled": " 1 "}], ["192.0.2.10"]),
        ([{**IP4, "enabled": 0.9}], []),
        ([{"enabled": 0}], []),
        ([{"enabled": "0"}, {**IP4, "netmask": "x", "enabled": 0}, IP4], ["192.0.2.10"]),
    ],
)
def test_what_is_disabled_is_left_out_unread(given: list[Any], addresses: list[str]) -> None:
    """It is no error, whatever else it lacks."""
    (one,) = network(entry(ips=given)).interfaces
    assert [found.address for found in one.ip4s] == addresses


def test_the_last_gateway_of_the_enabled_counts() -> None:
    """IPv6 alone: address before ip, prefix lengths as they came, the last gateway."""
    far = {**IP6, "ip": "2001:db8::6", "gateway": "fe80::2", "netmask": 96}
    off = {**IP6, "gateway": "fe80::3", "enabled": "0"}
    text = entry(ips=None, ip6s=[{**IP6, "gateway": "fe80::1"}, far, off], gateway6="2001:db8::1")
    (one,) = network(text).interfaces
    addresses = [(a.address, a.prefixlen) for a in one.ip6s]
    assert addresses == [("2001:db8::5", "64"), ("2001:db8::5", 96)]
    assert one.gateway6 == "fe80::2"
    assert resolv_conf(network(text)) is None


def files(kind: str, flavour: Flavour, *entries: str) -> str:
    """Give all that a distribution's files say, as one text."""
    written: Files = DISTRIBUTIONS[kind].write(network(*entries), {}, flavour)
    return "\n".join(written[path] for path in sorted(written))


LOST = ("gentoo_openrc", "gentoo_legacy", "arch_netcfg", "arch_netctl")


@pytest.mark.parametrize("kind", sorted(DISTRIBUTIONS))
def test_a_default_route_without_a_gateway_stays(kind: str) -> None:
    """It is this machine's only way out; the original's Gentoo and Arch lost it."""
    text = entry(routes=[{**EVERYWHERE, "gateway": "192.0.2.77"}])
    assert "192.0.2.77" in files(kind, NOW, text)
    if kind not in ("netplan", "network_manager", "networkd"):
        assert ("192.0.2.77" in files(kind, THEN, text)) == (kind not in LOST)


@pytest.mark.parametrize("kind", sorted(DISTRIBUTIONS))
def test_routes_by_the_default_gateway_stay(kind: str) -> None:
    """The default one that `gateway` says is written once; a further one by it is kept."""
    text = entry(gateway="192.0.2.1", routes=[ALIKE, EVERYWHERE])
    now = files(kind, NOW, text)
    assert now == files(kind, NOW, entry(gateway="192.0.2.1", routes=[ALIKE]))
    assert "198.51.100.0" in now
    if kind in LOST:
        assert "198.51.100.0" not in files(kind, THEN, text)


def test_routes_of_red_hat_are_counted_without_gaps() -> None:
    """ifup-routes stops at the first number that is missing, which the original left."""
    text = entry(gateway="192.0.2.1", routes=[EVERYWHERE, ROUTE])
    assert "ADDRESS0=198.51.100.0" in files("redhat", NOW, text)
    assert "ADDRESS1=198.51.100.0" in files("redhat", THEN, text)


@pytest.mark.parametrize("kind", ["freebsd", "arch_legacy"])
def test_two_default_gateways_where_there_is_room_for_one(kind: str) -> None:
    """The original's words, for each family."""
    for family, member, given in (
        ("IPv4", "gateway", "192.0.2.1"),
        ("IPv6", "gateway6", "fe80::1"),
    ):
        both = [entry(**{member: given}), entry(mac="40:40:AA:BB:CC:DD", **{member: given})]
        with pytest.raises(BadNetworkConfig, match=f"Multiple {family} default routes specified"):
            files(kind, NOW, *both)


REMOVED = "\t# Removed by nova-agent\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", "192.0.2.10\tweb\n"),
        ("192.0.2.2\tother\n", "192.0.2.2\tother\n192.0.2.10\tweb\n"),
        ("192.0.2.10\told\n", f"# 192.0.2.10\told{REMOVED}192.0.2.10\tweb\n"),
        (
            "192.0.2.10\told old.example.com\n",
            f"# 192.0.2.10\told old.example.com{REMOVED}192.0.2.10\tweb old.example.com\n",
        ),
        (
            "192.0.2.10\told.example.com old\n",
            f"# 192.0.2.10\told.example.com old{REMOVED}192.0.2.10\told.example.com web\n",
        ),
        (
            "192.0.2.10\told # comment\n",
            f"# 192.0.2.10\told # comment{REMOVED}192.0.2.10\tweb\t# comment\n",
        ),
        (
            "192.0.2.10\told\n192.0.2.2\tother\n",
            f"# 192.0.2.10\told{REMOVED}192.0.2.10\tweb\n192.0.2.2\tother\n",
        ),
        ("192.0.2.10 a b c\n", "192.0.2.10 a b c\n"),
        ("192.0.2.10 a b\n", "192.0.2.10 a b\n"),
        ("192.0.2.10 web\n192.0.2.10 old\n", "192.0.2.10 web\n192.0.2.10 old\n"),
        ("# 192.0.2.10 old\n\n", "# 192.0.2.10 old\n\n192.0.2.10\tweb\n"),
        ("10.9.9.9 web\n", "10.9.9.9 web\n192.0.2.10\tweb\n"),
    ],
)
def test_hosts(old: str, new: str) -> None:
    """As the original: the name in its place, the old line as a comment; a second run is quiet."""
    assert hosts(old, network(entry()), THEN) == new
    once = hosts(old, network(entry()), NOW)
    assert hosts(once, network(entry()), NOW) == once


RC_CONF = """\
# mine
HOSTNAME="old"
eth0="dhcp"
lo="lo 127.0.0.1"
INTERFACES=(lo !eth0)
gateway="default gw 192.0.2.9"
ROUTES=(!gateway)
DAEMONS=(syslog-ng network sshd)
"""


def test_rc_conf_there_and_back() -> None:
    """To netcfg's profiles nothing is lost but commented; back, NETWORKS is what is commented."""
    profiles = for_profiles(RC_CONF, ["eth0"], faithful=False)
    assert profiles == (
        '# mine\nHOSTNAME="old"\n#eth0="dhcp"\n#lo="lo 127.0.0.1"\n#INTERFACES=(lo !eth0)\n'
        '#gateway="default gw 192.0.2.9"\n#ROUTES=(!gateway)\n'
        "DAEMONS=(syslog-ng !network @net-profiles sshd)\nNETWORKS=(eth0)\n"
    )
    assert for_profiles(profiles, ["eth0"], faithful=False) == profiles
    back = in_rc_conf(profiles, [("eth0", "eth0 192.0.2.10")], [], faithful=False)
    assert "DAEMONS=(syslog-ng network sshd)\n#NETWORKS=(eth0)\n" in back
    assert back.endswith('eth0="eth0 192.0.2.10"\nINTERFACES=(eth0)\nROUTES=()\n')
    assert in_rc_conf(back, [("eth0", "eth0 192.0.2.10")], [], faithful=False) == back


def test_the_faults_in_rc_conf_of_2017() -> None:
    """The variables' lines were overwritten by that of their array."""
    text = for_profiles(RC_CONF, ["eth0"], faithful=True)
    assert text.count("#INTERFACES=(lo !eth0)\n") == 3
    assert "127.0.0.1" not in text


def test_variables_are_set_in_their_places() -> None:
    """Others stay, new ones go to the end, a second line of a name is dropped."""
    old = "# a=1\nNETWORKING=yes\n HOSTNAME = old\n\nHOSTNAME=older\nnothing\n"
    new = set_variables(old, {"HOSTNAME": "web", "NETWORKING_IPV6": "no"})
    assert new == "# a=1\nNETWORKING=yes\nHOSTNAME=web\n\nnothing\nNETWORKING_IPV6=no\n"
