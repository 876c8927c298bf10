"""The commands `injectfile` and `file_inject`: a file from dom0 into this machine.

`injectfile` takes base64 of "path,content", `file_inject` a dict with both in base64. XenStore
carries about 2.9 KB so; more comes in pieces: with 'offset' in the dict a piece is put there, and
the one with offset 0 begins anew.
"""

from __future__ import annotations

import base64
import binascii
import errno
import os
from typing import Any

from plugin.guest.command.registry import CommandBase, command_add

MOST_BYTES = 64 * 1024 * 1024
"""What a file may grow to by pieces."""


class FileCommands(CommandBase):
    """Writes files below the machine's root."""

    @command_add("injectfile")
    def injectfile(self, value: Any) -> tuple[int, str]:
        """Write a file: base64 of the path, a comma, the content."""
        try:
            data = _decoded(value)
        except ValueError:
            return 500, "Error doing base64 decoding of data"
        path, comma, content = data.partition(b",")
        if not comma:
            return 500, "the decoded value has no comma between path and content"
        return self._write(path, content)

    @command_add("file_inject")
    def file_inject(self, value: Any) -> tuple[int, str]:
        """Write a file: {'b64_path', 'b64_file'}, and 'offset' for a piece of one."""
        if not isinstance(value, dict) or not {"b64_path", "b64_file"} <= set(value):
            return 500, "the value needs the keys 'b64_path' and 'b64_file'"
        path, piece = _decoded(value["b64_path"]), _decoded(value["b64_file"])
        offset = value.get("offset", 0)
        if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
            return 500, "'offset' is a number of bytes"
        if not offset:
            return self._write(path, piece)
        return self._append(path, piece, offset)

    def _append(self, path: bytes, piece: bytes, offset: int) -> tuple[int, str]:
        machine, name = self.surroundings.machine, _text(path)
        size = machine.size(name)
        if size != offset:
            return 500, f"the file has {size} bytes: the next piece goes there"
        if offset + len(piece) > MOST_BYTES:
            return 500, f"a file may have {MOST_BYTES} bytes"
        try:
            machine.append(name, piece)
        except OSError as error:
            return 500, f"[Errno {error.errno}] {error.strerror}: '{name}'"
        return 0, ""

    def _write(self, raw: bytes, content: bytes) -> tuple[int, str]:
        path = _text(raw)
        if not path.startswith("/") or path.endswith("/"):
            number = errno.EISDIR if path.startswith("/") else errno.ENOENT
            return 500, f"[Errno {number}] {os.strerror(number)}: ''"
        machine = self.surroundings.machine
        try:
            machine.make_folder(path.rpartition("/")[0])
            backup = f".bak.{int(self.surroundings.now())}"
            machine.write(path, content, backup=backup)
        except OSError as error:
            return 500, f"[Errno {error.errno}] {error.strerror}: '{path}'"
        return 0, ""


def _decoded(value: Any) -> bytes:
    try:
        return base64.b64decode(value)
    except (binascii.Error, ValueError, TypeError):
        raise ValueError("Couldn't decode base64 data") from None


def _text(raw: bytes) -> str:
    if b"\0" in raw:
        raise ValueError("a path has no NUL")
    return raw.decode("utf-8", "surrogateescape")
