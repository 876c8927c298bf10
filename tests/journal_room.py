"""Journals on disk for tests: files that are opened, killed, filled up and damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from co2.model.settings import Retention
from co2.net.journal_file import JournalFile
from co2.net.journal_sqlite import SqliteJournal
from co2.testing.clock import ClockReactor
from co2.testing.samples import result_of

RETENTION = Retention(1000.0, 50, 1_000_000)


class Shelf:
    """A folder with one journal file; `reopen` stands for the next process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.sqlite"
        self.reactor = ClockReactor()
        self.time = 5000.0
        self.open_files: list[JournalFile] = []

    def open(self) -> JournalFile:
        file = JournalFile(self.path, self.reactor)
        self.open_files.append(file)
        return file

    def journal(
        self, file: Any = None, retention: Retention = RETENTION, outgoing: bool = False
    ) -> SqliteJournal:
        name = "outbox" if outgoing else "relay"
        file = file or (self.open_files[-1] if self.open_files else self.open())
        return SqliteJournal(file, name, f"{name}-id", retention, lambda: self.time, outgoing)

    def wait_for(self, deferred: Deferred[Any]) -> Any:
        self.reactor.advance(0.0)  # the turn ends
        while not deferred.called:
            self.reactor.wait_for_thread()
            self.reactor.advance(0.0)
        return result_of(deferred)

    def settle(self) -> None:
        """Let everything that was handed over be written."""
        self.reactor.pass_time(1.0)
        file = self.open_files[-1]
        self.wait_for(file.write(("DELETE FROM about WHERE name = ''", ())))

    def reopen(self) -> JournalFile:
        self.close()
        return self.open()

    def close(self) -> None:
        for file in self.open_files:
            self.wait_for(file.close())
        self.open_files.clear()

    def fill_disk(self) -> None:
        """Let the file not grow any more, as on a full disk."""
        self._run("PRAGMA max_page_count = 1")

    def free_disk(self) -> None:
        self._run("PRAGMA max_page_count = 1000000")

    def _run(self, sql: str) -> None:
        # In the writing thread's turn: it is its connection that a full disk stops.
        file = self.open_files[-1]
        self.settle()
        file._writer._connection.execute(sql)

    def rows(self, sql: str) -> list[Any]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()
