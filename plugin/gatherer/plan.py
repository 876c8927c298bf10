"""What a pattern brings: the objects, in order, and how much of each may be taken.

How it works. `objects` walks what a pattern names, without following links and without leaving
the file system of what was named; `shares` then divides the limit. The plan is written into an
unnamed temporary file, one entry an object, so that memory does not grow with the number of
objects, and so that another process can go on where the first one was killed.

The limit is divided fairly: small files are whole, and what the others may have is cut at one
level, so that the sum is the limit. (Counted from the smallest file on: share = what is left /
files left.) Files go newest first, so that an interrupted transfer has brought the newest. What
counts are the bytes on the disk, not the holes.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
import struct
from array import array
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from plugin.gatherer.paths import Barred, translate
from plugin.gatherer.source import NO_LIMIT
from plugin.gatherer.tree import Barrier, Tree, locate

_START: Final = struct.Struct("<q")  # where the order begins, 0 for the order of the walk
_ENTRY: Final = struct.Struct("<HHi")  # lengths of path and real path, code
_ORDER: Final = struct.Struct("<qq")  # where the entry is, its share
_MAGIC = re.compile(rb"[*?[]")
_BLOCK = 512


class Item(NamedTuple):
    """An object that a pattern brings; a code says that it is not to be opened, and why."""

    path: bytes
    real: bytes
    code: int = 0
    size: int = 0
    mtime: int = 0
    regular: bool = False


Touching = Callable[[bytes], None]


class Walk:
    """Walks what a pattern names.

    Args:
        tree: the file system.
        barred: what the request excludes; excluded directories are not descended into.
        touching: told each directory before it is read, so that who must kill this process
            knows where it hung.
        stuck: directories and files that hung before, and are passed over.
        sized: whether sizes and times are needed.
        follow: whether a link that the pattern names brings the regular file that it leads to.
    """

    def __init__(
        self,
        tree: Tree,
        barred: Barred,
        touching: Touching = lambda path: None,
        stuck: frozenset[bytes] = frozenset(),
        *,
        sized: bool = False,
        follow: bool = False,
    ) -> None:
        self._tree = tree
        self._barred = barred
        self._touching = touching
        self._stuck = stuck
        self._sized = sized
        self._follow = follow
        self._links: set[bytes] = set()

    def objects(self, pattern: bytes) -> Iterator[Item]:
        """Give every object that an absolute pattern brings."""
        head, rest = _split(pattern)
        rule = re.compile(rb"(?s:" + translate(rest) + rb")\Z") if rest else None
        self._touching(_still(head))
        if _still(head) in self._stuck:
            yield Item(head, head, errno.EINTR)
            return
        for path in sorted(glob.iglob(head)):
            yield from self._named(path, rule)

    def _named(self, path: bytes, rule: re.Pattern[bytes] | None) -> Iterator[Item]:
        try:
            real, links = locate(path)
        except OSError as error:
            yield Item(path, path, error.errno or errno.EIO)
            return
        # the path as written may pass through links that lead to what is excluded
        written = os.path.normpath(path)
        try:
            self._tree.check(self._barred, written, real)
        except Barrier:
            yield Item(written, written, errno.EPERM)
            return
        for link in links:
            if link not in self._links:
                self._links.add(link)
                yield Item(link, link)
        yield from self._object(real, rule, links=bool(links))
        if self._follow and os.path.islink(real) and not real.startswith((b"/proc/", b"/sys/")):
            yield from self._target(real)

    def _target(self, link: bytes) -> Iterator[Item]:
        target = os.path.realpath(link)
        if os.path.isfile(target):
            yield from self._named(target, None)

    def _object(
        self, real: bytes, rule: re.Pattern[bytes] | None, *, links: bool
    ) -> Iterator[Item]:
        self._touching(real)
        if real in self._stuck:
            yield Item(real, real, errno.EINTR)
            return
        try:
            status = os.lstat(real)
        except OSError as error:
            yield Item(real, real, error.errno or errno.EIO)
            return
        if rule is None:
            yield _item(real, status)
        if stat.S_ISDIR(status.st_mode):
            yield from self._below(real, status.st_dev, rule)

    def _below(self, top: bytes, device: int, rule: re.Pattern[bytes] | None) -> Iterator[Item]:
        waiting = [top]
        start = len(top.rstrip(b"/")) + 1
        while waiting:
            directory = waiting.pop()
            self._touching(directory)
            entries, problem = ([], errno.EINTR) if directory in self._stuck else _list(directory)
            if problem:
                yield Item(directory, directory, problem)
            for entry in entries:
                path = entry.path
                wanted = rule is None or rule.match(path, start) is not None
                item, inside = self._entry(entry, path, device)
                if item is not None and (wanted or item.code):
                    yield item
                if inside and wanted and rule is not None:
                    # what the pattern names is taken with everything below it
                    yield from self._below(path, device, None)
                elif inside:
                    waiting.append(path)

    def _entry(
        self, entry: os.DirEntry[bytes], path: bytes, device: int
    ) -> tuple[Item | None, bool]:
        if self._tree.barred.reason(path) or self._barred.reason(path):
            return Item(path, path, errno.EPERM), False
        try:
            if entry.is_dir(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                other = status.st_dev != device
                return Item(path, path, errno.EXDEV if other else 0), not other
            if self._sized and entry.is_file(follow_symlinks=False):
                return _item(path, entry.stat(follow_symlinks=False)), False
            return Item(path, path, regular=entry.is_file(follow_symlinks=False)), False
        except OSError as error:
            return Item(path, path, error.errno or errno.EIO), False


def _list(directory: bytes) -> tuple[list[os.DirEntry[bytes]], int]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name), 0
    except OSError as error:
        return [], error.errno or errno.EIO


def _item(path: bytes, status: os.stat_result) -> Item:
    if not stat.S_ISREG(status.st_mode):
        return Item(path, path)
    size = status.st_size
    if 0 < status.st_blocks * _BLOCK < size:
        size = status.st_blocks * _BLOCK
    return Item(path, path, 0, size, status.st_mtime_ns, True)


def _split(pattern: bytes) -> tuple[bytes, bytes]:
    """Part a pattern before its first `**`; what follows is matched while walking."""
    parts = pattern.split(b"/")
    if b"**" not in parts:
        return pattern, b""
    at = parts.index(b"**")
    return b"/".join(parts[:at]) or b"/", b"/".join(parts[at:])


def _still(pattern: bytes) -> bytes:
    """Give the directory down to which a pattern holds no wildcard."""
    magic = _MAGIC.search(pattern)
    return pattern if magic is None else os.path.dirname(pattern[: magic.start()]) or b"/"


def level(sizes: array[int], limit: int) -> int:
    """Give the size at which files are cut so that their sum is the limit; -1 for not at all."""
    if sum(sizes) <= limit:
        return NO_LIMIT
    left, count = limit, len(sizes)
    for size in sorted(sizes):
        if size * count > left:
            return left // count
        left, count = left - size, count - 1
    return NO_LIMIT


class Plan:
    """The objects of one pattern, kept in a file.

    The file holds the entries in the order of the walk and, where there is a limit, behind them
    the order in which they are taken, each with its share. In memory there are three numbers for
    each file while the plan is made, and nothing afterwards.

    Args:
        spool: descriptor of an unnamed file, shared with who goes on after a kill.
    """

    def __init__(self, spool: int) -> None:
        self._spool = spool

    def write(self, items: Iterator[Item], limit: int) -> int:
        """Write the plan; give the number of objects.

        Args:
            items: what `Walk.objects` gives; sized when there is a limit.
            limit: bytes in total, 0 for no limit.
        """
        os.ftruncate(self._spool, 0)
        files, others = _Columns(), array("q")
        with os.fdopen(os.dup(self._spool), "r+b") as out:
            out.seek(_START.size)
            at, count = _START.size, 0
            for item in items:
                count += 1
                if limit and item.regular:
                    files.add(at, item)
                elif limit:
                    others.append(at)
                at += out.write(_entry(item))
            if limit:
                out.writelines(_ORDER.pack(*row) for row in files.order(others, limit))
            out.seek(0)
            out.write(_START.pack(at if limit else 0))
        return count

    def read(self, position: int) -> Iterator[tuple[int, Item, int]]:
        """Give (position behind it, object, share), from a position on; 0 is the beginning."""
        with os.fdopen(os.dup(self._spool), "rb") as spool:
            spool.seek(0)
            start = spool.read(_START.size)
            order = _START.unpack(start)[0] if start else 0
            if order:
                yield from self._ordered(position or order)
                return
            at = position or _START.size
            spool.seek(at)
            while head := spool.read(_ENTRY.size):
                rest = spool.read(_rest(head))
                at += len(head) + len(rest)
                yield at, _read(head, rest), NO_LIMIT

    def _ordered(self, at: int) -> Iterator[tuple[int, Item, int]]:
        while rows := os.pread(self._spool, _ORDER.size * 256, at):
            for offset, share in _ORDER.iter_unpack(rows):
                head = os.pread(self._spool, _ENTRY.size, offset)
                rest = os.pread(self._spool, _rest(head), offset + _ENTRY.size)
                at += _ORDER.size
                yield at, _read(head, rest), share


class _Columns:
    """Where the entries of regular files are, how large and how old they are."""

    def __init__(self) -> None:
        self._at, self._sizes, self._times = array("q"), array("q"), array("q")

    def add(self, at: int, item: Item) -> None:
        self._at.append(at)
        self._sizes.append(item.size)
        self._times.append(item.mtime)

    def order(self, others: array[int], limit: int) -> Iterator[tuple[int, int]]:
        """Give (offset, share) of what is no file, and then of the files, newest first."""
        cut = level(self._sizes, limit)
        spare = limit - sum(min(size, cut) for size in self._sizes) if cut >= 0 else 0
        for at in others:
            yield at, cut
        for index in sorted(range(len(self._at)), key=self._times.__getitem__, reverse=True):
            more = 1 if 0 <= cut < self._sizes[index] and spare else 0
            spare -= more
            # a file that announces nothing may still hold something: its share is the level
            yield self._at[index], cut + more


def _entry(item: Item) -> bytes:
    where = b"" if item.real == item.path else item.real
    flags = len(where) | (0x8000 if item.regular else 0)
    return _ENTRY.pack(len(item.path), flags, item.code) + item.path + where


def _rest(head: bytes) -> int:
    path, flags, _ = _ENTRY.unpack(head)
    return int(path + (flags & 0x7FFF))


def _read(head: bytes, rest: bytes) -> Item:
    path, flags, code = _ENTRY.unpack(head)
    return Item(rest[:path], rest[path:] or rest, code, regular=bool(flags & 0x8000))
