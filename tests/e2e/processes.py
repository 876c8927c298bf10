"""Processes whose output can be waited for, and that are ended by their own id.

Nothing here waits for time to pass: a test waits for a line, for an end, or for something to become
so (`eventually`), each with a deadline that fails loudly and shows the log.
"""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

PATIENCE = 40.0
"""Seconds that anything may take on a busy machine before a test gives up."""

_given: set[int] = set()
"""Ports that were given to a test of this run: none is given twice."""

_Value = TypeVar("_Value")


class Watched:
    """A process with its output (both streams, in order) as a growing list of lines.

    Args:
        command: what to run.
        folder: where to run it.
        variables: added to the environment.
        takes_input: keep a pipe to its standard input, for `write`.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        variables: dict[str, str] | None = None,
        takes_input: bool = False,
    ) -> None:
        self.command = [str(word) for word in command]
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            self.command,
            cwd=folder,
            env={**_environment(), **(variables or {})},
            stdin=subprocess.PIPE if takes_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Watched:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        with self._changed:
            return "\n".join(self._lines)

    @property
    def length(self) -> int:
        """How many lines there are: `wait_for(…, after=length)` looks at later ones only."""
        with self._changed:
            return len(self._lines)

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def wait_for(self, pattern: str, after: int = 0, patience: float = PATIENCE) -> re.Match[str]:
        """Wait for a line that matches, and give the match."""
        wanted = re.compile(pattern)
        deadline = time.monotonic() + patience
        with self._changed:
            seen = after
            while True:
                for line in self._lines[seen:]:
                    found = wanted.search(line)
                    if found is not None:
                        return found
                seen = len(self._lines)
                left = deadline - time.monotonic()
                if left <= 0 or (not self._reader.is_alive() and seen == len(self._lines)):
                    raise AssertionError(f"no line matches {pattern!r} in:\n{self.log_so_far()}")
                self._changed.wait(min(left, 0.5))

    def log_so_far(self) -> str:
        return f"$ {' '.join(self.command)}\n" + "\n".join(self._lines)

    def hang_up(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def interrupt(self) -> None:
        os.kill(self.pid, signal.SIGINT)

    def stop(self) -> int:
        """SIGTERM, and give the exit code."""
        self._process.terminate()
        return self.ended()

    def kill(self) -> None:
        """SIGKILL: what a power cut is to a process."""
        self._process.kill()
        self.ended()

    def ended(self, patience: float = PATIENCE) -> int:
        """Wait for the end, and give the exit code."""
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end:\n{self.log}") from None
        self._reader.join(patience)
        return code

    def close(self) -> None:
        """Kill it if it is still there; its group takes along what it may have started."""
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            for line in stream:
                with self._changed:
                    self._lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


def eventually(
    look: Callable[[], _Value], is_so: Callable[[_Value], bool] = bool, patience: float = PATIENCE
) -> _Value:
    """Look again and again until something is so, and give what was seen then."""
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while not is_so(seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"did not become so within {patience:g} s; last seen: {seen!r}")
        pause.wait(0.02)
    return seen


def run(
    command: Sequence[str | Path], folder: Path, patience: float = 90.0, **variables: str
) -> tuple[int, str]:
    """Run something to its end: its exit code, and what it wrote."""
    with Watched(command, folder, variables) as process:
        code = process.ended(patience)
        return code, process.log


def free_port() -> int:
    """Give a loopback port that is free, below those that systems give away by themselves."""
    while True:
        port = random.randint(20100, 30000)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}
