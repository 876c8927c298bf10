"""co2.net.journal_writer: the thread that commits."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal_room import Shelf

from co2.errors import JournalFailed

pytestmark = pytest.mark.usefixtures("logged_failures")

_ROW = "INSERT INTO about VALUES (?, ?)"


@pytest.mark.parametrize("value", [2**70, "\ud800", object()])
def test_whatever_cannot_be_written_is_told_and_the_thread_lives(tmp_path: Path, value: object):
    """Not only what SQLite itself refuses: everybody waits for this one thread."""
    shelf = Shelf(tmp_path)
    file = shelf.open()
    good = file.write((_ROW, ("a", "1")))
    bad = file.write((_ROW, ("b", value)))
    shelf.wait_for(good)
    with pytest.raises(JournalFailed):
        shelf.wait_for(bad)
    shelf.wait_for(file.write((_ROW, ("c", "3"))))
    assert [name for (name,) in shelf.rows("SELECT name FROM about ORDER BY name")] == ["a", "c"]
    shelf.close()


def test_a_group_is_written_whole_or_not_at_all(tmp_path: Path):
    """Whatever of it could have been written is taken back."""
    shelf = Shelf(tmp_path)
    file = shelf.open()
    with pytest.raises(JournalFailed):
        shelf.wait_for(file.write((_ROW, ("a", "1")), ("INSERT INTO nowhere VALUES (1)", ())))
    assert shelf.rows("SELECT * FROM about") == []
    shelf.close()


def test_a_line_that_failed_once_slows_nobody_else_down_for_good(tmp_path: Path):
    """The others are committed together again, though nothing more ever comes of that line."""
    shelf = Shelf(tmp_path)
    file = shelf.open()
    with pytest.raises(JournalFailed):
        shelf.wait_for(file.write(("INSERT INTO nowhere VALUES (1)", ()), line="gone"))
    commits: list[str] = []
    file._writer._connection.set_trace_callback(commits.append)
    written = [file.write((_ROW, (f"name {number}", "")), line="here") for number in range(20)]
    shelf.wait_for(written[-1])
    assert commits.count("COMMIT") == 1
    shelf.close()
