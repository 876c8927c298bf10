"""The daemon's log, in the form of HTCondor's daemons.

Decides which categories are shown and how a line looks; where lines go is the caller's.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path

ALWAYS, ERROR, COMMAND, FULL, SECURITY = (
    "D_ALWAYS", "D_ERROR", "D_COMMAND", "D_FULLDEBUG", "D_SECURITY",
)  # fmt: skip
_SHOWN_ANYWAY = frozenset({ALWAYS, ERROR})


def log_line(now: float, category: str, text: str, debug: frozenset[str]) -> str:
    """Write one line.

    Args:
        now: seconds since 1970.
        category: a `D_…` name.
        text: what happened; further lines of it are indented.
        debug: the words of `NAME_DEBUG`: D_UTC, D_SUBSECOND, D_CATEGORY and categories.
    """
    moment = time.gmtime(now) if "D_UTC" in debug else time.localtime(now)
    stamp = time.strftime("%m/%d/%y %H:%M:%S", moment)
    if "D_SUBSECOND" in debug:
        stamp += f".{int(now % 1 * 1000):03}"
    shown = f" ({category})" if "D_CATEGORY" in debug else ""
    return f"{stamp}{shown} " + text.rstrip("\n").replace("\n", "\n\t")


class DaemonLog:
    """Where one daemon's lines go.

    Args:
        write: takes a line without its end.
        now: gives seconds since 1970.
    """

    def __init__(self, write: Callable[[str], None], now: Callable[[], float] = time.time) -> None:
        self._write = write
        self._now = now
        self.debug: frozenset[str] = frozenset()
        self.file: Path | None = None

    def shows(self, category: str) -> bool:
        """Tell whether lines of a category are written at all."""
        return category in _SHOWN_ANYWAY or category in self.debug or "D_ALL" in self.debug

    def line(self, text: str, category: str = ALWAYS) -> None:
        """Write a line, if its category is shown."""
        if not self.shows(category):
            return
        line = log_line(self._now(), category, text, self.debug)
        if self.file is None or not self._append(self.file, line):
            self._write(line)

    def failure(self, text: str, error: BaseException) -> None:
        """Write what was raised, with its traceback."""
        self.line(f"{text}:\n{''.join(traceback.format_exception(error))}", ERROR)

    def _append(self, file: Path, line: str) -> bool:
        """Opened anew for each line, so that a rotated file is let go of at once."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8", errors="replace") as out:
                out.write(line + "\n")
        except OSError as error:
            self._write(f"the log {file} cannot be written: {error.strerror}")
            return False
        return True
