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
    """Give what the real classad2 makes of each (expression, ad, target)."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run(
        [sys.executable, str(HERE / "classad2_process.py")],
        check=False,
        input=lines, capture_output=True, text=True, timeout=100,
        env={"CONDOR_CONFIG": "/dev/null", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
