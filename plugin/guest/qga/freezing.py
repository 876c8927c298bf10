"""guest-fsfreeze-*, guest-fstrim: file systems frozen, thawed and trimmed.

What is frozen blocks whoever writes to it, this agent's own log too, until somebody thaws it: so
`Machine.frozen` says that nothing may be written. A client that freezes and dies would leave the
machine so for good; after a while it is thawed. Whoever thaws is told how many were frozen still.
A thaw tries every file system, as qemu-ga's does: an agent that was killed and started again, or
somebody else, may have frozen them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import frozen
from twisted.logger import Logger

from plugin.guest.machine import Machine
from plugin.guest.qga.schema import CallFailed, call

FIFREEZE, FITHAW, FITRIM = 0xC0045877, 0xC0045878, 0xC0185879
THAW_AFTER = 600.0
"""Seconds: a snapshot takes some; whoever needs longer says so in the config."""

MOST_FREEZES = 64
"""How often one file system may be frozen over, by different mounts of it."""

_OCTAL = re.compile(r"\\([0-7]{3})")
_log = Logger()
Control = Callable[[str, int, bytes], bytes]
Alarm = Callable[[float, Callable[[], object]], Callable[[], object]]
"""Has something called after some seconds; gives what calls that off."""


@frozen
class Mount:
    """One mounted file system of a block device."""

    device: str
    path: str
    kind: str


def mounts(machine: Machine) -> Iterator[Mount]:
    """Give the file systems of block devices, in the order in which they were mounted."""
    text = machine.read_text("/proc/self/mountinfo") or ""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        words, more = before.split(), after.split()
        if len(words) > 4 and len(more) > 1 and not words[2].startswith("0:"):
            path = _OCTAL.sub(lambda found: chr(int(found[1], 8)), words[4])
            yield Mount(words[2], path, more[0])


def control(path: str, request: int, argument: bytes) -> bytes:
    """Do an ioctl on a folder."""
    number = os.open(path, os.O_RDONLY)
    try:
        result: bytes = fcntl.ioctl(number, request, argument)
        return result
    finally:
        os.close(number)


def alarm(seconds: float, function: Callable[[], object]) -> Callable[[], object]:
    """Call something after a while, in a thread: the parser knows no reactor."""
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()
    return timer.cancel


class FreezeCalls:
    """Freezes what is mounted, and sees to it that it is thawed."""

    def __init__(
        self,
        machine: Machine,
        thaw_after: float = THAW_AFTER,
        control: Control = control,
        alarm: Alarm = alarm,
    ) -> None:
        """Take a machine.

        Args:
            machine: in a dry run, or for another root, nothing is frozen or trimmed.
            thaw_after: seconds until what nobody has thawed is thawed; 0 for never.
            control: does ioctls.
            alarm: calls later.
        """
        self._machine = machine
        self._thaw_after = thaw_after
        self._control = control
        self._alarm = alarm
        self._call_off: Callable[[], object] = lambda: None
        self._lock = threading.Lock()

    @call("guest-fsfreeze-status")
    def status(self) -> str:
        """Tell 'frozen' or 'thawed'."""
        return "frozen" if self._machine.frozen else "thawed"

    @call("guest-fsfreeze-freeze")
    def freeze(self) -> int:
        """Freeze all file systems; give how many."""
        return self._freeze(None)

    @call("guest-fsfreeze-freeze-list", mountpoints="[str]?")
    def freeze_list(self, mountpoints: list[str] | None = None) -> int:
        """Freeze those that are mounted at these places."""
        return self._freeze(mountpoints)

    @call("guest-fsfreeze-thaw")
    def thaw(self) -> int:
        """Thaw what is frozen; give how many."""
        with self._lock:
            return self._thaw_all()

    @call("guest-fstrim", minimum="int?")
    def trim(self, minimum: int = 0) -> dict[str, Any]:
        """Tell the disks what is free."""
        told = []
        for mount in mounts(self._machine):
            path: dict[str, Any] = {"path": mount.path}
            try:
                done = self._on(mount.path, FITRIM, struct.pack("QQQ", 0, (1 << 64) - 1, minimum))
                path |= {
                    "minimum": minimum,
                    "trimmed": struct.unpack("QQQ", done)[1] if done else 0,
                }
            except OSError as error:
                path["error"] = f"failed to trim: {error.strerror}"
            told.append(path)
        return {"paths": told}

    def close(self) -> None:
        """Thaw what this agent has frozen, as it stops."""
        if self._machine.frozen:
            self.thaw()

    def _freeze(self, only: list[str] | None) -> int:
        paths = [one.path for one in reversed(list(mounts(self._machine)))]
        with self._lock:
            self._machine.frozen = True  # before the first: a log line could block already
            if self._thaw_after:
                self._call_off = self._alarm(self._thaw_after, self._overdue)
            try:
                count = self._freeze_each(path for path in paths if only is None or path in only)
            except CallFailed:
                self._thaw_all()
                raise
            if not count:
                self._settle()
            return count

    def _freeze_each(self, paths: Iterable[str]) -> int:
        count = 0
        for path in paths:
            try:
                self._on(path, FIFREEZE)
            except OSError as error:
                if error.errno in (errno.EBUSY, errno.EOPNOTSUPP):
                    continue  # frozen by another mount, or it cannot be frozen
                raise CallFailed(f"failed to freeze {path}: {error.strerror}") from None
            count += 1
        return count

    def _thaw_all(self) -> int:
        count = sum(self._thawed(one.path) for one in mounts(self._machine))
        self._settle()
        return count

    def _settle(self) -> None:
        self._call_off()
        self._machine.frozen = False

    def _overdue(self) -> None:
        if self._machine.frozen:
            count = self.thaw()
            _log.warn("{count} file systems were frozen for too long, and thawed", count=count)

    def _thawed(self, path: str) -> bool:
        if not self._machine.programs:
            return self._machine.frozen
        for done in range(MOST_FREEZES):
            try:
                self._on(path, FITHAW)
            except OSError:
                return done > 0
        return True

    def _on(self, path: str, request: int, argument: bytes = b"\0" * 4) -> bytes:
        if not self._machine.programs:
            return b""
        return self._control(path, request, argument)
