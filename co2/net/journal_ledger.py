"""What became of a journal's messages, on disk: how far each satellite is, and what went otherwise.

Where somebody is moves with every message, so it is written a moment later, once for many; a crash
loses that moment, and what was delivered in it is delivered again.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from co2.errors import JournalFailed
from co2.interfaces import ILedger
from co2.model.messages import Cursor, Outcome
from co2.net.journal_file import JournalFile

_EXPIRED = "it left the journal before it could be delivered"


@implementer(ILedger)
class SqliteLedger:
    """See the module.

    Args:
        file: where it is written.
        name: of the journal in the file.
    """

    def __init__(self, file: JournalFile, name: str) -> None:
        self._file = file
        self._name = name
        self._moved: dict[str, Cursor] = {}
        self._names = set(self.cursors())

    def cursors(self) -> dict[str, Cursor]:
        """Give how far everybody has come."""
        rows = self._file.rows(
            "SELECT name, joined, seq, greeted FROM cursor WHERE journal = ?", self._name
        )
        return {name: Cursor(joined, seq, bool(greeted)) for name, joined, seq, greeted in rows}

    def keep_cursor(self, name: str, cursor: Cursor) -> None:
        """Write how far somebody has come; a moment later, but for the first time at once.

        So the first one is in the file ahead of every message that comes after it.
        """
        self._moved[name] = cursor
        if name not in self._names:
            self._names.add(name)
            self._write_moved()
        elif len(self._moved) == 1:
            self._file.soon(self._write_moved)

    def forget_cursor(self, name: str) -> None:
        """Drop what is known of somebody who is gone."""
        self._moved.pop(name, None)
        self._names.discard(name)
        self._file.write(
            ("DELETE FROM cursor WHERE journal = ? AND name = ?", (self._name, name)),
            ("DELETE FROM expired WHERE name = ?", (name,)),
            ("DELETE FROM outcome WHERE name = ?", (name,)),
        ).addErrback(told)

    def keep_outcome(self, seq: int, name: str, outcome: Outcome) -> None:
        """Write that a message was not simply delivered to somebody."""
        self._file.write(
            ("REPLACE INTO outcome VALUES (?, ?, ?, ?, ?, ?)", (seq, name, *outcome))
        ).addErrback(told)

    def outcomes(self, seq: int) -> dict[str, Outcome]:
        """Give those of a message, by satellite."""
        expired = self._file.rows(
            "SELECT name, time FROM expired WHERE first <= ? AND last >= ?", seq, seq
        )
        found = {name: Outcome("expired", _EXPIRED, time, 0) for name, time in expired}
        rows = self._file.rows(
            "SELECT name, state, detail, time, tries FROM outcome WHERE seq = ?", seq
        )
        found.update((row[0], Outcome(*row[1:])) for row in rows)
        return found

    def _write_moved(self) -> None:
        moved, self._moved = self._moved, {}
        row = "REPLACE INTO cursor VALUES (?, ?, ?, ?, ?)"
        self._file.write(
            *(
                (row, (self._name, name, cursor.joined, cursor.seq, cursor.greeted))
                for name, cursor in moved.items()
            )
        ).addErrback(told)


def told(failure: Any) -> None:
    """A write that nobody waits for has failed: the file has said so in the log."""
    failure.trap(JournalFailed)
