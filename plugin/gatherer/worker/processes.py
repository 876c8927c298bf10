"""Processes: whose child one is, waiting for their end, and collecting what is left of them.

What this decides: a child dies with the worker, and the worker is the parent of what its children
leave behind. It knows nothing of requests.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time
from collections.abc import Iterable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

PATIENCE: Final = 1.0
"""Seconds that a killed process may take to go; one in the kernel's hands may never go."""


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


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


def wait_for(processes: Iterable[int], seconds: float) -> None:
    """Wait until all these processes have ended, or the time is over."""
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


def end_by(number: int) -> None:
    """End this process by a signal, as whoever waits for it expects to see."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
