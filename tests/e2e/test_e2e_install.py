"""A plain `pip install .` somewhere else: the commands are found, and work in an empty folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.network import Network, Server
from e2e.processes import free_port, run

pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]

CHECKOUT = Path(__file__).parent.parent.parent
MOST_DISTRIBUTIONS = 22
LONGEST = 300.0
"""Seconds that an installation may take: a package registry can be slow."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the checkout into a new virtual environment, and give its folder of programs."""
    folder = tmp_path_factory.mktemp("install")
    code, said = run([sys.executable, "-m", "venv", "--without-pip", "venv"], folder)
    assert code == 0, said
    programs = folder / "venv" / "bin"
    pip = [sys.executable, "-m", "pip", "--python", programs / "python"]
    quickly = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    lock = ["--constraint", CHECKOUT / "requirements.lock"]
    code, said = run([*pip, "install", *quickly, *lock, CHECKOUT], folder, patience=LONGEST)
    assert code == 0, said
    return programs


@pytest.fixture
def lab(installed: Path, tmp_path: Path) -> Iterator[Network]:
    """A network in an empty folder, with what `co2 init lab` wrote."""
    code, said = run([installed / "co2", "init", "lab"], tmp_path)
    assert code == 0, said
    with Network(tmp_path) as network:
        yield network


def test_few_distributions(installed: Path, tmp_path: Path) -> None:
    """A plain install brings few distributions along."""
    program = (
        "from importlib.metadata import distributions\n"
        "for one in distributions(): print('name', one.name)"
    )
    said = run([installed / "python", "-c", program], tmp_path)[1]
    names = {line.removeprefix("name ") for line in said.splitlines() if "name " in line}
    assert "co2-satellite" in names
    assert len(names - {"co2-satellite"}) <= MOST_DISTRIBUTIONS, sorted(names)


def test_nothing_else_is_installed(installed: Path, tmp_path: Path) -> None:
    """Three packages: co2, plugin, and one file for twistd; neither config.py nor tests."""
    program = (
        "from importlib.metadata import files\n"
        "for one in files('co2-satellite'): print('file', one)"
    )
    said = run([installed / "python", "-c", program], tmp_path)[1]
    names = [line.removeprefix("file ") for line in said.splitlines() if line.startswith("file ")]
    tops = {name.split("/")[0] for name in names if not name.startswith("../")}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"co2", "plugin", "twisted"}
    assert [n for n in names if n.startswith("twisted/") and n.endswith(".py")] == [
        "twisted/plugins/co2_plugin.py"
    ]
    assert "co2/py.typed" in names


def test_twistd_knows_both(installed: Path, tmp_path: Path) -> None:
    """twistd lists satellite and relay in any folder."""
    said = run([installed / "twistd", "--help"], tmp_path)[1]
    assert "A co2 satellite: " in said
    assert "A co2 relay: " in said


@pytest.mark.parametrize("way", ["co2", "python -m co2", "twistd"])
def test_working_directory(installed: Path, lab: Network, way: str) -> None:
    """In what `co2 init` writes, each way to start a satellite runs the plugin that is there."""
    words: dict[str, list[str | Path]] = {
        "co2": [installed / "co2"],
        "python -m co2": [installed / "python", "-m", "co2"],
        "twistd": [installed / "twistd", "-n"],
    }
    port = free_port()
    command = [*words[way], "satellite", "--listen", str(port)]
    server = lab.keep(Server(command, lab.folder / "lab"))
    assert server.port == port
    assert "world" in server.call("hello.hello.greet", "world")
    assert server.call("example.example.greet", "world") == "hello, world"
    loaded = {one["name"] for one in server.call("system.get_properties")["plugins"]}
    assert {"hello.hello", "example.example", "sysinfo.sysinfo"} <= loaded
    url = ["--url", server.url]
    code, said = run([installed / "co2", "ping", *url], lab.folder / "lab")
    assert code == 0, said
