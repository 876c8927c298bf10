"""The folder that a server keeps its state in, and what is in it (PROTOCOL section 10).

    lock          held for as long as the server runs; two servers cannot share a folder
    pid           its process id
    admin.token   the credential for the level admin, mode 0600, made at first start
    co2.sqlite    identity and roster
    journal.sqlite, taken.notes    messages, see `journal_file` and `taken_notes`

The folder is 0700: what is in it makes others believe that they talk to this host.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from co2.errors import SettingsError


class StateFolder:
    """A state folder that this process holds.

    Args:
        path: where it is; it is made if it is not there.

    Raises:
        SettingsError: it cannot be made or written to, or another server holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock: IO[str] = open(path / "lock", "a+")  # noqa: SIM115  # held until close
        except OSError as error:
            raise SettingsError(f"state_dir {path}: {error.strerror}") from error
        self._take_lock()
        try:
            (path / "pid").write_text(f"{os.getpid()}\n")
        except OSError as error:
            self._lock.close()
            raise SettingsError(f"state_dir {path}: {error.strerror}") from error

    @property
    def database(self) -> Path:
        """Where the SQLite file is."""
        return self.path / "co2.sqlite"

    def admin_token(self, draw: Callable[[], str]) -> str:
        """Give the admin token; the first time, draw one and keep it."""
        file = self.path / "admin.token"
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            token = file.read_text().strip()
            if token:
                return token
            descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC, 0o600)
        token = draw()
        with os.fdopen(descriptor, "w") as opened:
            opened.write(token + "\n")
        return token

    def close(self) -> None:
        """Let go of the folder."""
        (self.path / "pid").unlink(missing_ok=True)
        self._lock.close()

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise SettingsError(
                f"state_dir {self.path} is in use by another server (process "
                f"{_read_pid(self.path)}): stop that one, or choose another --state-dir"
            ) from None


def _read_pid(path: Path) -> str:
    try:
        return (path / "pid").read_text().strip() or "unknown"
    except OSError:
        return "unknown"
