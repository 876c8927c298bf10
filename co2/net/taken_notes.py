"""Notes of what plugins are done with, which the end of the process leaves as they are.

The commit that says so is shared by many messages, and comes a moment after the plugins. A note is
written at once and not synced: it outlives `kill -9`, so that what is run again afterwards is just
what a plugin was in the middle of. A power cut may take it, and then that is run once more which
the commit had not come to.

One line of JSON for each, `[random, id, answer]`; what was cut off is ignored. Bounded: when the
file has become long it is written anew, with what is not committed yet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from co2.errors import SettingsError

_LONG = 256 * 1024
"""Bytes; some thousand notes."""

Key = tuple[str, str]


class TakenNotes:
    """See the module.

    Args:
        path: the file; it is made if it is not there.

    Raises:
        SettingsError: the file cannot be opened.

    Attributes:
        left: key and answer of each note that an earlier process has left, until committed.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            raise SettingsError(f"{path}: {error.strerror}") from error
        self.left: dict[Key, dict[str, Any]] = dict(_read(path))
        self._standing = {key: _line(key, json.dumps(said)) for key, said in self.left.items()}
        self._size = os.fstat(self._file).st_size

    def note(self, key: Key, text: str) -> None:
        """Note what plugins said of a message: the answer, in JSON."""
        line = self._standing[key] = _line(key, text)
        if self._size > _LONG:
            line = b"".join(self._standing.values())
            os.ftruncate(self._file, 0)
            self._size = 0
        # A disk that is full takes no note; that is told by who commits.
        with suppress(OSError):
            self._size += os.write(self._file, line)

    def committed(self, key: Key) -> None:
        """Let go of a note: it is committed elsewhere."""
        self._standing.pop(key, None)

    def committed_left(self) -> None:
        """Let go of all that an earlier process has left."""
        for key in self.left:
            self.committed(key)
        self.left.clear()

    def close(self) -> None:
        """Let go of the file; nothing is noted any more."""
        os.close(self._file)


def _line(key: Key, text: str) -> bytes:
    random, id = map(json.dumps, key)
    # What was cut off ends where the next line begins.
    return f"\n[{random}, {id}, {text}]".encode()


def _read(path: Path) -> Iterator[tuple[Key, dict[str, Any]]]:
    for line in path.read_bytes().splitlines():
        try:
            random, id, answer = json.loads(line)
        except (ValueError, TypeError):
            continue
        if isinstance(answer, dict):
            yield (str(random), str(id)), answer
