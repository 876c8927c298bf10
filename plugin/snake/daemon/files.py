"""The daemon's address file, and the directories by which clients prove who they are."""

from __future__ import annotations

import os
import pwd
import secrets
import socket
import stat
import tempfile
from pathlib import Path

from plugin.snake.cedar.negotiation import PLATFORM, VERSION


def sinful(host: str, port: int) -> str:
    """Give an address as HTCondor writes it: `<127.0.0.1:9618?addrs=127.0.0.1-9618>`."""
    shown = f"[{host}]" if ":" in host else host
    plain = host.replace(":", "-") if ":" in host else host
    bracketed = f"[{plain}]" if ":" in host else plain
    return f"<{shown}:{port}?addrs={bracketed}-{port}>"


def host_and_port(text: str, default_port: int = 9618) -> tuple[str, int]:
    """Read `<host:port?…>`, `host:port` or `host`.

    Raises:
        ValueError: the port is no number.
    """
    inside = text.strip().strip("<>").partition("?")[0]
    host, colon, port = inside.rpartition(":")
    if not colon or inside.endswith("]"):
        return inside.strip("[]"), default_port
    return host.strip("[]"), int(port)


def write_address(file: Path, address: str) -> None:
    """Write the address file at once and whole: address, version, platform.

    Raises:
        OSError: it cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    new.write_text(f"{address}\n{VERSION}\n{PLATFORM}\n", encoding="utf-8")
    new.replace(file)


class FileWitness:
    """Sees who made a directory.

    Args:
        address: host and port that the client called; it insists on finding them in the name, so
            that no other server can borrow its proof.
        directory: where clients are told to make one; anyone must be able to, and nobody may
            remove another's (sticky), as in /tmp.
    """

    def __init__(self, address: tuple[str, int], directory: Path | None = None) -> None:
        self._prefix = f"FS_{address[0].replace(':', '-')}_{address[1]}_"
        self._directory = directory or Path(tempfile.gettempdir())
        self._domain = socket.gethostname()

    def path(self) -> str:
        """Give a path that does not exist and nobody can guess."""
        return str(self._directory / f"{self._prefix}{secrets.token_hex(16)}")

    def owner(self, path: str) -> str | None:
        """Give `user@host` of whoever made the directory; None if it is none of one's own."""
        try:
            status = os.lstat(path)
        except OSError:
            return None
        private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o077 == 0
        if not private:
            return None
        try:
            return f"{pwd.getpwuid(status.st_uid).pw_name}@{self._domain}"
        except KeyError:
            return None
