"""The agent of 2017 made these files of that vm-data, and so do we where it is asked to."""

from __future__ import annotations

from typing import Any

import pytest

from guest.recordings import blocks, load, same_message, words
from plugin.guest.network.distributions import DISTRIBUTIONS
from plugin.guest.network.hosts import hosts, resolv_conf
from plugin.guest.network.model import BadNetworkConfig, Flavour, Interface, Network, described
from plugin.guest.network.normal import interfaces_from

RECORDED = load("guestagent_network.json")
INPUTS = RECORDED["inputs"]
FLAVOUR = Flavour(faithful=True, stamp="<TIME>", program="<ARGV0>")
#: What the recorder did not look at.
BESIDE = {"/etc/hostname", "/etc/HOSTNAME", "/etc/conf.d/hostname", "/etc/sysconfig/network"}


def interfaces_of(case: dict[str, Any]) -> tuple[Interface, ...]:
    """Read the case's vm-data."""
    entries = [v for k, v in case["xenstore"].items() if k.startswith("vm-data/networking/")]
    links = [(name, up, mac) for name, up, mac in INPUTS["interfaces"]]
    return interfaces_from(entries, links, faithful=True)


def written(kind: str, network: Network) -> dict[str, str]:
    """Give what one distribution's files are."""
    old = {"/etc/rc.conf": INPUTS["arch_rc.conf" if kind.startswith("arch") else "rc.conf"]}
    try:
        files = DISTRIBUTIONS[kind].write(network, old, FLAVOUR)
    except BadNetworkConfig as error:
        return {"error": f"RuntimeError: {error}"}
    return {path: text for path, text in files.items() if path not in BESIDE}


@pytest.mark.parametrize("number", range(len(RECORDED["cases"])))
def test_recorded_files(number: int) -> None:
    """The normalised form, every distribution's files, or the error are as recorded."""
    case = RECORDED["cases"][number]
    if "error" in case:
        with pytest.raises(BadNetworkConfig) as caught:
            interfaces_of(case)
        assert same_message(case["error"].partition(": ")[2], str(caught.value))
        return
    interfaces = interfaces_of(case)
    assert described(interfaces) == case["config"]
    network = Network(interfaces, case["hostname"])
    assert words(hosts(INPUTS["hosts"], network, FLAVOUR)) == words(case["files"]["hosts"])
    assert words(resolv_conf(network)) == words(case["files"]["resolv_conf"])
    for kind in set(case["files"]) - {"hosts", "resolv_conf"}:
        _compare(kind, written(kind, network), case["files"][kind])


def _compare(kind: str, ours: dict[str, str], recorded: dict[str, str]) -> None:
    # The recorder names some files by their path and some without the folder.
    ours = {k if k in recorded else k.rpartition("/")[2]: v for k, v in ours.items()}
    assert set(ours) == set(recorded), kind
    for name, text in recorded.items():
        if kind.startswith("gentoo"):
            assert blocks(ours[name]) == blocks(text), (kind, name)
        elif kind.startswith("arch") and name == "/etc/rc.conf":
            assert words(ours[name]) == words(text), (kind, name)
        else:
            assert ours[name] == text, (kind, name)
