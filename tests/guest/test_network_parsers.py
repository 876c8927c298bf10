"""Network files as the programs read them that they are for: unpacked, never installed.

Two of these programs really configure an interface, in a network namespace of the test's own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from e2e.processes import Watched, eventually

from guest.packages import libraries, unpacked
from guest.test_network_today import PUBLIC, reset

pytestmark = pytest.mark.process
FAR = {
    "mac": "40:40:aa:bb:cc:dd",
    "label": 'it\'s "far"; $(x)',
    "ip6s": [{"address": "2001:db8:1::9", "netmask": "128", "enabled": 1}],
    "ips": [{"ip": "198.51.100.9", "netmask": "255.255.255.255", "enabled": 1}],
}
VALUE = {"networking": [PUBLIC, FAR], "hostname": "web.example.com"}
ADDRESSES = ["192.0.2.10/24", "192.0.2.11/24", "2001:db8::5/64"]


def unpacked_for(request: pytest.FixtureRequest, wanted: str, *packages: str) -> Path:
    """Give the folder of a program."""
    cache = Path(request.config.cache.mkdir("guest-network"))
    return unpacked(cache, packages, wanted)


def told(root: Path, *words: str | Path, stdin: str = "") -> str:
    """Run a program, and give what it wrote; a complaint of any kind fails."""
    done = subprocess.run(
        [str(word) for word in words],
        env={"LD_LIBRARY_PATH": libraries(root), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_netplan_reads_it(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """netplan makes networkd's files of it without a complaint, with every address and route."""
    wanted = "usr/libexec/netplan/generate"
    root = unpacked_for(request, wanted, "netplan.io", "libnetplan0")
    assert reset(tmp_path, "netplan", VALUE) == (0, "")
    told(root, root / wanted, "--root-dir", tmp_path)
    folder = tmp_path / "run" / "systemd" / "network"
    near, far = (one.read_text() for one in sorted(folder.glob("*eth?.network")))
    for word in (*ADDRESSES, "Gateway=192.0.2.254", "Gateway=fe80::1", "DNS=2001:db8::53"):
        assert word in near
    assert "198.51.100.9/32" in far and "2001:db8:1::9/128" in far


def test_network_manager_reads_it(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """libnm, by nmcli without a daemon, reads each keyfile and gives back all that it says."""
    root = unpacked_for(request, "usr/bin/nmcli", "network-manager", "libnm0")
    assert reset(tmp_path, "network_manager", VALUE) == (0, "")
    near, far = sorted(tmp_path.rglob("*.nmconnection"))
    words = (root / "usr/bin/nmcli", "--offline", "connection", "modify", "connection.zone", "")
    read = told(root, *words, stdin=near.read_text())
    assert "address1=192.0.2.10/24,192.0.2.1\naddress2=192.0.2.11/24\n" in read
    assert "route1=198.51.100.0/24,192.0.2.254\n" in read
    assert "address1=2001:db8::5/64,fe80::1\ndns=2001:db8::53;\n" in read
    assert "address1=198.51.100.9/32\n" in told(root, *words, stdin=far.read_text())


def test_ifupdown_reads_it(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """ifquery lists the interfaces with their addresses, gateways, servers and routes."""
    root = unpacked_for(request, "sbin/ifquery", "ifupdown")
    assert reset(tmp_path, "debian", VALUE) == (0, "")
    query = (root / "sbin" / "ifquery", "-i", tmp_path / "etc" / "network" / "interfaces")
    assert told(root, *query, "--list").split() == ["lo", "eth0", "eth0:1", "eth1"]
    first, second = told(root, *query, "eth0"), told(root, *query, "eth0:1")
    for line in ("address: 192.0.2.10", "gateway: 192.0.2.1", "address: 2001:db8::5"):
        assert line in first
    assert "dns-nameservers: 203.0.113.1 2001:db8::53" in first
    assert "address: 192.0.2.11" in second and "up: route add -net 198.51.100.0" in second


NAMESPACE = """
ip link add eth0 address 40:40:11:22:33:44 type veth peer name peer || exit 77
ip link set lo up; ip link set peer up
"""
NETWORKD = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd && echo lxc >/run/systemd/container
mount -t sysfs -o ro sysfs /sys
mkdir -p /etc/systemd/network; mount --bind "$1" /etc/systemd/network
SYSTEMD_LOG_TARGET=console exec "$2"
"""
NETCTL = """
ip link set eth0 up
eval "$(sed "s#^SUBR_DIR=.*#SUBR_DIR=$2/usr/lib/netctl#; s#^PROFILE_DIR=.*#PROFILE_DIR=$1#" \\
    "$2/usr/lib/netctl/globals")"
network_ready() { :; }
timeout_wait() { :; }
load_profile eth0 && . "$SUBR_DIR/ip" && DNS=() && ip_set && ip -j addr show eth0 && ip -j route
ip -j -6 route show default
"""


def _silent(words: list[str]) -> int:
    return subprocess.run(words, capture_output=True, check=False).returncode


def need_namespaces() -> None:
    """Skip where the test may not make a network of its own."""
    make = ["unshare", "-m", "-n", "sh", "-c", NAMESPACE]
    if shutil.which("ip") is None or _silent(make):
        pytest.skip("network namespaces with veth need root: the kernel or its rights say no")


def shown(parts: list[Any]) -> tuple[set[str], set[str]]:
    """Give an interface's global addresses and the gateways of its routes, from ip's JSON."""
    (link,), *routes = parts
    found = {f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] == "global"}
    return found, {one["gateway"] for table in routes for one in table if "gateway" in one}


GATEWAYS = {"192.0.2.1", "192.0.2.254", "fe80::1"}


def test_networkd_configures_it(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """systemd-networkd gives an interface of that MAC all addresses and routes."""
    need_namespaces()
    wanted = "lib/systemd/systemd-networkd"
    root = unpacked_for(request, wanted, "systemd", "libsystemd-shared")
    assert reset(tmp_path, "networkd", VALUE) == (0, "")
    units = tmp_path / "etc" / "systemd" / "network"
    words = ["unshare", "-m", "-n", "sh", "-c", NAMESPACE + NETWORKD, "sh", units, root / wanted]
    variables = {"LD_LIBRARY_PATH": libraries(root)} if root != Path("/") else {}
    with Watched([str(word) for word in words], tmp_path, variables) as daemon:
        daemon.wait_for("eth0: Configuring with .*guest-agent-eth0.network")

        def look() -> tuple[set[str], set[str]]:
            def ip(*words: str) -> Any:
                inside = ["nsenter", "-t", str(daemon.pid), "-n", "ip", "-j", *words]
                done = subprocess.run(inside, capture_output=True, check=False)
                return json.loads(done.stdout or "[]")

            return shown([ip("addr", "show", "eth0"), ip("route"), ip("-6", "route")])

        assert eventually(look, lambda now: now == (set(ADDRESSES), GATEWAYS))
        assert "Unknown" not in daemon.log and "Failed to parse" not in daemon.log, daemon.log


def test_netctl_configures_it(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Arch's netctl loads the profile and gives an interface all addresses and routes."""
    need_namespaces()
    root = unpacked_for(request, "usr/lib/netctl/globals", "netctl")
    assert reset(tmp_path, "arch_netctl", VALUE) == (0, "")
    profiles = tmp_path / "etc" / "netctl"
    for name in ("hooks", "interfaces"):
        (profiles / name).mkdir()
    words = ["unshare", "-m", "-n", "bash", "-c", NAMESPACE + NETCTL, "bash", profiles, root]
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done
    parts = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert shown(parts) == (set(ADDRESSES), GATEWAYS)


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        (
            "redhat",
            "etc/sysconfig/network-scripts/ifcfg-eth0:1",
            {"DEVICE": "eth0:1", "IPADDR": "192.0.2.11", "ONBOOT": "yes"},
        ),
        (
            "redhat",
            "etc/sysconfig/network-scripts/route-eth0",
            {"ADDRESS0": "198.51.100.0", "GATEWAY0": "192.0.2.254"},
        ),
        ("redhat", "etc/sysconfig/network", {"HOSTNAME": "web.example.com"}),
        (
            "suse",
            "etc/sysconfig/network/ifcfg-eth0",
            {"IPADDR_0": "192.0.2.11", "IPADDR_1": "2001:db8::5", "PREFIXLEN_1": "64"},
        ),
        (
            "gentoo_openrc",
            "etc/conf.d/net",
            {"config_eth0": " ".join(ADDRESSES), "dns_servers_eth0": "203.0.113.1 2001:db8::53"},
        ),
        (
            "gentoo_legacy",
            "etc/conf.d/net",
            {"config_eth0[1]": "192.0.2.11 netmask 255.255.255.0", "modules": "iproute2"},
        ),
        ("gentoo_openrc", "etc/conf.d/hostname", {"hostname": "web.example.com"}),
        ("arch_legacy", "etc/rc.conf", {"INTERFACES[1]": "eth0_1", "HOSTNAME": "web.example.com"}),
        ("arch_netcfg", "etc/rc.conf", {"NETWORKS[0]": "eth0", "HOSTNAME": "web.example.com"}),
        ("arch_netcfg", "etc/network.d/eth0", {"ADDR": "192.0.2.10", "DNS[1]": "2001:db8::53"}),
        (
            "freebsd",
            "etc/rc.conf",
            {"ifconfig_eth0_alias0": "192.0.2.11 netmask 255.255.255.0", "static_routes": "lan0"},
        ),
    ],
)
def test_the_shell_reads_it(tmp_path: Path, kind: str, path: str, expected: dict[str, str]) -> None:
    """These systems' scripts source their files: so does bash, and finds the variables."""
    value = {**VALUE, "networking": [PUBLIC, {**FAR, "ip6s": []}]}
    assert reset(tmp_path, kind, value) == (0, "")
    names = "".join(f'echo "{name}=" ${{{name}}};' for name in expected)
    script = f'set -u; . "$1"; {names}'
    read = told(tmp_path, "bash", "-c", script, "bash", tmp_path / path)
    assert read == "".join(f"{name}= {value}\n" for name, value in expected.items())
