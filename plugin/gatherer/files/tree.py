"""Looking at the file system without being led astray by it.

What this decides: what kind an object is, where it really lies, and how a regular file is opened
so that nothing blocks, nothing is followed, and what was opened is what was looked at. It knows
nothing of requests and archives.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from typing import NamedTuple

from plugin.gatherer.files.paths import Barred

_KINDS = {
    stat.S_IFREG: "f",
    stat.S_IFLNK: "l",
    stat.S_IFDIR: "d",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
    stat.S_IFBLK: "b",
    stat.S_IFCHR: "c",
}

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LINKS = 40  # as many as the kernel follows (ELOOP)


def kind_of(mode: int) -> str:
    """Give the letter of a kind: f l d p s b c, or - for what nobody knows."""
    return _KINDS.get(stat.S_IFMT(mode), "-")


class Barrier(OSError):
    """The object may not be read: the text says whether the table or the request says so."""


class Place(NamedTuple):
    """Where a path leads: `real`, without links but for its last component, and the links met."""

    real: bytes
    links: tuple[bytes, ...] = ()


def locate(path: bytes) -> Place:
    """Find where an object lies; the object itself is not followed when it is a link.

    Args:
        path: relative ones are meant from the working directory.

    Returns:
        the real path, and the real paths of the links that lead there.

    Raises:
        OSError: a component is missing, or the links go round in a circle.
    """
    if not path:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    links: list[bytes] = []
    real, rest = b"/", _parts(os.path.join(os.getcwdb(), path))
    while rest:
        name = rest.pop(0)
        if name == b"..":
            real = os.path.dirname(real)
            continue
        here = os.path.join(real, name)
        if not rest or not os.path.islink(here):
            real = here
            continue
        if len(links) >= _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        links.append(here)
        target = _parts(target_text := os.readlink(here))
        real = b"/" if target_text.startswith(b"/") else real
        rest = target + rest
    return Place(real, tuple(links))


def _parts(path: bytes) -> list[bytes]:
    return [one for one in path.split(b"/") if one not in (b"", b".")]


class Tree:
    """The file system as this process sees it.

    Args:
        barred: what is not read.
        open_files: an open directory that shows this process's descriptors (/proc/self/fd), or
            None where there is none. It is opened before a chroot, and tells where an opened file
            really lies, whatever was moved meanwhile.
        scratch: an open directory for unnamed files, or None to keep them in memory.
    """

    def __init__(
        self, barred: Barred, open_files: int | None = None, scratch: int | None = None
    ) -> None:
        self.barred = barred
        self._open_files = open_files
        self._scratch = scratch

    def scratch(self) -> int:
        """Open an unnamed file for what has to be read before its size is known."""
        if self._scratch is not None:
            flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
            with contextlib.suppress(OSError):
                return os.open(".", flags, 0o600, dir_fd=self._scratch)
        return os.memfd_create("gatherer")

    def open(self, path: bytes, expected: bytes, barred: Barred) -> tuple[int, os.stat_result]:
        """Open a regular file for reading.

        Args:
            path: the file, by its real path.
            expected: where it was found to lie.
            barred: what this request excludes; the table is asked as well.

        Raises:
            Barrier: it may not be read.
            OSError: it cannot be opened, or is no regular file any more.
        """
        descriptor = os.open(path, _OPEN)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EAGAIN, "it became something else while it was looked at")
            self._check_where(descriptor, expected, barred)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, status

    def _check_where(self, descriptor: int, expected: bytes, barred: Barred) -> None:
        if self._open_files is None:
            return
        with contextlib.suppress(OSError):
            real = os.readlink(b"%d" % descriptor, dir_fd=self._open_files)
            if real != expected:
                self.check(barred, real)

    def check(self, barred: Barred, *paths: bytes) -> None:
        """Raise Barrier when the object known by these paths may not be read."""
        reason = self.barred.why(*paths) or barred.why(*paths)
        if reason:
            raise Barrier(errno.EPERM, reason.decode())


def open_files_here() -> int | None:
    """Open the directory that shows this process's descriptors, where there is one."""
    try:
        return os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None


def open_scratch() -> int | None:
    """Open the directory for temporary files, where there is one."""
    try:
        return os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
