"""Writing copies, and nowhere else than below the destination.

What this decides: how a destination is reached (component by component, never through a link) and
how a copy comes to be there: under a temporary name first, so that it is whole or absent. A
regular file or a link that is already there is replaced, never written through; anything else
that is there is an error. Permission bits but setuid and setgid, the time of modification and, as
far as allowed, the owner are copied; failing at that is no error.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable

from plugin.gatherer.files.source import Source
from plugin.gatherer.protocol.records import PIECE, Found

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_parent(path: bytes) -> tuple[int, bytes]:
    """Open the directory that a destination lies in; links on the way are the caller's own."""
    head, name = os.path.split(path.rstrip(b"/"))
    if name in (b"", b".", b".."):
        raise OSError(errno.EINVAL, "the destination has no name")
    return os.open(head or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), name


def open_below(top: bytes, path: bytes) -> tuple[int, bytes]:
    """Open the directory for `path` below `top`, making what is missing (mode 0700).

    Args:
        top: the destination directory; it should exist.
        path: absolute, without links, `.` or `..`.

    Raises:
        OSError: a component is a link or no directory.
    """
    parts = [one for one in path.split(b"/") if one]
    if not parts or b".." in parts or b"." in parts:
        raise OSError(errno.EINVAL, "the path has no place below the destination")
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=here)
            below = os.open(part, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
    except BaseException:
        os.close(here)
        raise
    return here, parts[-1]


class Copier:
    """Makes copies of sources.

    Args:
        partial: told the full path of a file that is being written, and an empty one when it is
            whole or gone, so that it can be removed after a kill.
        named: what the temporary name begins with.
    """

    def __init__(self, partial: Callable[[bytes], None], named: bytes) -> None:
        self._partial = partial
        self._temporary = b"." + named + b".partial"
        self._room = memoryview(bytearray(PIECE))

    def copy(self, source: Source, directory: int, name: bytes, shown: bytes) -> int:
        """Make one copy; give the number of bytes written.

        Args:
            source: what is copied; it is closed.
            directory: an open directory, which is closed.
            name: the copy's name in it.
            shown: the path of the directory, for removing a partial file.

        Raises:
            OSError: it could not be made; nothing is left of it.
        """
        try:
            kind = source.found.kind
            if kind == "f":
                return self._file(source, directory, name, shown)
            if kind == "l":
                self._link(source.found, directory, name)
            elif kind == "d":
                self._directory(source.found, directory, name)
            return 0
        finally:
            source.close()
            os.close(directory)

    def _file(self, source: Source, directory: int, name: bytes, shown: bytes) -> int:
        _replaceable(directory, name)
        self._partial(os.path.join(shown, self._temporary))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            # what somebody else has put there may be another name of a file elsewhere
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary, dir_fd=directory)
            out = os.open(self._temporary, flags, 0o600, dir_fd=directory)
            try:
                written = self._content(source, out)
                _dress(out, source.found)
            finally:
                os.close(out)
            os.rename(self._temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary, dir_fd=directory)
            raise
        finally:
            self._partial(b"")
        return written

    def _content(self, source: Source, out: int) -> int:
        written = 0
        while source.left:
            offset = source.offset
            count = source.read_into(self._room)
            os.pwrite(out, self._room[:count], offset)
            written += count
        os.ftruncate(out, source.extent)
        if source.missing:
            raise OSError(source.missing[0] or errno.EIO, source.missing[1].decode())
        return written

    def _link(self, found: Found, directory: int, name: bytes) -> None:
        _replaceable(directory, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
        os.symlink(found.text, name, dir_fd=directory)
        with contextlib.suppress(OSError):
            os.chown(name, found.uid, found.gid, dir_fd=directory, follow_symlinks=False)
        with contextlib.suppress(OSError, NotImplementedError):
            times = (found.mtime, found.mtime)
            os.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)

    def _directory(self, found: Found, directory: int, name: bytes) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=directory)
        made = os.open(name, _DIRECTORY, dir_fd=directory)
        try:
            # the gatherer itself must still be able to write into it
            _dress(made, found, extra=stat.S_IRWXU)
        finally:
            os.close(made)


def _replaceable(directory: int, name: bytes) -> None:
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OSError(errno.EEXIST, "something that is no file is at the destination")


def _dress(descriptor: int, found: Found, extra: int = 0) -> None:
    with contextlib.suppress(OSError):
        os.fchown(descriptor, found.uid, found.gid)
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, found.mode & 0o1777 | extra)
    with contextlib.suppress(OSError):
        os.utime(descriptor, ns=(found.mtime, found.mtime))
