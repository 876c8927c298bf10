"""What a pattern names: every object, without following links or leaving the file system.

A path through links is brought as the links and, at its real place, the object, so that nothing is
reached under a name that an excluded pattern does not know. It opens nothing but directories.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from plugin.gatherer.files.paths import Barred, translate
from plugin.gatherer.files.tree import Barrier, Tree, locate

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
