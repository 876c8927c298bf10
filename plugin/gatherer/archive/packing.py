"""From a host's reports to members of the archive, and to the host's manifest.

How it works. A tar holds one member after the other, and its header tells the size before the
content. So a host that is in the middle of a large object holds the archive's lock; when its next
piece does not come in time the object is filled with zeros, told as incomplete, and the lock let
go. When contents are cleaned they change their length: then each is kept in a `Spool` until it is
whole, and nobody waits for it.

Where an object lies, and whether it may, is `archive.placing`'s to say. What cannot be true ends
the gathering of the host (`Untrue`), and nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any, Final

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IDelayedCall

from plugin.gatherer.archive.archive import Archive
from plugin.gatherer.archive.manifest import Entry, HostManifest
from plugin.gatherer.archive.placing import STORED, Placing
from plugin.gatherer.archive.tarring import Member
from plugin.gatherer.cleaning.cleaning import Cleaner, CleanStream, looks_binary
from plugin.gatherer.protocol.records import Found, Missing, More, Record, decode
from plugin.gatherer.protocol.reports import Began, Finished, Outcome, Report

STALL: Final = 15.0
"""Seconds that a host may keep the archive waiting in the middle of an object."""

_IN_MEMORY: Final = 1 << 20
_ZEROS: Final = bytes(1 << 18)
_NOT_READ: Final = {"p": "a fifo", "s": "a socket", "b": "a block device", "c": "a device"}


class Packer:
    """Packs what one host sends.

    Args:
        archive: shared by all hosts.
        lock: held while a member is open in it.
        clock: has `callLater` and `seconds`.
        manifest: filled in.
        placing: the host's part of the archive.
        cleaner: cleans contents and names; None to leave them as they are.
    """

    def __init__(
        self,
        archive: Archive,
        lock: DeferredLock,
        clock: Any,
        manifest: HostManifest,
        placing: Placing,
        cleaner: Cleaner | None = None,
    ) -> None:
        self._archive = archive
        self._lock = lock
        self._clock = clock
        self.manifest = manifest
        self.placing = placing
        self._cleaner = cleaner
        self._holding = False
        self._timer: IDelayedCall | None = None
        self._entry: Entry | None = None
        self._found: Found | None = None
        self._member: Member | None = None
        self._left = 0
        self._dropping = False
        self._stream: CleanStream | None = None
        self._spool: IO[bytes] | None = None
        self.current = ""
        self.content = 0

    async def take(self, report: Report) -> None:
        """Take a report."""
        if isinstance(report, Began):
            self._entry, self.current = self.manifest.entries[report.index], report.label
        elif isinstance(report, Finished):
            await self._finished(report)
        else:
            await self._records(report.body)

    async def end(self) -> None:
        """Close what is open: the host says nothing more."""
        await self._acquire()
        self._cut_short("the host said nothing more")
        self._release()

    # --- the lock --------------------------------------------------------------------------

    async def _acquire(self) -> None:
        self._stop_timer()
        if not self._holding:
            await self._lock.acquire()
            self._holding = True

    def _release(self) -> None:
        """Let others write, or, in the middle of an object, wait for its next piece for a while."""
        if self._member is not None:
            self._timer = self._clock.callLater(STALL, self._stalled)
        elif self._holding:
            self._holding = False
            self._lock.release()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _stalled(self) -> None:
        self._timer = None
        self._cut_short(f"no further piece came for {STALL:g} s")
        self._dropping = True
        self._release()

    # --- records ---------------------------------------------------------------------------

    async def _records(self, body: bytes) -> None:
        await self._acquire()
        try:
            for record in self._decoded(body):
                self._record(record)
        finally:
            self._release()
        await self._archive.room()

    @staticmethod
    def _decoded(body: bytes) -> Iterator[Record]:
        try:
            yield from decode(body)
        except ValueError as error:
            raise Untrue(f"it sent what is no record: {error}") from error

    def _record(self, record: Record) -> None:
        if isinstance(record, Found):
            self._cut_short("the rest was not sent: it was interrupted")
            self._begin(record)
        elif isinstance(record, More):
            self._piece(record.piece)
        elif isinstance(record, Missing) and self._entry is not None and self._found is not None:
            self._entry.incomplete += 1
            words = (
                f"the last {record.zeros} bytes are zeros: {record.text.decode('utf-8', 'replace')}"
            )
            self._problem(self._found.path, record.code, words)
            self._note_incomplete(self._found, words)

    def _begin(self, found: Found) -> None:
        self._check(found)
        self._found, self._dropping = found, False
        if not self._wanted(found):
            self._dropping = True
            return
        self.placing.keep(self.placing.name(found.path), found.kind, found.left_out, found.total)
        if found.left_out:
            self._problem(found.path, 0, f"the first {found.left_out} bytes were left out")
        if self._entry is not None:
            self._entry.objects += 1
            self._left_out(found.left_out)
        self._left = found.total
        if found.kind == "f" and self._cleaner is not None:
            self._stream, self._spool = CleanStream(self._cleaner), _spool()
        else:
            self._member = self.placing.member(found)
            self._archive.begin(self._member)
        self._piece(found.piece)

    def _check(self, found: Found) -> None:
        if self._entry is None:
            raise Untrue("it sent an object that belongs to no request")
        limit = self._entry.wanted.limit
        if limit and found.total > limit:
            raise Untrue(f"it announced {found.total} bytes where {limit} were asked for")
        if found.total and found.kind != "f":
            raise Untrue(f"it announced content of something of kind {found.kind}")

    def _wanted(self, found: Found) -> bool:
        words = found.text.decode("utf-8", "replace")
        if found.code and (found.kind != "d" or found.total):
            self._problem(found.path, found.code, words)
            self._left_out(found.left_out)
            return False
        if found.code:  # a directory that was not descended into
            self._problem(found.path, found.code, words)
        if found.kind in _NOT_READ:
            self._problem(found.path, 0, f"{_NOT_READ[found.kind]} is not read")
        if found.kind not in "flhd":
            return False
        refused = self.placing.refuses(found)
        if refused and refused is not STORED:
            self._problem(found.path, 0, refused)
        return not refused and not self._left_out_whole(found)

    def _left_out_whole(self, found: Found) -> bool:
        if self._cleaner is None or not looks_binary(bytes(found.piece[:8192])):
            return False
        self._problem(found.path, 0, "binary, and so left out by cleaning")
        self._left_out(found.total)
        return True

    def _left_out(self, count: int) -> None:
        if self._entry is not None:
            self._entry.left_out += max(0, count)

    def _problem(self, path: bytes, code: int, words: str) -> None:
        if self._entry is not None:
            self._entry.problem(path.decode("utf-8", "backslashreplace"), code, words)

    def _piece(self, piece: bytes | memoryview) -> None:
        if self._dropping or self._found is None:
            return
        piece = piece[: self._left]
        self._left -= len(piece)
        if self._stream is not None and self._spool is not None:
            self._spool.write(self._stream.feed(bytes(piece)))
        elif self._member is not None and len(piece):
            self._archive.data(piece)
        self._count(len(piece))
        if not self._left:
            self._end_object()

    def _count(self, count: int) -> None:
        self.content += count
        if self._entry is not None:
            self._entry.content += count

    def _end_object(self) -> None:
        if self._stream is not None and self._spool is not None and self._found is not None:
            self._spool.write(self._stream.finish())
            self._pass_on(self.placing.member(self._found, self._spool.tell()), self._spool)
            self._stream = self._spool = None
        elif self._member is not None:
            self._archive.end(self._member)
        self._member = None
        self._dropping = True

    def _pass_on(self, member: Member, content: IO[bytes]) -> None:
        self._archive.begin(member)
        self._archive.moved(content)
        self._archive.end(member)

    # --- what is missing -------------------------------------------------------------------

    def _cut_short(self, why: str) -> None:
        """Fill an object whose rest does not come, and tell it."""
        if self._found is None or self._dropping or not self._left:
            return
        found, missing = self._found, self._left
        came = found.total - missing
        words = f"only the first {came} of {found.total} bytes came: {why}"
        if self._entry is not None:
            self._entry.incomplete += 1
        self._problem(found.path, 0, words)
        if self._member is not None:
            words += "; zeros stand for the rest"
            while self._left:
                zeros = _ZEROS[: self._left]
                self._archive.data(zeros)
                self._left -= len(zeros)
        self._left = 0
        self._end_object()
        self._note_incomplete(found, words)

    def _note_incomplete(self, found: Found, words: str) -> None:
        text = words.encode() + b"\n"
        name = self.placing.name(found.path) + b".INCOMPLETE"
        self._archive.whole(Member(name, "f", 0o644, size=len(text), mtime=found.mtime), text)

    async def _finished(self, report: Finished) -> None:
        await self._acquire()
        self._cut_short(report.why or "the request ended")
        self._release()
        entry = self.manifest.entries[report.index]
        entry.outcome, entry.code = report.outcome, report.code
        entry.why, entry.seconds = report.why, report.seconds
        if report.outcome in (Outcome.FAILED, Outcome.LOST) and entry.objects:
            entry.outcome = Outcome.PARTLY if report.outcome is Outcome.FAILED else Outcome.LOST
        self._entry, self._found, self.current = None, None, ""


def _spool() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(_IN_MEMORY)


class Untrue(Exception):
    """What a host says cannot be; nothing more is taken from it."""
