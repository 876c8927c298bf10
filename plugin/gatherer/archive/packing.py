"""From a host's reports to members of the archive, and to the host's manifest.

How it works. A tar holds one member after the other, and its header tells the size before the
content. So a host that is in the middle of a large object holds the archive's lock; when its next
piece does not come in time the object is filled with zeros, told as incomplete, and the lock let
go. When contents are cleaned they change their length: then each is kept in a `Spool` until it is
whole, and nobody waits for it.

Nothing that a host says is trusted: names lose `..` and leading slashes, links are turned so that
they stay within the host's own files, an object is stored once.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IDelayedCall

from plugin.gatherer.archive.archive import Archive
from plugin.gatherer.archive.digests import Digests
from plugin.gatherer.archive.manifest import Entry, HostManifest
from plugin.gatherer.archive.naming import inner_link, safe_parts
from plugin.gatherer.archive.tarring import Member
from plugin.gatherer.cleaning.cleaning import Cleaner, CleanStream, looks_binary
from plugin.gatherer.driver.gathering import Began, Finished, Outcome, Report
from plugin.gatherer.protocol.records import Found, Missing, More, Record, decode
from plugin.gatherer.worker.spool import Spool

STALL: Final = 15.0
"""Seconds that a host may keep the archive waiting in the middle of an object."""

_NO_HOLES: Final[tuple[tuple[int, int], ...]] = ()
_ZEROS: Final = bytes(1 << 18)
_NOT_READ: Final = {"p": "a fifo", "s": "a socket", "b": "a block device", "c": "a device"}


class Packer:
    """Packs what one host sends.

    Args:
        archive: shared by all hosts.
        lock: held while a member is open in it.
        clock: has `callLater` and `seconds`.
        manifest: filled in.
        prefix: the host's directory in the archive.
        cleaner: cleans contents and names; None to leave them as they are.
    """

    def __init__(
        self,
        archive: Archive,
        lock: DeferredLock,
        clock: Any,
        manifest: HostManifest,
        prefix: bytes,
        cleaner: Cleaner | None = None,
    ) -> None:
        self._archive = archive
        self._lock = lock
        self._clock = clock
        self.manifest = manifest
        self.prefix = prefix
        self._cleaner = cleaner
        self._holding = False
        self._timer: IDelayedCall | None = None
        self._entry: Entry | None = None
        self._found: Found | None = None
        self._member: Member | None = None
        self._left = 0
        self._dropping = False
        self._stream: CleanStream | None = None
        self._spool: Spool | None = None
        self._whole = Digests()
        self._cut: dict[bytes, int] = {}
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

    def has(self, names: set[bytes]) -> None:
        """Take note of members that are in the archive already."""
        for name in names:
            self._whole.add(name)

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
            for record in decode(body):
                self._record(record)
        finally:
            self._release()
        await self._archive.room()

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
        self._found, self._dropping = found, False
        if not self._wanted(found):
            self._dropping = True
            return
        entry = self._entry
        if entry is not None:
            entry.objects += 1
            entry.left_out += max(0, found.left_out)
        member = self._member_of(found)
        self._left = found.total
        if found.kind == "f" and self._cleaner is not None:
            self._begin_cleaning(found, member)
        else:
            self._archive.begin(member)
            self._member = member
        self._piece(found.piece)

    def _wanted(self, found: Found) -> bool:
        if found.code and not (found.kind == "d" and not found.total):
            self._problem(found.path, found.code, found.text.decode("utf-8", "replace"))
            if self._entry is not None:
                self._entry.left_out += max(0, found.left_out)
            return False
        if found.code:  # a directory that was not descended into
            self._problem(found.path, found.code, found.text.decode("utf-8", "replace"))
        if found.kind in _NOT_READ:
            self._problem(found.path, 0, f"{_NOT_READ[found.kind]} is not read")
        if found.kind not in "flhd" or not safe_parts(found.path):
            return False
        if self._stored(found):
            return False
        if found.left_out:
            self._problem(found.path, 0, f"the first {found.left_out} bytes were left out")
        return True

    def _stored(self, found: Found) -> bool:
        """Say whether this much of the object is in the archive already, and remember it."""
        key = self._name(found.path)
        if key in self._whole or (found.left_out and self._cut.get(key, -1) >= found.total):
            return True
        if found.left_out:
            self._cut[key] = found.total
        else:
            self._whole.add(key)
            self._cut.pop(key, None)
        return False

    def _problem(self, path: bytes, code: int, words: str) -> None:
        if self._entry is not None:
            self._entry.problem(
                self._clean_name(path).decode("utf-8", "backslashreplace"), code, words
            )

    def _clean_name(self, path: bytes) -> bytes:
        return path if self._cleaner is None else self._cleaner.name(path)

    def _name(self, path: bytes) -> bytes:
        below = [b"files"] if path.startswith(b"/") else []
        return b"/".join([self.prefix, *below, *safe_parts(self._clean_name(path))])

    def _member_of(self, found: Found, size: int | None = None) -> Member:
        link, stretches = b"", _NO_HOLES
        if found.kind == "l":
            link = inner_link(safe_parts(found.path), found.text)
            link = self._clean_name(link)
        elif found.kind == "h":
            link = self._name(found.text)
        elif found.kind == "f" and found.text and self._cleaner is None:
            stretches = _stretches(found.text, found.total)
        return Member(
            self._name(found.path),
            found.kind,
            found.mode,
            found.uid,
            found.gid,
            found.mtime,
            found.total if size is None else size,
            link,
            stretches,
            found.size,
        )

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
            member = self._member_of(self._found, self._spool.kept)
            self._archive.begin(member)
            for piece in self._spool.pieces():
                self._archive.data(piece)
            self._archive.end(member)
            self._spool.close()
            self._stream = self._spool = None
        elif self._member is not None:
            self._archive.end(self._member)
        self._member = None
        self._dropping = True

    def _begin_cleaning(self, found: Found, member: Member) -> None:
        assert self._cleaner is not None
        if looks_binary(bytes(found.piece[:8192])):
            self._problem(found.path, 0, "binary, and so left out by cleaning")
            if self._entry is not None:
                self._entry.left_out += found.total
            self._dropping = True
            return
        self._stream, self._spool = CleanStream(self._cleaner), Spool()

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
        name = self._name(found.path) + b".INCOMPLETE"
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


def _stretches(text: bytes, total: int) -> tuple[tuple[int, int], ...]:
    """Read the map of a file with holes; one that does not fit its content is no map."""
    numbers = text.split()
    if len(numbers) % 2 or not all(one.isdigit() for one in numbers):
        return ()
    pairs = tuple((int(numbers[at]), int(numbers[at + 1])) for at in range(0, len(numbers), 2))
    return pairs if sum(length for _, length in pairs) == total else ()
