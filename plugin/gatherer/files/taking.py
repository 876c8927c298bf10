"""Opening one object, and deciding how much of it is taken.

What this decides: which bytes of an object are taken when there is a limit, and what is done
about sizes that lie. Files of /proc announce no size, files of /sys a wrong one, and logs grow
while they are read: what can be small is read to its end before its size is told; what announces
no size and is large is read to its end into an unnamed temporary file, of which the last bytes
are kept; anything else is what there was of it when it was opened. Holes are not read.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Final

from plugin.gatherer.files.paths import NOTHING_BARRED, Barred
from plugin.gatherer.files.source import NO_LIMIT, Source, Stretch, code_of, words_of
from plugin.gatherer.files.tree import Barrier, Tree, kind_of
from plugin.gatherer.protocol.records import Found

SMALL: Final = 1 << 16
"""Bytes up to which a file is read at once, whatever size it announces."""

_MOST_STRETCHES = 500
_SNIFF = 8192


def failed(path: bytes, error: OSError, status: os.stat_result | None = None) -> Source:
    """Give a source without content, that says why."""
    return Source(_found(path, status, code=code_of(error), text=words_of(error)))


def _found(
    path: bytes,
    status: os.stat_result | None,
    *,
    code: int = 0,
    text: bytes = b"",
    total: int = 0,
    left_out: int = 0,
    size: int | None = None,
) -> Found:
    if status is None:
        return Found(code, "-", 0, 0, 0, 0, 0, -1 if code else 0, 0, path, text)
    kind = kind_of(status.st_mode)
    whole = (status.st_size if kind == "f" else 0) if size is None else size
    if code and kind == "f":
        left_out = whole
    return Found(
        code,
        kind,
        status.st_mode & 0o7777,
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        total,
        left_out,
        whole,
        path,
        text,
    )


def take(
    tree: Tree,
    path: bytes,
    real: bytes,
    share: int = NO_LIMIT,
    barred: Barred = NOTHING_BARRED,
    *,
    regular: bool = False,
    whole_or_none: bool = False,
) -> Source:
    """Open an object; nothing is raised, a failure is a source that tells it.

    Args:
        tree: the file system.
        path: the path as found, which is also what the record will say.
        real: where it lies.
        share: bytes of a regular file that may be taken, its last ones; `NO_LIMIT` for all.
        barred: what the request excludes.
        regular: it was a regular file a moment ago, so it may be opened without a look first.
        whole_or_none: a file that looks binary is left out rather than cut.
    """
    status: os.stat_result | None = None
    try:
        if not regular:
            status = os.lstat(real)
            tree.check(barred, path, real)
            if kind_of(status.st_mode) != "f":
                text = os.readlink(real) if kind_of(status.st_mode) == "l" else b""
                return Source(_found(path, status, text=text))
        descriptor, status = tree.open(real, real, barred)
    except Barrier as barrier:
        return failed(path, barrier, status)
    except OSError as error:
        if regular:
            return take(tree, path, real, share, barred, whole_or_none=whole_or_none)
        return failed(path, error, status)
    try:
        source = _opened(tree, path, descriptor, status, share, whole_or_none)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        return failed(path, error, status)
    source.inode, source.links = (status.st_dev, status.st_ino), status.st_nlink
    return source


def _opened(
    tree: Tree,
    path: bytes,
    descriptor: int,
    status: os.stat_result,
    share: int,
    whole_or_none: bool,
) -> Source:
    size = status.st_size
    if size <= SMALL:
        data = _read_small(descriptor, size)
        if data is not None:
            os.close(descriptor)
            return _small(path, status, data, share, whole_or_none)
        return _unannounced(tree, path, descriptor, status, share)
    stretches = _stretches(descriptor, status)
    if stretches is None:
        return _unannounced(tree, path, descriptor, status, share)
    total = sum(length for _, length in stretches)
    if share == NO_LIMIT or total <= share:
        text = b"" if total == size else b" ".join(b"%d %d" % one for one in stretches)
        if total == 0:
            text = b"0 0"
        return Source(_found(path, status, total=total, text=text), descriptor, stretches)
    if whole_or_none and b"\0" in os.pread(descriptor, _SNIFF, stretches[0][0]):
        os.close(descriptor)
        return _too_big(path, status, size)
    found = _found(path, status, total=share, left_out=size - share)
    return Source(found, descriptor, ((size - share, share),))


def _read_small(descriptor: int, size: int) -> bytes | None:
    """Read all of it, or give None when it turns out to be larger than it could say."""
    if size:
        data = os.read(descriptor, size)
        if len(data) == size:
            return data  # a file that grows meanwhile is taken as it was
    else:
        data = b""
    while len(data) <= SMALL:
        more = os.read(descriptor, SMALL)
        if not more:
            return data
        data += more
    os.lseek(descriptor, 0, os.SEEK_SET)
    return None


def _small(
    path: bytes, status: os.stat_result, data: bytes, share: int, whole_or_none: bool
) -> Source:
    size = len(data)
    if share != NO_LIMIT and size > share:
        if whole_or_none and b"\0" in data[:_SNIFF]:
            return _too_big(path, status, size)
        data = data[size - share :]
    found = _found(path, status, total=len(data), left_out=size - len(data), size=size)
    return Source(found, data=data)


def _too_big(path: bytes, status: os.stat_result, size: int) -> Source:
    text = b"binary, and larger than its share: left out whole"
    return Source(_found(path, status, code=errno.EFBIG, text=text, left_out=size, size=size))


def _stretches(descriptor: int, status: os.stat_result) -> tuple[Stretch, ...] | None:
    """Give where the data lie, or None for a file whose announced size means nothing."""
    size = status.st_size
    if status.st_blocks * 512 >= size:
        return ((0, size),)
    found: list[Stretch] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
            at = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return tuple(found)
            return None if not status.st_blocks else ((0, size),)
        found.append((start, at - start))
        if len(found) > _MOST_STRETCHES:
            return ((0, size),)
    if found == [(0, size)] and not status.st_blocks:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return None
    return tuple(found)


def _unannounced(
    tree: Tree, path: bytes, descriptor: int, status: os.stat_result, share: int
) -> Source:
    """Read a file that announces no true size to its end, and keep its last bytes."""
    kept = tree.scratch()
    try:
        size = _fill(descriptor, kept, share)
    except BaseException:
        os.close(kept)
        raise
    os.close(descriptor)
    total = size if share == NO_LIMIT else min(size, share)
    found = _found(path, status, total=total, left_out=size - total, size=size)
    start = 0 if share == NO_LIMIT or size <= share else size % max(share, 1)
    wrapped = ((start, total - start), (0, start)) if start else ((0, total),)
    return Source(found, kept, tuple(one for one in wrapped if one[1]))


def _fill(descriptor: int, spool: int, share: int) -> int:
    """Copy to the end, round and round within `share` bytes; give the number of bytes read."""
    size = 0
    while data := os.read(descriptor, 1 << 18):
        # Of a piece that is longer than the share only the end would be left.
        gone = 0 if share == NO_LIMIT else max(0, len(data) - share)
        at, rest = size + gone, memoryview(data)[gone:]
        while rest:
            place = at if share == NO_LIMIT else at % share
            room = len(rest) if share == NO_LIMIT else min(len(rest), share - place)
            os.pwrite(spool, rest[:room], place)
            rest, at = rest[room:], at + room
        size += len(data)
    return size
