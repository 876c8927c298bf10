"""The witnesses: HTCondor's own bindings, always in a process of their own."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INSTALLED = importlib.util.find_spec("htcondor2") is not None

needs_htcondor = pytest.mark.skipif(
    not INSTALLED,
    reason="PyPI's `htcondor` is not installed: pip install --group test, or pip install htcondor",
)


def answers(questions):
    """Give what the real classad2 makes of each question; see `classad2_process`."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run(
        [sys.executable, str(HERE / "classad2_process.py")],
        check=False,
        input=lines, capture_output=True, text=True, timeout=100,
        env={"CONDOR_CONFIG": "/dev/null", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def client(address, *requests, **knobs):
    """Let a real client make requests; give what came of each.

    `knobs` are HTCondor's settings, such as SEC_CLIENT_ENCRYPTION="REQUIRED".
    """
    settings = {f"_CONDOR_{name}": value for name, value in knobs.items()}
    done = subprocess.run(
        [sys.executable, str(HERE / "client_process.py"), address],
        input=json.dumps(requests),
        check=False, capture_output=True, text=True, timeout=60,
        env={"CONDOR_CONFIG": "/dev/null", "PATH": "/usr/bin:/bin", "HOME": "/", **settings},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def verb(address, *words):
    """Run the real `htcondor` command against a collector, and give what it says."""
    done = subprocess.run(
        [sys.executable, "-c", "from htcondor_cli.cli import main; main()", *words],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        env={"CONDOR_CONFIG": "/dev/null", "PATH": "/usr/bin:/bin", "HOME": "/",
             "_CONDOR_COLLECTOR_HOST": address},
    )  # fmt: skip
    return done.stdout


class Snaked:
    """A running `co2-snaked`, started in a directory that has its configuration."""

    def __init__(self, directory, genus, address_file, *options):
        self.directory = directory
        self.address_file = directory / address_file
        self.process = subprocess.Popen(
            [sys.executable, "-m", "plugin.snake.tool", "-genus", genus,
             "-config", "condor_config", *options],
            cwd=directory, stderr=subprocess.PIPE, text=True,
            env={"PYTHONPATH": str(HERE.parent.parent), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip

    def __enter__(self):
        """Wait until it says that it listens; its first line with an address does."""
        said = []
        for line in self.process.stderr:
            said.append(line)
            if "command socket" in line:
                self.address = line.rpartition(" ")[2].strip()
                return self
        self.process.stderr.close()
        self.process.wait(60)
        raise AssertionError("it did not start: " + "".join(said))

    def __exit__(self, *exc_info):
        """End it, and see that it ends well."""
        self.process.terminate()
        try:
            assert self.process.wait(60) == 0
        finally:
            self.process.stderr.close()

    def wait_for(self, text):
        """Read the log until a line has that text."""
        for line in self.process.stderr:
            if text in line:
                return line
        raise AssertionError(f"it ended without saying {text!r}")
