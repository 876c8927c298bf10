"""The requests that send objects: plan, and pull after pull until nothing more comes.

How it works. `plan` writes down what a pattern brings; each `pull` fills the answer's area with
records (`protocol.records`), reading the content straight into its place. An object larger than
what is left of a pull goes on in the next one. The position in the plan goes back with every
answer, so that a new hand can go on behind the last answer that got through.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from plugin.gatherer.files.paths import Barred
from plugin.gatherer.files.plan import Plan
from plugin.gatherer.files.source import Source, code_of, words_of
from plugin.gatherer.files.walk import Item, Walk
from plugin.gatherer.protocol.records import PIECE, Missing, encode, head_of
from plugin.gatherer.worker.board import Reach, framed, number
from plugin.gatherer.worker.copies import item_source

HEAD = 32
"""Bytes at the beginning of the area that are kept for the head of a pull's answer."""

_LEAST = 16384


class Pulling:
    """Carries out `plan` and `pull`.

    Attributes:
        start: where in the area the answer of the last `pull` begins.
        position: offset in the plan behind the last object that was begun.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._plan = Plan(reach.memory.plan)
        self._items: Iterator[tuple[int, Item, int]] = iter(())
        self._barred = Barred(excluded=reach.memory.excluded)
        self._source: Source | None = None
        self._waiting: tuple[int, Item, int] | None = None
        self._seen: dict[tuple[int, int], bytes] = {}
        self.start = 0
        self.position = reach.memory.position
        self._items = self._plan.read(self.position)

    def plan(self, params: list[bytes]) -> None:
        """`plan`: walk the pattern; the answer is code, number of objects and a text."""
        code, count, text = 0, 0, b""
        self._forget()
        try:
            count = self._walk(*params)
        except OSError as error:
            code, text = code_of(error), words_of(error)
            os.ftruncate(self._reach.memory.plan, 0)
        self._items = self._plan.read(0)
        self._reach.say(b"%d\n%d\n" % (code, count) + framed(text))

    def _forget(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source, self._waiting, self.position = None, None, 0
        self._seen.clear()

    def _walk(self, pattern: bytes, limit: bytes, follow: bytes, _: bytes, *excluded: bytes) -> int:
        if not pattern.startswith(b"/"):
            raise OSError(errno.EINVAL, "the pattern does not begin with /")
        reach, most = self._reach, number(limit)
        self._barred = Barred(excluded=excluded)
        stuck = frozenset(reach.memory.stuck)
        walk = Walk(
            reach.tree, self._barred, reach.touching, stuck, sized=most > 0, follow=follow == b"1"
        )
        return self._plan.write(walk.objects(pattern), most)

    def pull(self, params: list[bytes]) -> None:
        """`pull`: whether more may come, and a body of records."""
        try:
            most = max(_LEAST, min(number(params[0]) or PIECE, PIECE))
        except OSError:
            most = PIECE
        end = self._fill(HEAD, HEAD + most)
        head = b"%d\n%d\n" % (end > HEAD, end - HEAD)
        self.start = HEAD - len(head)
        self._reach.board.area[self.start : HEAD] = head
        self._reach.board.area[end : end + 1] = b"\n"
        self._reach.used = end + 1 - self.start

    def _fill(self, at: int, stop: int) -> int:
        # 64 bytes are kept free for the heads of records
        while stop - at > 64:
            if self._source is not None:
                at = self._piece(self._source, b"+ ", at, stop)
                continue
            entry = self._waiting or next(self._items, None)
            self._waiting = None
            if entry is None:
                break
            source = item_source(self._reach, entry[1], entry[2], self._barred)
            source = self._linked(source)
            if at > HEAD and len(head_of(source.found, 0)) + min(source.left, 512) > stop - at:
                source.close()
                self._waiting = entry
                break
            self.position = entry[0]
            at = self._begin(source, at, stop)
        return at

    def _linked(self, source: Source) -> Source:
        first = self._seen.get(source.inode) if source.links > 1 else None
        if source.links > 1 and first is None and not source.found.left_out:
            self._seen[source.inode] = source.found.path
        if first is None or first == source.found.path:
            return source
        source.close()
        return Source(source.found._replace(kind="h", text=first, total=0))

    def _begin(self, source: Source, at: int, stop: int) -> int:
        found = source.found
        room = max(0, stop - at - len(head_of(found, 0)) - 64)
        piece = min(found.total, room)
        head = head_of(found, piece)
        self._reach.board.area[at : at + len(head)] = head
        return self._content(source, at + len(head), piece)

    def _piece(self, source: Source, word: bytes, at: int, stop: int) -> int:
        piece = min(source.left, stop - at - 32)
        head = word + b"%d\n" % piece
        self._reach.board.area[at : at + len(head)] = head
        return self._content(source, at + len(head), piece)

    def _content(self, source: Source, at: int, piece: int) -> int:
        area = self._reach.board.area
        end = at + piece
        while at < end:
            at += source.read_into(area[at:end])
        if source.left:
            self._source = source
            return at
        self._source = None
        source.close()
        return at + self._missing(source, at)

    def _missing(self, source: Source, at: int) -> int:
        if source.missing is None:
            return 0
        code, text = source.missing
        record = encode(Missing(code, source.unread, text[:200]))
        self._reach.board.area[at : at + len(record)] = record
        return len(record)
