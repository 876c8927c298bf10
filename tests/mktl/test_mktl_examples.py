"""The examples run, as processes and in a satellite, and do what their text says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e.network import Network
from e2e.processes import PATIENCE, eventually

from mktl.processes import ROOT, Beginning, command
from plugin.mktl.net import discovery

pytestmark = pytest.mark.process


@pytest.fixture
def network(tmp_path: Path) -> Any:
    with Network(tmp_path) as running:
        yield running


def serve(folder: Path, *words: str) -> Beginning:
    program = command("markd", *words, "--home", folder)
    process = Beginning(program, folder, {"PYTHONPATH": str(ROOT)})
    process.begun("^serving ")
    return process


def marker(folder: Path) -> Callable[..., str]:
    def mark(*words: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MKTL_HOME": str(folder / "client")}
        done = subprocess.run(
            command("mark", *words),
            check=False,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return done.stdout + done.stderr

    return mark


def test_the_power_supply_follows_its_set_point(tmp_path: Path) -> None:
    """The output moves to what was set, within the range; the set point outlives a restart."""
    mark = marker(tmp_path)
    with serve(tmp_path, "expsu", "psu", "-m", "plugin.mktl.examples.power"):
        assert "OutOfRange" in mark("set", "expsu.setpoint=31")
        assert mark("set", "expsu.setpoint=4", "expsu.output=on") == ""
        eventually(lambda: mark("get", "--terse", "expsu.volts"), lambda said: said == "4.00\n")
        assert mark("get", "--terse", "--formatted", "expsu.amps") == "0.500\n"
    with serve(tmp_path, "expsu", "psu", "-m", "plugin.mktl.examples.power"):
        assert mark("get", "--terse", "expsu.setpoint", "expsu.output") == "4\noff\n"


def test_the_filter_wheel_turns(tmp_path: Path) -> None:
    """Words move the wheel on its line, and where it is was known before anybody asked."""
    mark = marker(tmp_path)
    with serve(tmp_path, "exwheel", "wheel", "-m", "plugin.mktl.examples.wheel") as daemon:
        assert mark("get", "--terse", "--formatted", "exwheel.filter") == "open\n"
        assert mark("set", "exwheel.filter=blue") == ""
        assert mark("get", "--terse", "--formatted", "--refresh", "exwheel.filter") == "blue\n"
        assert "red, green, blue, not 'pink'" in mark("set", "exwheel.filter=pink")
        assert daemon.stop() == 0


def test_a_satellite_serves_items(network: Network, tmp_path: Path) -> None:
    """By XML-RPC and by mKTL at once: what one sets the other reads, and history has it."""
    config = tmp_path / "plugin" / "mktl" / "mktl_config.py"
    config.parent.mkdir(parents=True)
    stores = [{"store": "exhost", "alias": "here", "module": "plugin.mktl.examples.host"}]
    items = {"volts": {"type": "numeric", "persist": True}}
    stores.append({"store": "exlab", "alias": "main", "items": items})
    config.write_text(
        f"home = {str(tmp_path / 'home')!r}\nstores = {stores!r}\n"
        "from plugin.mktl.net import discovery\n"
        f"discovery.DAEMON_PORT = {discovery.DAEMON_PORT}\n"
    )
    satellite = network.satellite(
        "items", plugin_list=["mktl"], plugin_dirs=[str(tmp_path / "plugin")]
    )
    call = satellite.call
    eventually(lambda: len(call("mktl.mktl.status")["served"]), lambda count: count == 2)
    assert call("mktl.mktl.set", "exlab.volts", 5) is True
    mark = marker(tmp_path)
    assert mark("get", "--terse", "exlab.volts") == "5\n"
    assert mark("set", "exlab.volts=6") == ""
    assert call("mktl.mktl.get", "exlab.volts")["value"] == 6
    assert [row[1] for row in call("mktl.mktl.history", "exlab.volts")] == [5, 6]
    assert call("mktl.mktl.get", "exhost.memory", True)["value"] > 0
