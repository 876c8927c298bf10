"""The requests that look at the file system: glob, glob0, stat and read."""

from __future__ import annotations

import errno
import glob
import os

from plugin.gatherer.files.paths import NOTHING_BARRED
from plugin.gatherer.files.source import code_of, words_of
from plugin.gatherer.files.tree import kind_of, locate
from plugin.gatherer.protocol.records import PIECE
from plugin.gatherer.worker.board import Reach, framed, number


def _names(reach: Reach, pattern: bytes) -> list[bytes]:
    reach.touching(pattern)
    return sorted(glob.glob(pattern)) if pattern else []


def glob_lines(reach: Reach, params: list[bytes]) -> None:
    """`glob`: the number of names, and each on a line, as the seed has it."""
    names = _names(reach, params[0])
    reach.say(b"%d\n" % len(names))
    for name in names:
        reach.say(name + b"\n")


def glob_framed(reach: Reach, params: list[bytes]) -> None:
    """`glob0`: the number of names, and each with its length before it."""
    names = _names(reach, params[0])
    reach.say(b"%d\n" % len(names))
    for name in names:
        reach.say(framed(name))


def stat(reach: Reach, params: list[bytes]) -> None:
    """`stat`: code, kind, mode, uid, gid, size, time, and the link's target or the reason."""
    path = params[0]
    reach.touching(path)
    numbers, mtime, code, kind = (0, 0, 0, 0), 0, 0, "-"
    try:
        status = os.lstat(path)
        kind = kind_of(status.st_mode)
        text = os.readlink(path) if kind == "l" else b""
        numbers = (status.st_mode & 0o7777, status.st_uid, status.st_gid, status.st_size)
        mtime = status.st_mtime_ns
    except OSError as error:
        code, text = code_of(error), words_of(error)
    reach.say(b"%d\n%b\n%o\n%d\n%d\n%d\n" % (code, kind.encode(), *numbers))
    reach.say(b"%d.%09d\n" % divmod(mtime, 10**9) + framed(text))


def read(reach: Reach, params: list[bytes]) -> None:
    """`read`: code, size, and a piece of at most 1 MiB from an offset on; then the reason."""
    path, offset, most = params
    code, size, data, text = 0, 0, b"", b""
    try:
        size, data = _piece(reach, path, number(offset), min(number(most) or PIECE, PIECE))
    except OSError as error:
        code, text = code_of(error), words_of(error)
    reach.say(b"%d\n%d\n" % (code, size) + framed(data) + framed(text))


def _piece(reach: Reach, path: bytes, offset: int, most: int) -> tuple[int, bytes]:
    reach.touching(path)
    real = locate(path).real
    kind = kind_of(os.lstat(real).st_mode)
    reach.tree.check(NOTHING_BARRED, os.path.abspath(path), real)
    if kind != "f":
        raise OSError(errno.EINVAL, f"it is of kind {kind} and is not read")
    descriptor, status = reach.tree.open(real, real, NOTHING_BARRED)
    try:
        data = b""
        while more := os.pread(descriptor, most - len(data), offset + len(data)):
            data += more
        return status.st_size, data
    finally:
        os.close(descriptor)
