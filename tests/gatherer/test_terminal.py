"""The worker on a terminal, as people and the tests of 2010 use it."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from gatherer.processes import PATIENCE, ROOT

pytestmark = pytest.mark.process


class Terminal:
    """A worker on a pseudo-terminal: echo, and lines that end in CR LF."""

    def __init__(self, *arguments):
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "plugin.gatherer", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            start_new_session=True,
        )
        os.close(theirs)
        self.heard = b""

    def __enter__(self):
        try:
            self.expect(b"#0#\r\n")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)

    def send(self, text):
        os.write(self.ours, text)

    def expect(self, text):
        end = time.monotonic() + PATIENCE
        while text not in self.heard:
            left = max(0.0, end - time.monotonic())
            assert select.select([self.ours], [], [], left)[0], self.heard
            self.heard += os.read(self.ours, 65536)
        self.heard = self.heard.partition(text)[2]

    def leaves(self):
        self.send(b"exit\n")
        assert self.process.wait(PATIENCE) == 0


def test_a_session_by_hand():
    """Requests are echoed and answered; SIGUSR1 in the middle of a line does not disturb it."""
    with Terminal() as terminal:
        terminal.send(b"exec\nech")
        terminal.process.send_signal(signal.SIGUSR1)
        terminal.expect(b"ALIVE\r\n")
        terminal.send(b"o lol\n")
        terminal.expect(b"0\r\n4\r\nlol\r\n\r\n0\r\n\r\n#1#\r\n")
        terminal.leaves()


def test_seed_interrupts():
    """Among parameters SIGINT prompts the same number, twice over; at the prompt it leaves."""
    with Terminal() as terminal:
        for command in (b"exec\n", b"glob\n"):
            terminal.send(command)
            # The worker reads what is there before it heeds a signal, and what is echoed is there.
            terminal.expect(command.strip() + b"\r\n")
            terminal.process.send_signal(signal.SIGINT)
            terminal.expect(b"#0#\r\n")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(PATIENCE) == 0


def test_late_interrupts():
    """By the later rule each interrupt is told, counts, and drops half a line, typed or not."""
    with Terminal("--interrupt=late") as terminal:
        terminal.process.send_signal(signal.SIGINT)
        terminal.expect(b"#0# INTERRUPTED\r\n#1#\r\n")
        terminal.send(b"glo")
        terminal.expect(b"glo")  # what is not echoed yet, the terminal cannot forget
        terminal.process.send_signal(signal.SIGINT)
        terminal.expect(b"#1# INTERRUPTED\r\n#2#\r\n")
        terminal.send(b"exec\nsleep 100\n")
        terminal.expect(b"sleep 100\r\n")
        terminal.process.send_signal(signal.SIGINT)
        terminal.expect(b"#2# INTERRUPTED\r\n#3#\r\n")
        terminal.leaves()
