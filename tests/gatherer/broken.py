"""Workers that are broken, each in its own way; run as a program: python broken.py WAY.

silent   starts and never says a word
garbage  says what no worker says
dies     is killed while a request runs
cut      ends in the middle of an object
lies     answers as a worker does, with records that are none
stopped  hangs for good, deaf to all but SIGKILL, after the first requests
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time


def between(limit: int, then: str) -> None:
    """Run a real worker, pass on so many bytes of its output, and then break."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "plugin.gatherer", "--interrupt=late"], stdout=subprocess.PIPE
    )
    for one in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(one, lambda number, frame: worker.send_signal(number))
    passed = 0
    while data := os.read(worker.stdout.fileno(), 65536):
        data = data[: limit - passed]
        os.write(1, data)
        passed += len(data)
        if passed >= limit:
            break
    if then == "stopped":
        worker.kill()
        for one in (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGSTOP)
    worker.kill()
    os.kill(os.getpid(), signal.SIGKILL)


def lie() -> None:
    """Speak the protocol, and say nothing true."""
    answers = {b"version": b"1\npid 0\n", b"plan0": b"0\n1\n0\n\n", b"pull": b"1\n7\nnothing\n"}
    number = 0
    os.write(1, b"#0#\n")
    for line in sys.stdin.buffer:
        if line.strip() in answers:
            number += 1
            os.write(1, answers[line.strip()] + b"#%d#\n" % number)
        elif line.strip() == b"exit":
            return


def main() -> None:
    way = sys.argv[1]
    if way == "silent":
        time.sleep(1000)
    elif way == "garbage":
        os.write(1, b"Welcome to this machine!\n" + b"x" * 100 + b"\n")
        sys.stdin.read()
    elif way == "dies":
        between(600, "dies")
    elif way == "cut":
        between(1_500_000, "dies")
    elif way == "lies":
        lie()
    elif way == "stopped":
        between(900, "stopped")


main()
