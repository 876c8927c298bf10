"""Running one command, and ending it with everything that it has started.

What this decides: a command gets no input, a session and process group of its own, and dies with
the worker. When it is interrupted its group gets SIGTERM, and what is still there after a moment,
wherever it has moved to, SIGKILL: the worker is the reaper of its descendants, so none gets away
by a double fork.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from plugin.gatherer.protocol.requests import Request
from plugin.gatherer.worker.processes import (
    PATIENCE,
    descendants,
    die_with_parent,
    reap,
    wait_for,
)
from plugin.gatherer.worker.spool import Spool

_CHUNK: Final = 1 << 18

GRACE: Final = 0.3
"""Seconds between SIGTERM and SIGKILL."""


class Command:
    """A running command and what it has said.

    Args:
        line: what is given to the shell.
        most: bytes kept of each stream, the last ones; 0 for all.
        root: a directory to be its root, or empty.
        spare: processes that are not to be killed with it: the worker's hand.
        strict: a broken pipe is an error to it and not its end, as it was in 2010.
    """

    def __init__(
        self,
        line: bytes,
        most: int = 0,
        root: bytes = b"",
        spare: Iterable[int] = (),
        *,
        strict: bool = False,
    ) -> None:
        self._strict = strict
        self.streams = (Spool(most), Spool(most))
        self._spare = frozenset(spare) | descendants(os.getpid())
        self._root = root
        self.code: int | None = None
        self._open: dict[int, Spool] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._watch = -1
        try:
            self._start(line)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.code = 126
            self.streams[1].write(f"cannot run it: {error}\n".encode())

    def _start(self, line: bytes) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - running commands is what it is for
            ["/bin/sh", "-c", line],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            restore_signals=False,  # `_prepare` does
            preexec_fn=self._prepare,  # noqa: PLW1509 - the worker has no threads
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        for pipe, spool in zip(
            (self._process.stdout, self._process.stderr), self.streams, strict=True
        ):
            os.set_blocking(pipe.fileno(), False)
            self._open[pipe.fileno()] = spool
        self._watch = os.pidfd_open(self._process.pid)

    def _prepare(self) -> None:
        die_with_parent()
        for one in (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGXFSZ):
            signal.signal(one, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN if self._strict else signal.SIG_DFL)
        if self._root:
            os.chroot(self._root)
            os.chdir("/")

    @property
    def done(self) -> bool:
        """Whether it has ended and has nothing more to say."""
        return self.code is not None and not self._open

    def descriptors(self) -> list[int]:
        """Give what to wait for."""
        return [*self._open, *([self._watch] if self._watch >= 0 else [])]

    def ready(self, descriptor: int) -> None:
        """Take note that a descriptor has something."""
        if descriptor == self._watch:
            assert self._process is not None
            self.code = self._process.wait()
            os.close(self._watch)
            self._watch = -1
        elif descriptor in self._open:
            self._read(descriptor)

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self._open[descriptor].write(data)
        else:
            del self._open[descriptor]

    def kill(self) -> None:
        """End it with all its descendants; on return they are gone, or in the kernel's hands."""
        if self._process is None:
            return
        mine = descendants(os.getpid()) - self._spare
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        wait_for(mine, GRACE)
        until = time.monotonic() + PATIENCE
        while mine := descendants(os.getpid()) - self._spare:
            for one in mine:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            wait_for(mine, 0.05)
            if time.monotonic() > until:
                break
        self.code = self._process.poll()
        reap(self._spare)

    def close(self) -> None:
        """Let go of pipes and spools."""
        if self._process is not None:
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()
            if self._process.returncode is None:
                self._process.poll()
        if self._watch >= 0:
            os.close(self._watch)
            self._watch = -1
        for spool in self.streams:
            spool.close()


def most_of(request: Request) -> int:
    """Give how many bytes of each stream a request that runs a command wants, 0 for all."""
    most = request.params[-1] if len(request.params) > 1 else b"0"
    return int(most) if most.isdigit() and len(most) < 18 else 0


def said(request: Request, command: Command) -> Iterator[bytes]:
    """Give the answer of `exec` and `run`, piece by piece."""
    name = request.name.removesuffix(b"0")
    yield b"%d\n" % (command.code or 0)
    for spool in command.streams:
        left = b"%d\n" % spool.left_out if name == b"run" else b""
        yield left + b"%d\n" % spool.kept
        yield from spool.pieces()
        yield b"\n"


def stored(request: Request, command: Command, store: Callable[[bytes, int, int], bytes]) -> bytes:
    """Have the streams written into the files of `exec2file`; give its answer.

    Args:
        request: what was asked.
        command: ended.
        store: writes so many bytes of a descriptor into a file, and gives the code.
    """
    lines = [b"%d\n" % (command.code or 0)]
    for path, spool in zip(request.params[1:3], command.streams, strict=True):
        code, size = b"0", spool.kept
        if path:
            code = store(path, size, spool.straightened())
        lines.append(b"%b\n%d\n%d\n" % (code, size if code == b"0" else 0, spool.left_out > 0))
    return b"".join(lines)
