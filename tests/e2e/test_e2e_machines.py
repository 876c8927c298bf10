"""Another machine, made of network namespaces, has no rights that it was not given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from e2e.intruding import DENIED, SECRET, intrude
from e2e.network import Network
from e2e.processes import run
from e2e.programs import need

pytestmark = pytest.mark.process


class TwoMachines(NamedTuple):
    """Words that run a command on either of two machines, joined by one cable."""

    here: tuple[str, ...]
    there: tuple[str, ...]
    ip_here: str


@pytest.fixture
def two_machines() -> Iterator[TwoMachines]:
    """Make two network namespaces with a veth pair between; this machine's own is not touched."""
    here, there = f"co2h{os.getpid()}", f"co2t{os.getpid()}"
    steps = [
        f"netns add {here}",
        f"netns add {there}",
        f"link add here netns {here} type veth peer name there netns {there}",
        f"-n {here} addr add 10.99.0.1/24 dev here",
        f"-n {there} addr add 10.99.0.2/24 dev there",
        *(f"-n {name} link set lo up" for name in (here, there)),
        f"-n {here} link set here up",
        f"-n {there} link set there up",
    ]
    ip = need("ip", "iproute2")
    try:
        for step in steps:
            done = subprocess.run([ip, *step.split()], check=False, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"NO NETWORK NAMESPACES HERE, so nothing was tried: {done.stderr}")
        run_in = (ip, "netns", "exec")
        yield TwoMachines((*run_in, here), (*run_in, there), "10.99.0.1")
    finally:
        for name in (here, there):
            subprocess.run([ip, "netns", "del", name], check=False, capture_output=True)


def test_another_machine(two_machines: TwoMachines, network: Network) -> None:
    """With insecure = True another machine has call, and never admin without the token."""
    server = network.satellite(
        "open",
        listen="tcp:2004:interface=0.0.0.0",
        insecure=True,
        through=two_machines.here,
    )
    server.wait_for("registered as")
    url = f"http://{two_machines.ip_here}:2004/"
    outcome = intrude(url, "open", network.folder, *two_machines.there)
    assert outcome["call"].startswith("RESULT")
    assert outcome["no header, call"].startswith(f"{DENIED} ")
    for client, expected in (
        (f"p.{SECRET}()", f"Fault {DENIED}"),
        ("p.relay.relay({'host_id': 'x@127.0.0.1:2004', 'data': 1})", "Fault 1001"),
        ("p.notify({'host_id': 'x@10.99.0.2:2004', 'data': 1})", "Fault 1002"),
        ("p.relay.register({'port': 9, 'roles': ['relay']})", f"Fault {DENIED}"),
    ):
        assert expected in call_from(two_machines, url, client, network.folder)
    with_token = url.replace("http://", f"http://admin:{server.token}@")
    answer = call_from(two_machines, with_token, f"p.{SECRET}()", network.folder)
    assert "the administrator's" in answer


def test_untokened_sender_on_another_machine(two_machines: TwoMachines, network: Network) -> None:
    """A sender without a token is believed from loopback only; the fault names the setting."""
    relay = network.relay(
        listen="tcp:2004:interface=0.0.0.0", insecure=True, through=two_machines.here
    )
    relay.wait_for("listens at")
    client = "p.relay.relay({'host_id': p.relay.register({'port': 9})['host_id'], 'data': 1})"
    url = f"http://{two_machines.ip_here}:2004/"
    answer = call_from(two_machines, url, client, network.folder)
    assert "Fault 1002" in answer
    assert "allow_untokened" in answer


def call_from(machines: TwoMachines, url: str, expression: str, folder: Path) -> str:
    program = f"import xmlrpc.client; p = xmlrpc.client.ServerProxy({url!r}); print({expression})"
    return run([*machines.there, sys.executable, "-I", "-c", program], folder)[1]
