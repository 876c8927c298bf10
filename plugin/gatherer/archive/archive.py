"""The archive on its way to the disk: members in, compressed bytes out, in a thread of its own.

How it works. `Archive` is told members and pieces in order, from the reactor's thread; a writer
thread compresses and writes them (the compressors let go of the interpreter meanwhile). What
waits in between is counted, and `room` lets the tellers wait while it is too much. The file is
written beside its name and gets it when it is whole.
"""

from __future__ import annotations

import os
import queue
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, Protocol

from twisted.internet.defer import Deferred

from plugin.gatherer.archive import tarring
from plugin.gatherer.archive.tarring import Member

_MOST_WAITING: Final = 16 << 20
_LEAST_PIECE: Final = 1 << 18
GZIP_LEVEL: Final = 6
ZSTD_LEVEL: Final = 3


class Compressor(Protocol):
    """What turns bytes into fewer bytes."""

    def compress(self, data: bytes | memoryview, /) -> bytes | memoryview:
        """Take bytes; give what is ready."""

    def flush(self) -> bytes:
        """End; give the rest."""


class ArchiveError(Exception):
    """The archive cannot be made; the text says why."""


class _Plain:
    def compress(self, data: bytes | memoryview, /) -> bytes | memoryview:
        return data

    def flush(self) -> bytes:
        return b""


def compressor_for(name: str) -> Compressor:
    """Give the compressor that a file's name asks for.

    Raises:
        ArchiveError: it asks for one that is not installed, or for none that is known.
    """
    if name.endswith((".tar.gz", ".tgz")):
        return zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
    if name.endswith((".tar.zst", ".tzst")):
        try:
            import zstandard
        except ImportError as error:
            raise ArchiveError(
                "writing .zst needs the extra: pip install 'co2-satellite[gather]'"
            ) from error
        made: Compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
        return made
    if name.endswith(".tar"):
        return _Plain()
    raise ArchiveError(f"{name}: the name must end in .tar.gz, .tar.zst or .tar")


class Archive:
    """One archive being written.

    Args:
        path: where it will be.
        call_in_reactor: runs a function in the reactor's thread (`reactor.callFromThread`).
    """

    def __init__(self, path: Path, call_in_reactor: Callable[..., Any]) -> None:
        self.path = path
        self._compressor = compressor_for(path.name)
        self._beside = path.with_name(path.name + ".partial")
        self._call_in_reactor = call_in_reactor
        self._queue: queue.SimpleQueue[bytes | memoryview | IO[bytes] | None] = queue.SimpleQueue()
        self._gathered: list[bytes | memoryview] = []
        self._gathered_bytes = 0
        self._waiting = 0
        self._waiters: list[Deferred[None]] = []
        self._ended: Deferred[None] = Deferred()
        self._problem: Exception | None = None
        self.written = 0
        self.content = 0
        try:
            self._file: IO[bytes] = open(self._beside, "wb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise ArchiveError(f"cannot write {self._beside}: {error.strerror}") from error
        os.chmod(self._beside, 0o600)
        self._thread = threading.Thread(target=self._work, name="gatherer archive", daemon=True)
        self._thread.start()

    # --- in the reactor's thread -----------------------------------------------------------

    def begin(self, member: Member) -> None:
        """Begin a member; exactly `member.size` bytes must follow."""
        self._put(tarring.header(member))
        if member.stretches:
            self._put(tarring.sparse_map(member))

    def data(self, piece: bytes | memoryview) -> None:
        """Add to the content of the member."""
        self.content += len(piece)
        # a piece is a view of a body that stays as it is: no copy
        self._put(piece)

    def moved(self, file: IO[bytes]) -> None:
        """Add all that a file holds to the content of the member, and close the file."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size < _LEAST_PIECE:
            with file:
                self.data(file.read())
            return
        self.content += size
        self._send()
        self._waiting += size
        self._queue.put(file)  # the writer reads it: it may be larger than the memory

    def end(self, member: Member) -> None:
        """End the member."""
        rest = tarring.padding(member.size)
        if rest:
            self._put(rest)

    def whole(self, member: Member, content: bytes = b"") -> None:
        """Add a member at once."""
        self.begin(member)
        if content:
            self.data(content)
        self.end(member)

    def _put(self, data: bytes | memoryview) -> None:
        if len(data) >= _LEAST_PIECE:
            self._send()
            self._pass_on(data)  # as it is: joining would copy it
            return
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes >= _LEAST_PIECE:
            self._send()

    def _send(self) -> None:
        joined = b"".join(self._gathered)
        self._gathered, self._gathered_bytes = [], 0
        if joined:
            self._pass_on(joined)

    def _pass_on(self, data: bytes | memoryview) -> None:
        self._waiting += len(data)
        self._queue.put(data)

    async def room(self) -> None:
        """Wait until what waits to be written is not too much.

        Raises:
            ArchiveError: it can not be written; the text names the file and the reason.
        """
        while self._waiting > _MOST_WAITING and self._problem is None:
            waiter: Deferred[None] = Deferred()
            self._waiters.append(waiter)
            await waiter
        self._complain()

    def _complain(self) -> None:
        if self._problem is not None:
            words = getattr(self._problem, "strerror", None) or str(self._problem)
            raise ArchiveError(f"cannot write {self._beside}: {words}") from self._problem

    async def close(self) -> None:
        """End the archive and give it its name."""
        self._put(tarring.END)
        self._send()
        self._queue.put(None)
        await self._ended
        self._complain()
        os.replace(self._beside, self.path)

    async def abandon(self) -> None:
        """End without giving it a name; what was written stays beside."""
        self._queue.put(None)
        await self._ended

    def _done_with(self, count: int) -> None:
        self._waiting -= count
        if self._waiting <= _MOST_WAITING // 2 or self._problem is not None:
            waiters, self._waiters = self._waiters, []
            for one in waiters:
                one.callback(None)

    # --- in the writer's thread ------------------------------------------------------------

    def _work(self) -> None:
        while (taken := self._queue.get()) is not None:
            if isinstance(taken, bytes | memoryview):
                self._compress(taken)
                self._call_in_reactor(self._done_with, len(taken))
            else:
                self._call_in_reactor(self._done_with, self._read(taken))
        if self._problem is None:
            self._attempt(lambda _: self._compressor.flush(), b"")
        self._file.close()
        self._call_in_reactor(self._ended.callback, None)

    def _compress(self, data: bytes | memoryview) -> None:
        if self._problem is None:
            self._attempt(self._compressor.compress, data)

    def _read(self, file: IO[bytes]) -> int:
        """Write what a file holds; give its size, whatever becomes of it."""
        with file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            try:
                while self._problem is None and (piece := file.read(_LEAST_PIECE)):
                    self._compress(piece)
            except OSError as problem:
                self._problem = problem
            return size

    def _attempt(
        self, step: Callable[[bytes | memoryview], bytes | memoryview], data: bytes | memoryview
    ) -> None:
        try:
            rest = memoryview(step(data))
            while rest:
                count = self._file.write(rest)
                self.written += count
                rest = rest[count:]
        except Exception as problem:
            self._problem = problem
