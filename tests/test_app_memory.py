"""`memory`: the collector of cyclic garbage in a process that runs for long."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from co2.app.memory import collect_seldom

class Knot:
    def __init__(self):
        self.itself = self

collect_seldom()
first = weakref.ref(Knot())
made = 0
while first() is not None:
    Knot()
    made += 1
    assert made < 100_000
print(made)
"""


def test_garbage_in_cycles_is_still_collected():
    """Seldom, and within a few megabytes; in a process of its own, as it is set for good."""
    command = [sys.executable, "-c", PROGRAM]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert 5_000 < int(ran.stdout) < 100_000
