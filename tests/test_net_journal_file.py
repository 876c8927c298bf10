"""co2.net.journal_file: what is written together, and when."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal_room import Shelf

pytestmark = pytest.mark.usefixtures("logged_failures")


def test_writes_of_one_turn_are_one_trip_to_the_disk(tmp_path: Path):
    """Messages that arrive together are committed together, and their Deferreds fire together."""
    shelf = Shelf(tmp_path)
    file = shelf.open()
    sql = "INSERT INTO about VALUES (?, ?)"
    written = [file.write((sql, (f"name {number}", "value"))) for number in range(100)]
    shelf.reactor.advance(0.0)  # the turn ends
    assert not any(one.called for one in written)
    shelf.reactor.wait_for_thread()  # the thread has committed, once
    assert all(one.called for one in written)
    assert shelf.rows("SELECT count(*) FROM about WHERE value = 'value'") == [(100,)]
    shelf.close()


def test_what_was_written_last_is_not_forgotten_by_closing(tmp_path: Path):
    """Closing in the same turn writes it first."""
    shelf = Shelf(tmp_path)
    written = shelf.open().write(("INSERT INTO about VALUES ('name', 'value')", ()))
    shelf.close()
    assert written.called
    assert shelf.rows("SELECT value FROM about WHERE name = 'name'") == [("value",)]
