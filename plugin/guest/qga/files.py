"""guest-file-*: open files by handles, which count on over connections and restarts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from plugin.guest.machine import Machine
from plugin.guest.qga import base64s
from plugin.guest.qga.schema import CallFailed, call

FIRST_HANDLE = 1000
MOST_READ = 48 * 1024 * 1024
MOST_OPEN = 1000
_R, _W, _A = os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_CREAT | os.O_APPEND
_MODES = {
    **dict.fromkeys(("r", "rb"), _R),
    **dict.fromkeys(("w", "wb"), _W),
    **dict.fromkeys(("a", "ab"), _A | os.O_WRONLY),
    **dict.fromkeys(("r+", "rb+", "r+b"), os.O_RDWR),
    **dict.fromkeys(("w+", "wb+", "w+b"), os.O_RDWR | os.O_CREAT | os.O_TRUNC),
    **dict.fromkeys(("a+", "ab+", "a+b"), _A | os.O_RDWR),
}


class FileCalls:
    """Files below the machine's root. In a dry run none is opened for writing."""

    def __init__(self, machine: Machine, state: Path | None = None) -> None:
        """Take a machine.

        Args:
            machine: whose files.
            state: where the next handle is kept over restarts; None for nowhere.
        """
        self._machine = machine
        self._state = state
        self._next = _stored_handle(state)
        self._open: dict[int, int] = {}

    @call("guest-file-open", path="str", mode="str?")
    def open(self, path: str, mode: str = "r") -> int:
        """Open a file; an fopen mode."""
        if mode not in _MODES:
            raise CallFailed(f"invalid file open mode '{mode}'")
        if len(self._open) >= MOST_OPEN:
            raise CallFailed(f"{MOST_OPEN} files are open: close some")
        flags = _MODES[mode] | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            if self._machine.dry_run and flags & (os.O_WRONLY | os.O_RDWR):
                raise PermissionError(1, "dry run")
            place = self._machine.resolve(path) if path else ""
            number = os.open(place, flags, 0o644)
        except (OSError, ValueError) as error:
            raise CallFailed(
                f"failed to open file '{path}' (mode: '{mode}'): {_words(error)}"
            ) from None
        handle, self._next = self._next, self._next + 1
        try:
            self._store()
        except OSError:
            os.close(number)
            raise CallFailed("failed to write persistent state to disk") from None
        self._open[handle] = number
        return handle

    @call("guest-file-close", handle="int")
    def close(self, handle: int) -> None:
        """Close a file."""
        os.close(self._file(handle))
        del self._open[handle]

    @call("guest-file-read", handle="int", count="int?")
    def read(self, handle: int, count: int = 4096) -> dict[str, Any]:
        """Read up to `count` bytes; 'eof' where fewer were there."""
        number = self._file(handle)
        if not 0 <= count <= MOST_READ:
            raise CallFailed(f"value '{count}' is invalid for argument count")
        try:
            data = _read(number, count)
        except OSError as error:
            raise CallFailed(f"failed to read file: {_words(error)}") from None
        return {"count": len(data), "buf-b64": base64s.encode(data), "eof": len(data) < count}

    @call("guest-file-write", handle="int", buf_b64="str", count="int?")
    def write(self, handle: int, buf_b64: str, count: int | None = None) -> dict[str, Any]:
        """Write bytes, the first `count` of them."""
        number = self._file(handle)
        data = base64s.decode(buf_b64)
        if count is not None and not 0 <= count <= len(data):
            raise CallFailed(f"value '{count}' is invalid for argument count")
        data = data[:count]
        written = 0
        try:
            while written < len(data):
                written += os.write(number, data[written:])
        except OSError as error:
            raise CallFailed(f"failed to write to file: {_words(error)}") from None
        return {"count": written, "eof": False}

    @call("guest-file-seek", handle="int", offset="int", whence="whence")
    def seek(self, handle: int, offset: int, whence: int) -> dict[str, Any]:
        """Go to another place in a file."""
        number = self._file(handle)
        if whence not in (0, 1, 2):
            raise CallFailed(f"invalid whence code {whence}")
        try:
            return {"position": os.lseek(number, offset, whence), "eof": False}
        except OSError as error:
            raise CallFailed(f"failed to seek file: {_words(error)}") from None

    @call("guest-file-flush", handle="int")
    def flush(self, handle: int) -> None:
        """Do nothing to an open file: what was written is out already."""
        self._file(handle)

    def close_all(self) -> None:
        """Close what is open, when the agent stops."""
        for number in self._open.values():
            os.close(number)
        self._open.clear()

    def _file(self, handle: int) -> int:
        if handle not in self._open:
            raise CallFailed(f"handle '{handle}' has not been found")
        return self._open[handle]

    def _store(self) -> None:
        if self._state is not None:
            beside = self._state.with_name(self._state.name + ".new")
            beside.write_text(f"[global]\nfd_counter={self._next}\n", "ascii")
            beside.replace(self._state)


def _read(number: int, count: int) -> bytes:
    pieces: list[bytes] = []
    while count:
        try:
            piece = os.read(number, min(count, 1 << 20))
        except BlockingIOError:
            break
        if not piece:
            break
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _stored_handle(state: Path | None) -> int:
    text = state.read_text("ascii") if state is not None and state.exists() else ""
    found = text.partition("fd_counter=")[2].split()
    return max(FIRST_HANDLE, int(found[0])) if found and found[0].isdigit() else FIRST_HANDLE


def _words(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "No such file or directory"
