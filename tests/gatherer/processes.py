"""Real workers for tests: started, fed, signalled, and looked after."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0
"""Seconds that anything may take on a busy machine before a test gives up."""

SOON = 10.0
"""Seconds in which something is over at once, on a busy machine too; the waiting it ends has no
end of its own."""


class RealWorker:
    """A worker process with its three pipes, used with `with`."""

    def __init__(self, *arguments: str, cwd: str | Path | None = None) -> None:
        environment = dict(os.environ, PYTHONPATH=str(ROOT))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "plugin.gatherer", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd or ROOT,
            env=environment,
            bufsize=0,
        )
        self.out = b""
        self.err = b""

    def __enter__(self) -> RealWorker:
        return self

    def __exit__(self, *failure: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()
        self.process.wait(10)

    def send(self, data: bytes) -> None:
        self.process.stdin.write(data)

    def signal(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def _hear(self, seconds: float) -> bool:
        pipes = [pipe for pipe in (self.process.stdout, self.process.stderr) if not pipe.closed]
        ready, _, _ = select.select(pipes, [], [], seconds)
        heard = False
        for pipe in ready:
            data = os.read(pipe.fileno(), 1 << 16)
            heard = heard or bool(data)
            if pipe is self.process.stdout:
                self.out += data
            else:
                self.err += data
        return heard

    def until(self, *, out: bytes = b"", err: bytes = b"", seconds: float = PATIENCE) -> None:
        """Hear until stdout and stderr hold these bytes."""
        end = time.monotonic() + seconds
        while not (out in self.out and err in self.err):
            if not self._hear(max(0.0, end - time.monotonic())) and time.monotonic() > end:
                raise AssertionError(f"no {out!r} {err!r} in {self.out!r} {self.err!r}")
            if self.process.poll() is not None and not self._hear(0):
                if out in self.out and err in self.err:
                    return
                raise AssertionError(f"it ended: {self.out!r} {self.err!r}")

    def finish(self) -> int:
        """Close stdin, hear everything, and give the exit code."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        for pipe, name in ((self.process.stdout, "out"), (self.process.stderr, "err")):
            while data := os.read(pipe.fileno(), 1 << 16):
                setattr(self, name, getattr(self, name) + data)
        return self.process.wait(PATIENCE)


def children_of(process: int) -> list[int]:
    """Give the living children of a process."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[1]) == process and fields[0] != b"Z":
                    found.append(int(name))
    return found
