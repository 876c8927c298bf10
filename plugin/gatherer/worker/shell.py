"""Running one command, and ending it with everything that it has started.

What this decides: a command gets no input, a session and process group of its own, and dies with
the worker. When it is interrupted its group gets SIGTERM, and what is still there after a moment,
wherever it has moved to, SIGKILL: the worker is the reaper of its descendants, so none gets away
by a double fork.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable
from typing import Final

from plugin.gatherer.worker.hand import die_with_parent
from plugin.gatherer.worker.spool import Spool

_PR_SET_CHILD_SUBREAPER: Final = 36
_CHUNK: Final = 1 << 18

GRACE: Final = 0.3
"""Seconds between SIGTERM and SIGKILL."""

PATIENCE: Final = 1.0
"""Seconds that a killed process may take to go; one in the kernel's hands may never go."""


def adopt_descendants() -> None:
    """Ask the kernel to make this process the parent of its orphaned descendants."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants(process: int) -> set[int]:
    """Give every living process below that one, as far as /proc tells."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parents.setdefault(_parent(name), []).append(int(name))
    found: set[int] = set()
    waiting = [process]
    while waiting:
        for child in parents.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def _parent(name: str) -> int:
    with open(f"/proc/{name}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return 0 if fields[0] == b"Z" else int(fields[1])


class Command:
    """A running command and what it has said.

    Args:
        line: what is given to the shell.
        most: bytes kept of each stream, the last ones; 0 for all.
        root: a directory to be its root, or empty.
        spare: processes that are not to be killed with it: the worker's hand.
    """

    def __init__(
        self, line: bytes, most: int = 0, root: bytes = b"", spare: Iterable[int] = ()
    ) -> None:
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
        for one in (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(one, signal.SIG_DFL)
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
        self._wait(mine, GRACE)
        until = time.monotonic() + PATIENCE
        while mine := descendants(os.getpid()) - self._spare:
            for one in mine:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            self._wait(mine, 0.05)
            if time.monotonic() > until:
                break
        self.code = self._process.poll()
        reap(self._spare)

    def _wait(self, processes: set[int], seconds: float) -> None:
        until = time.monotonic() + seconds
        watches = []
        for one in processes:
            with contextlib.suppress(OSError):
                watches.append(os.pidfd_open(one))
        poll = select.poll()
        for watch in watches:
            poll.register(watch, select.POLLIN)
        left = len(watches)
        while left and (rest := until - time.monotonic()) > 0:
            for watch, _ in poll.poll(rest * 1000):
                poll.unregister(watch)
                left -= 1
        for watch in watches:
            os.close(watch)

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


def reap(spare: Iterable[int] = ()) -> None:
    """Collect orphans that ended in this process's care, but for those that others wait for."""
    keep = set(spare)
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in keep:
            return
        os.waitpid(ended.si_pid, os.WNOHANG)
