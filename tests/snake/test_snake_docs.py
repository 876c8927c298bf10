"""docs/snake.md: its chapter on the mock schedd is run as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from witness import Snaked, needs_htcondor

from plugin.snake.language.genus import read_genus
from plugin.snake.language.macros import parse
from plugin.snake.tool import reader

GUIDE = Path(__file__).parent.parent.parent / "docs" / "snake.md"
BLOCK = re.compile(r"```\w+ (\S+)\n(.*?)```", re.DOTALL)


@pytest.mark.process
@needs_htcondor
def test_the_mock_schedd_works_as_described(tmp_path):
    """Its files, its client, and the output that it shows."""
    blocks = dict(BLOCK.findall(GUIDE.read_text()))
    output = blocks.pop("output")
    for name, text in blocks.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with Snaked(tmp_path, "MOCK", "address"):
        done = subprocess.run(
            [sys.executable, "client.py"], check=False, cwd=tmp_path, capture_output=True,
            text=True, timeout=60, env={"CONDOR_CONFIG": "/dev/null"},
        )  # fmt: skip
    assert (done.stdout, done.stderr) == (output, "")


def test_every_knob_of_the_guide_is_read():
    """A knob that the guide's table names changes what a genus is."""
    knobs = set(re.findall(r"^\| `NAME_(\w+)`", GUIDE.read_text(), re.MULTILINE))
    values = {
        "SNAKE_PATH": "x", "SNAKE_POLLING": "f SIGUSR1", "UPDATE_INTERVAL": "7",
        "ADDRESS_FILE": "a", "LOG": "l", "DEBUG": "D_UTC", "PORT": "1",
        "NETWORK_INTERFACE": "::1", "COLLECTOR_HOST": "c", "SEC_ENCRYPTION": "NEVER",
        "SEC_level_ENCRYPTION": None,
        "SNAKE_CLASSAD2": "real", "ALLOW_level": None,
    }  # fmt: skip
    assert knobs - {"SNAKE_COMMAND_TABLE"} == set(values)
    plain = read_genus("G", parse("G_SNAKE_PATH = p\n"))
    for knob, value in values.items():
        if value is not None:
            text = f"G_SNAKE_PATH = p\nG_{knob} = {value}\n"
            assert read_genus("G", parse(text)) != plain, knob


def test_overrides_go_before_the_file(tmp_path, monkeypatch):
    """`-p` and `-t` are knobs that go before those of the file and the environment."""
    (tmp_path / "config").write_text("G_SNAKE_PATH = p\nG_PORT = 1\nG_LOG = l\n")
    monkeypatch.setenv("CONDOR_CONFIG", str(tmp_path / "config"))
    genus = reader("G", None, {"G_PORT": "2", "G_LOG": ""})()
    assert (genus.port, genus.log_file) == (2, None)
