"""The requests that make copies: cp, globcp, and the files of exec2file."""

from __future__ import annotations

import errno
import os
import struct

from plugin.gatherer.files.copying import Copier, open_below, open_parent
from plugin.gatherer.files.paths import NOTHING_BARRED, Barred
from plugin.gatherer.files.plan import Plan
from plugin.gatherer.files.source import NO_LIMIT, Source, code_of, words_of
from plugin.gatherer.files.taking import failed, take
from plugin.gatherer.files.tree import locate
from plugin.gatherer.files.walk import Item, Walk
from plugin.gatherer.protocol.records import Found
from plugin.gatherer.worker.board import PARTIAL, Reach, framed, number, unpack

_COPIED = "fld"


def result(found: Found, written: int, *, named: bool = False) -> bytes:
    """Give what `cp` answers about an object, and `globcp` about each with its path."""
    head = b"%d\n%b\n%d\n%d\n" % (found.code, found.kind.encode(), written, found.left_out)
    text = b"" if found.kind == "f" and not found.code else found.text
    return head + (framed(found.path) if named else b"") + framed(text)


class Copies:
    """Carries out the requests that copy."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        named = b"gatherer-%d" % os.getpid()
        self._copier = Copier(lambda path: reach.board.note(PARTIAL, path), named)
        self._copied: dict[bytes, int] | None = None

    def cp(self, params: list[bytes]) -> None:
        """`cp`: one object."""
        path, destination, most = params
        try:
            share = number(most) or NO_LIMIT
            source = self._take(path, share)
            directory, name = open_parent(destination)
            shown = os.path.dirname(os.path.abspath(destination))
            found, written = self._copy(source, directory, name, shown)
        except OSError as error:
            found, written = failed(path, error).found, 0
        self._reach.say(result(found, written))

    def globcp(self, params: list[bytes]) -> None:
        """`globcp`: all that a pattern brings."""
        pattern, destination, most, _, *excluded = params
        try:
            barred, limit = Barred(excluded=excluded), number(most)
            if not os.path.isdir(destination):
                raise OSError(errno.ENOENT, "the destination directory does not exist")
            plan = Plan(self._reach.memory.plan)
            count = self._planned(plan, os.path.abspath(pattern), limit, barred)
        except OSError as error:
            found = failed(pattern, error).found
            self._reach.say(b"1\n" + result(found, 0, named=True) + b"0\n")
            return
        self._reach.say(b"%d\n" % count)
        total = 0
        for _, item, share in plan.read(0):
            found, written = self._copy_item(item, share, barred, destination)
            total += written
            self._reach.say(result(found, written, named=True))
        self._reach.say(b"%d\n" % total)

    def store(self, params: list[bytes]) -> None:
        """Write what a command said into a file; the worker passed the descriptor."""
        path, size = params[0], int(params[1])
        descriptor, code = int(params[2]), 0
        try:
            found = Found(0, "f", 0o600, -1, -1, 0, size, 0, size, path, b"")
            source = Source(found, descriptor, ((0, size),) if size else ())
            directory, name = open_parent(path)
            self._copier.copy(source, directory, name, os.path.dirname(os.path.abspath(path)))
        except OSError as error:
            code = code_of(error)
        self._reach.say(b"%d" % code)

    def _planned(self, plan: Plan, pattern: bytes, limit: int, barred: Barred) -> int:
        reach = self._reach
        stuck = frozenset(reach.memory.stuck)
        walk = Walk(reach.tree, barred, reach.touching, stuck, sized=limit > 0)
        return plan.write(walk.objects(pattern), limit)

    def _take(self, path: bytes, share: int) -> Source:
        self._reach.touching(path)
        try:
            real = locate(path).real
        except OSError as error:
            return failed(path, error)
        return take(self._reach.tree, os.path.abspath(path), real, share, NOTHING_BARRED)

    def _copy(self, source: Source, directory: int, name: bytes, shown: bytes) -> tuple[Found, int]:
        found = source.found
        if found.code or found.kind not in _COPIED:
            source.close()
            os.close(directory)
            return found, 0
        try:
            return found, self._copier.copy(source, directory, name, shown)
        except OSError as error:
            return found._replace(code=code_of(error), text=words_of(error)), 0

    def _copy_item(
        self, item: Item, share: int, barred: Barred, destination: bytes
    ) -> tuple[Found, int]:
        source = item_source(self._reach, item, share, barred)
        found = source.found
        if found.kind == "f" and not found.code and found.total <= self._already(item.path):
            source.close()
            return found._replace(code=errno.EEXIST, text=b"copied before", left_out=0), 0
        try:
            directory, name = open_below(destination, item.path)
        except OSError as error:
            source.close()
            return found._replace(code=code_of(error), text=words_of(error)), 0
        shown = os.path.dirname(os.path.abspath(destination).rstrip(b"/") + item.path)
        found, written = self._copy(source, directory, name, shown)
        if not found.code and found.kind == "f":
            self._remember(item.path, written)
        return found, written

    def _already(self, path: bytes) -> int:
        ledger = self._reach.memory.ledger
        if self._copied is None:
            self._copied = {}
            for line in unpack(os.pread(ledger, os.fstat(ledger).st_size, 0)):
                count, _, name = line.partition(b" ")
                self._copied[name] = int(count)
        return self._copied.get(path, -1)

    def _remember(self, path: bytes, written: int) -> None:
        assert self._copied is not None
        self._copied[path] = written
        ledger, line = self._reach.memory.ledger, b"%d %b" % (written, path)
        os.pwrite(ledger, struct.pack("<I", len(line)) + line, os.fstat(ledger).st_size)


def item_source(reach: Reach, item: Item, share: int, barred: Barred) -> Source:
    """Open what the plan says is next, or say why it is passed over."""
    if item.real in reach.memory.stuck and not item.code:
        item = item._replace(code=errno.EINTR)
    if item.code and item.code != errno.EXDEV:
        return failed(item.path, OSError(item.code, _WHY.get(item.code, os.strerror(item.code))))
    reach.touching(item.real)
    regular = item.regular
    source = take(
        reach.tree, item.path, item.real, share, barred, regular=regular, whole_or_none=True
    )
    if item.code and not source.found.code:
        text = b"another file system is mounted here, and was not named"
        source.found = source.found._replace(text=text, code=errno.EXDEV)
    return source


_WHY = {
    errno.EPERM: "excluded or blocked",
    errno.EINTR: "it hung, was interrupted, and is passed over",
}
