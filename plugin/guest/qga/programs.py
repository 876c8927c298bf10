"""guest-exec: programs, their input and what they write, up to 16 MiB of each.

Each captured program has a thread that reads what it writes, so that none of them waits for another
one or for the reactor.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from attrs import define, field

from plugin.guest.machine import Machine
from plugin.guest.qga import base64s
from plugin.guest.qga.schema import CallFailed, call

MOST_OUTPUT = 16 * 1024 * 1024
MOST_KEPT = 1000
"""Programs whose end nobody asked for; then the oldest ended one is forgotten."""


@define
class Output:
    """What a program wrote to one stream."""

    data: bytearray = field(factory=bytearray)
    truncated: bool = False

    def add(self, piece: bytes) -> None:
        """Keep what there is room for."""
        room = MOST_OUTPUT - len(self.data)
        self.data += piece[:room]
        self.truncated = self.truncated or len(piece) > room


@define
class Program:
    """One that was started; `status` is None until it has ended and its output is read."""

    process: subprocess.Popen[bytes]
    outputs: dict[str, Output]
    status: int | None = None


class ProgramCalls:
    """Starts programs, and tells what became of them, once."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._programs: dict[int, Program] = {}

    @call(
        "guest-exec",
        path="str",
        arg="[str]?",
        env="[str]?",
        input_data="str?",
        capture_output="capture?",
    )
    def start(
        self,
        path: str,
        arg: list[str] | None = None,
        env: list[str] | None = None,
        input_data: str = "",
        capture_output: str = "none",
    ) -> dict[str, int]:
        """Start a program."""
        data = base64s.decode(input_data)
        if not self._machine.programs:
            raise CallFailed("Guest agent command failed, error was 'dry run, or another root'")
        environment = None if env is None else dict(_pair(one) for one in env)
        try:
            process = _started([path, *(arg or [])], environment, capture_output, bool(data))
        except (OSError, ValueError) as error:
            words = error.strerror if isinstance(error, OSError) else os.strerror(errno.ENOENT)
            raise CallFailed(
                "Guest agent command failed, error was "
                f"'Failed to execute child process \u201c{path}\u201d ({words})'"
            ) from None
        self._forget_old()
        self._programs[process.pid] = _watched(process, data)
        return {"pid": process.pid}

    @call("guest-exec-status", pid="int")
    def status(self, pid: int) -> dict[str, Any]:
        """Tell whether a program has ended, and how; then forget it."""
        program = self._programs.get(pid)
        if program is None:
            raise CallFailed("Invalid parameter 'pid'")
        if program.status is None:
            return {"exited": False}
        del self._programs[pid]
        told: dict[str, Any] = {"exited": True}
        told["exitcode" if program.status >= 0 else "signal"] = abs(program.status)
        for name, output in program.outputs.items():
            if output.data:
                told[f"{name}-data"] = base64s.encode(bytes(output.data))
                told[f"{name}-truncated"] = output.truncated
        return told

    def _forget_old(self) -> None:
        if len(self._programs) >= MOST_KEPT:
            ended = (pid for pid, one in self._programs.items() if one.status is not None)
            self._programs.pop(next(ended, 0), None)
        if len(self._programs) >= MOST_KEPT:
            raise CallFailed(f"{MOST_KEPT} programs are running")


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _started(
    words: list[str], env: dict[str, str] | None, capture: str, feeds: bool
) -> subprocess.Popen[bytes]:
    program = words[0] if "/" in words[0] else shutil.which(words[0])
    if not program:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), words[0])
    out = subprocess.PIPE if capture in ("stdout", "separated", "merged") else subprocess.DEVNULL
    err = subprocess.PIPE if capture in ("stderr", "separated") else subprocess.DEVNULL
    err = subprocess.STDOUT if capture == "merged" else err
    fed = subprocess.PIPE if feeds else subprocess.DEVNULL

    def start(argv: list[str], executable: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  # to run programs is what the command is for
            argv, executable=executable, env=env, stdin=fed, stdout=out, stderr=err
        )

    try:
        return start(words, program)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return start(["/bin/sh", program, *words[1:]], "/bin/sh")  # a script that does not say so


def _watched(process: subprocess.Popen[bytes], data: bytes) -> Program:
    program = Program(process, {})
    tasks: list[Callable[[], None]] = []
    for name, stream in (("out", process.stdout), ("err", process.stderr)):
        if stream is not None:
            output = program.outputs[name] = Output()
            tasks.append(partial(_drain, stream, output))
    if process.stdin is not None:
        tasks.append(partial(_pour, process.stdin, data))
    threads = [threading.Thread(target=task, daemon=True) for task in tasks]

    def wait() -> None:
        for thread in threads:
            thread.join()
        program.status = process.wait()

    for thread in (*threads, threading.Thread(target=wait, daemon=True)):
        thread.start()
    return program


def _drain(stream: IO[bytes], output: Output) -> None:
    with stream:
        while piece := os.read(stream.fileno(), 1 << 16):
            output.add(piece)


def _pour(stream: IO[bytes], data: bytes) -> None:
    try:
        with stream:
            stream.write(data)
    except BrokenPipeError:
        return  # it did not want all of it
