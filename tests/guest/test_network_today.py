"""resetnetwork as a whole: what is written, kept, removed, and refused."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from plugin.guest.command.registry import Commands
from plugin.guest.command.standard import STANDARD
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.machine import Machine
from plugin.guest.network.distributions import DISTRIBUTIONS, detect
from plugin.guest.network.hosts import hosts
from plugin.guest.network.model import BadNetworkConfig, Flavour, Network
from plugin.guest.network.normal import interfaces_from
from plugin.guest.network.today import NETPLAN

LINKS = [("eth0", True, "40:40:11:22:33:44"), ("eth1", True, "40:40:aa:bb:cc:dd")]
PUBLIC = {
    "mac": "40:40:11:22:33:44",
    "label": "public",
    "ips": [
        {"ip": "192.0.2.10", "netmask": "255.255.255.0", "enabled": "1"},
        {"ip": "192.0.2.11", "netmask": "255.255.255.0", "enabled": 1},
    ],
    "ip6s": [{"ip": "2001:db8::5", "netmask": 64, "enabled": "1", "gateway": "fe80::1"}],
    "gateway": "192.0.2.1",
    "routes": [{"route": "198.51.100.0", "netmask": "255.255.255.0", "gateway": "192.0.2.254"}],
    "dns": ["203.0.113.1", "2001:db8::53"],
}
VALUE = {"networking": [PUBLIC], "hostname": "web.example.com"}


def reset(root: Path, kind: str, value: object = VALUE, now: float = 1.0) -> tuple[object, object]:
    """Run resetnetwork below a root."""
    here = Surroundings(Machine(str(root)), distribution=kind, links=lambda: LINKS, now=lambda: now)
    return Commands(STANDARD, here).run_command("resetnetwork", value)


@pytest.mark.parametrize("kind", sorted(DISTRIBUTIONS))
def test_every_distribution_is_written_below_the_root(tmp_path: Path, kind: str) -> None:
    """0 is the answer, files are there, and a second time changes none of them."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts").write_text("127.0.0.1 localhost\n192.0.2.10 old-name\n")
    assert reset(tmp_path, kind) == (0, "")
    first = {one: one.stat().st_mtime_ns for one in tmp_path.rglob("*") if one.is_file()}
    assert any("192.0.2.11" in one.read_text() for one in first)
    assert reset(tmp_path, kind, now=2.0) == (0, "")
    again = {one: one.stat().st_mtime_ns for one in tmp_path.rglob("*") if one.is_file()}
    changed = {one.name for one in first if again[one] != first[one]}
    assert changed <= {"net", "rc.conf"}  # one holds the time, the other a comment more
    text = (tmp_path / "etc" / "hosts").read_text()
    assert "# 192.0.2.10 old-name\t# Removed by nova-agent\n" in text
    assert "192.0.2.10\tweb.example.com\n" in text


def test_private_files_are_for_root_only(tmp_path: Path) -> None:
    """netplan and NetworkManager ask for it."""
    reset(tmp_path, "netplan")
    reset(tmp_path, "network_manager")
    files = [tmp_path / NETPLAN[1:], *tmp_path.rglob("*.nmconnection")]
    assert [stat.S_IMODE(one.stat().st_mode) for one in files] == [0o600, 0o600]


def test_files_of_aliases_that_are_gone_are_removed(tmp_path: Path) -> None:
    """An address less is an ifcfg file less, and other people's files stay."""
    reset(tmp_path, "redhat")
    folder = tmp_path / "etc" / "sysconfig" / "network-scripts"
    (folder / "ifcfg-eth9").write_text("mine\n")
    assert (folder / "ifcfg-eth0:1").exists()
    one = {**PUBLIC, "ips": PUBLIC["ips"][:1], "routes": []}  # type: ignore[index]
    assert reset(tmp_path, "redhat", {**VALUE, "networking": [one]}) == (0, "")
    names = {one.name for one in folder.iterdir() if not one.name.endswith("~")}
    assert names == {"ifcfg-eth0", "ifcfg-eth9"}


def test_resolv_conf_of_somebody_else_stays(tmp_path: Path) -> None:
    """A link is systemd-resolved's or resolvconf's."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "resolv.conf").symlink_to("../run/stub.conf")
    assert reset(tmp_path, "networkd") == (0, "")
    assert (tmp_path / "etc" / "resolv.conf").is_symlink()


@pytest.mark.parametrize("word", ["192.0.2.1; reboot", "$(reboot)", 'x"y', "a b", "a\nb"])
def test_what_could_leave_its_place_in_a_file_is_refused(word: str) -> None:
    """Addresses stand in shell scripts: other characters than theirs are refused."""
    with pytest.raises(BadNetworkConfig):
        interfaces_from([json.dumps({**PUBLIC, "gateway": word})], LINKS)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"etc/netplan/x": "", "etc/network/interfaces": ""}, "netplan"),
        ({"etc/network/interfaces": ""}, "debian"),
        ({"etc/redhat-release": "", "etc/sysconfig/network-scripts/ifup": ""}, "redhat"),
        ({"etc/redhat-release": "", "etc/NetworkManager/x": ""}, "network_manager"),
        ({"etc/os-release": "ID=opensuse\n", "etc/sysconfig/network/x": ""}, "suse"),
        ({"etc/gentoo-release": "", "sbin/openrc-run": ""}, "gentoo_openrc"),
        ({"etc/gentoo-release": ""}, "gentoo_legacy"),
        ({"etc/arch-release": "", "etc/netctl/x": ""}, "arch_netctl"),
        ({"etc/arch-release": "", "etc/network.d/x": ""}, "arch_netcfg"),
        ({"etc/arch-release": ""}, "arch_legacy"),
        ({"etc/systemd/network/x": ""}, "networkd"),
        ({"bin/freebsd-version": ""}, "freebsd"),
    ],
)
def test_the_distribution_is_found(tmp_path: Path, files: dict[str, str], kind: str) -> None:
    """By the files that are there; nothing known is an error that names the setting."""
    machine = Machine(str(tmp_path))
    with pytest.raises(LookupError, match="distribution"):
        detect(machine)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert detect(machine) == kind


def test_faults_of_2017_are_mended() -> None:
    """What docs/guest.md lists as differences of the network files."""
    network = Network(interfaces_from([json.dumps(PUBLIC)], LINKS), "h")
    now, then = Flavour(), Flavour(faithful=True)

    def paths(kind: str, flavour: Flavour) -> dict[str, str]:
        return DISTRIBUTIONS[kind].write(network, {}, flavour)

    folder = "/etc/sysconfig/network-scripts"
    assert f"{folder}/route-eth0" in paths("redhat", now)
    assert f"{folder}/route-eth0:1" in paths("redhat", then)
    assert "'192.0.2.11/24'" in paths("arch_netctl", now)["/etc/netctl/eth0"]
    assert "%eth0" in paths("freebsd", now)["/etc/rc.conf"]
    assert "%xn0" in paths("freebsd", then)["/etc/rc.conf"]


def test_hosts_keeps_loopback_and_what_is_right() -> None:
    """Lines that are right stay where they are, loopback's names stay, nothing is doubled."""
    network = Network(interfaces_from([json.dumps(PUBLIC)], LINKS), "web")
    old = "127.0.1.1 web\n192.0.2.10 web # mine\n10.9.9.9 web\n"
    text = hosts(old, network, Flavour())
    assert text == (
        "127.0.1.1 web\n192.0.2.10 web # mine\n# 10.9.9.9 web\t# Removed by nova-agent\n"
        "2001:db8::5\tweb\n"
    )
    assert hosts(text, network, Flavour()) == text
