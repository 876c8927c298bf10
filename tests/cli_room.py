"""What the tests of the co2 command share: one server in a process of its own, and `co2` runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner, Result

NOTHING_THERE = "http://127.0.0.1:9/"
"""The discard service's port (RFC 863), which nobody has served for decades."""

_HERE = re.compile(r"co2 satellite is here: (http://127\.0\.0\.1:(\d+)/)")


@dataclass
class Lab:
    """A satellite with embedded relay, made by `co2 init`, that runs for all tests of a session."""

    folder: Path
    url: str
    port: int

    @property
    def state(self) -> Path:
        """Its state folder."""
        return self.folder / "state" / "satellite-0"

    @property
    def token(self) -> str:
        """Its admin token."""
        return (self.state / "admin.token").read_text().strip()

    def co2(self, *words: str, **env: str) -> Result:
        """Run a command against it, in this process."""
        return co2(*words, CO2_URL=self.url, **env)

    def ok(self, *words: str, **env: str) -> str:
        """Run a command that succeeds, and give what it prints."""
        result = self.co2(*words, **env)
        assert result.exit_code == 0, result.output
        return result.stdout

    @contextmanager
    def begin(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command against it in a process of its own."""
        with begin(*words, folder=self.folder, CO2_URL=self.url) as process:
            yield process


def co2(*words: str, **env: str) -> Result:
    """Run a command in this process; whatever else than an exit it raises fails the test."""
    from co2.app.cli.main import main

    return CliRunner().invoke(main, words, env=env, catch_exceptions=False)


@contextmanager
def begin(
    *words: str, folder: Path, log: int | IO[str] = subprocess.PIPE, **env: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process of its own, which ends with the block at the latest."""
    process = subprocess.Popen(
        [sys.executable, "-m", "co2", *words],
        cwd=folder,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start one server for all tests of the command, and end it as a person would."""
    folder = tmp_path_factory.mktemp("co2") / "lab"
    assert co2("init", str(folder)).exit_code == 0
    words = ("satellite", "--listen", "0", "--nick", "lab")
    # The log goes to a file, so that no pipe can fill up.
    with (folder / "log").open("w") as log, begin(*words, folder=folder, log=log) as process:
        assert process.stdout is not None
        found = next((_HERE.match(line) for line in process.stdout if _HERE.match(line)), None)
        assert found is not None, (folder / "log").read_text()
        yield _registered(Lab(folder, found[1], int(found[2])))
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _registered(lab: Lab) -> Lab:
    """Ask until the server's satellite has been registered and called back by its own relay."""
    for _ in range(2000):
        if '"online"' in lab.ok("satellites", "--json"):
            return lab
    raise AssertionError("the satellite was not registered")
