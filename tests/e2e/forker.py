"""Starts relays by forking, and so many times faster than a new interpreter would.

A line of input is the state folder of a relay to start, or `kill <pid>` of one that this has
started.
"""
# ruff: noqa: T201  # tests read what it prints

import os
import signal
import sys
from pathlib import Path

from co2.app.run import run_server

OPTIONS = {"listen": "tcp:0:interface=127.0.0.1"}

assert "twisted.internet.reactor" not in sys.modules, "a reactor cannot be shared by processes"
print("ready", flush=True)
for line in sys.stdin:
    word, _, rest = line.strip().partition(" ")
    if word == "kill":
        os.kill(int(rest), signal.SIGKILL)
        os.waitpid(int(rest), 0)
        print(f"killed {rest}", flush=True)
        continue
    pid = os.fork()
    if not pid:
        os._exit(run_server("relay", {**OPTIONS, "state-dir": str(Path(word))}))
    print(f"forked {pid}", flush=True)
