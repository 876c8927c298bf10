"""The machine that the agent changes: every file below one root, every program through one door.

All that writes goes through here, so that a root prefix and a dry run hold for each command.
Files are written beside their place and renamed, so that a full disk leaves the old one. A path is
followed below the root only: a link that leads out of it, absolute or by dots, ends inside.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import define, field

MOST_LINKS = 40
"""As many as Linux follows before it says ELOOP."""


@define
class Machine:
    """A root folder and what may be done below it.

    Attributes:
        root: '/' for the machine itself; anything else is a copy or a test.
        dry_run: write nothing, start nothing; what would have been done is in `done`.
        done: what was done, or would have been, in words without contents.
        frozen: file systems are frozen: whoever writes now waits, a log too.
    """

    root: str = "/"
    dry_run: bool = False
    done: list[str] = field(factory=list)
    frozen: bool = False

    @property
    def programs(self) -> bool:
        """Whether programs may be started: not in a dry run, and not for another root."""
        return not self.dry_run and os.path.realpath(self.root) == "/"

    def resolve(self, path: str, *, last: bool = True) -> Path:
        """Give the real place of a path, all links followed below the root.

        Args:
            path: as the guest sees it; `..` stops at the root.
            last: follow the last part too where it is a link.

        Raises:
            OSError: too many links.
        """
        todo = [part for part in path.split("/") if part]
        here: list[str] = []
        links = 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                here = here[:-1]
            elif part != ".":
                target = self._link(here, part) if todo or last else None
                if target is None:
                    here.append(part)
                    continue
                links += 1
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                here = [] if target.startswith("/") else here
                todo = [one for one in target.split("/") if one] + todo
        return Path(self.root, *here)

    def _link(self, here: list[str], part: str) -> str | None:
        place = Path(self.root, *here, part)
        return os.readlink(place) if place.is_symlink() else None

    def exists(self, path: str) -> bool:
        """Tell whether there is something of that name."""
        return self.resolve(path).exists()

    def is_link(self, path: str) -> bool:
        """Tell whether the last part of the path is a symbolic link."""
        return self.resolve(path, last=False).is_symlink()

    def read_text(self, path: str) -> str | None:
        """Give a file's content, or None where there is none."""
        try:
            return self.resolve(path).read_text("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, folder: str) -> list[str]:
        """Give the sorted names in a folder; none where it is not there."""
        try:
            return sorted(os.listdir(self.resolve(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def make_folder(self, path: str, mode: int = 0o755) -> None:
        """Make a folder and those above it."""
        if not self.exists(path):
            self._say(f"mkdir {path}")
            if not self.dry_run:
                self.resolve(path).mkdir(mode, parents=True, exist_ok=True)

    def write(self, path: str, content: bytes, *, mode: int = 0o644, backup: str = "") -> None:
        """Write a file, whole or not at all; the mode and owner of one that is there stay.

        Args:
            path: as the guest sees it; where the last part is a link, its target is written,
                below the root.
            content: all of it.
            mode: for a new file.
            backup: an ending under which the old file stays; '' for none.

        Raises:
            OSError: there is no room, or no right; the old file is as it was.
        """
        self._say(f"write {path} ({len(content)} bytes)")
        if self.dry_run:
            return
        place = self.resolve(path)
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        beside = self._stage(place, content, mode)
        try:
            if backup and place.exists():
                _keep(place, place.with_name(place.name + backup))
            os.replace(beside, place)
        except OSError:
            beside.unlink(missing_ok=True)
            raise

    def size(self, path: str) -> int:
        """Give a file's size in bytes, 0 where there is none."""
        place = self.resolve(path)
        return place.stat().st_size if place.is_file() else 0

    def append(self, path: str, content: bytes) -> None:
        """Add to a file that is there, all or nothing.

        Raises:
            OSError: there is no room, or no file; it is as it was.
        """
        self._say(f"append to {path} ({len(content)} bytes)")
        if self.dry_run:
            return
        with open(self.resolve(path), "r+b", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                left = memoryview(content)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise

    def write_all(self, files: Mapping[str, bytes], *, mode: int = 0o644, backup: str = "") -> None:
        """Write several files: all are staged before the first is put in its place.

        Raises:
            OSError: one could not be staged, and none has changed.
        """
        for path in files:
            self._say(f"write {path} ({len(files[path])} bytes)")
        if self.dry_run:
            return
        staged: list[tuple[Path, Path]] = []
        try:
            for path, content in files.items():
                place = self.resolve(path)
                place.parent.mkdir(parents=True, exist_ok=True)
                staged.append((self._stage(place, content, mode), place))
            for beside, place in staged:
                if backup and place.exists():
                    _keep(place, place.with_name(place.name + backup))
                os.replace(beside, place)
        finally:
            for beside, _ in staged:
                beside.unlink(missing_ok=True)

    def remove(self, path: str) -> None:
        """Remove a file or a link; the link, not what it leads to."""
        self._say(f"remove {path}")
        if not self.dry_run:
            self.resolve(path, last=False).unlink(missing_ok=True)

    def run(
        self,
        argv: Iterable[str],
        *,
        stdin: bytes = b"",
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 300.0,
    ) -> int:
        """Run a program and wait for it; say so only, where `programs` is False.

        Args:
            argv: the program and its arguments; no shell.
            stdin: what it reads; never logged.
            cwd: its folder, as the guest sees it.
            env: its environment; None for this one's.
            timeout: seconds.

        Returns:
            its exit status, 127 where it is not there, 0 where it was not run.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        words = list(argv)
        self._say(f"run {words[0]}")
        if not self.programs:
            return 0
        try:
            ended = subprocess.run(  # noqa: S603  # argv is made here, no shell
                words, input=stdin, cwd=cwd, env=env, timeout=timeout, check=False,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except FileNotFoundError:
            return 127
        return ended.returncode

    def poke(self, path: str, text: str) -> None:
        """Write into a file of the kernel's, in its place."""
        self._say(f"poke {path}")
        if not self.dry_run:
            with open(self.resolve(path), "r+", encoding="ascii") as file:
                file.write(text)

    def give(self, path: str, user: int, group: int) -> None:
        """Make somebody the owner of a file, where we are somebody else."""
        self._say(f"chown {path}")
        place = self.resolve(path, last=False)
        if not self.dry_run and (os.geteuid() == 0 or user != os.geteuid()):
            os.chown(place, user, group, follow_symlinks=False)

    def set_clock(self, nanoseconds: int) -> None:
        """Set the clock, where programs may be run too."""
        self._say("set the clock")
        if self.programs:
            time.clock_settime(time.CLOCK_REALTIME, nanoseconds / 1e9)

    def _stage(self, place: Path, content: bytes, mode: int) -> Path:
        """Write beside a place under a name that nobody can know before, and sync it."""
        beside = place.with_name(f"{place.name}.{secrets.token_hex(8)}.tmp~")
        old = place.stat() if place.exists() else None
        mode = stat.S_IMODE(old.st_mode) if old else mode
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        handle = os.open(beside, flags, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                if old and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(handle, old.st_uid, old.st_gid)
                os.fchmod(handle, mode)
                os.fsync(handle)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        return beside

    def _say(self, text: str) -> None:
        self.done.append(text)
        del self.done[:-1000]


def _keep(place: Path, beside: Path) -> None:
    """Let the old content stay under another name, by a link where the disk can."""
    beside.unlink(missing_ok=True)
    os.link(place, beside)
