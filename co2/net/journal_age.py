"""How old things in a journal on disk are: by the time for which the journal has been in use.

It is counted while the journal is open, by the steady clock, and goes on from there when it is
opened again. So no message expires because a clock was set, or because the relay was off.
"""

from __future__ import annotations

from collections.abc import Callable

from co2.net.journal_file import JournalFile
from co2.net.journal_writer import Statement


class Age:
    """See the module.

    Args:
        file: where the journal is.
        name: of the journal in the file.
        seconds: the steady clock.

    Raises:
        JournalFailed: the file cannot be read.
    """

    def __init__(self, file: JournalFile, name: str, seconds: Callable[[], float]) -> None:
        self._name = f"{name} age"
        self._seconds = seconds
        written = file.rows("SELECT value FROM about WHERE name = ?", self._name)
        # It is written now and then; the newest message may know better after a crash.
        newest = file.rows(
            "SELECT taken FROM entry WHERE journal = ? ORDER BY seq DESC LIMIT 1", name
        )
        so_far = max([0.0, *(float(row[0]) for row in (*written, *newest))])
        self._opened = so_far - seconds()

    def now(self) -> float:
        """Give the seconds for which the journal has been in use, in all its runs together."""
        return self._opened + self._seconds()

    def keep(self) -> Statement:
        """Write it."""
        return "REPLACE INTO about VALUES (?, ?)", (self._name, repr(self.now()))
