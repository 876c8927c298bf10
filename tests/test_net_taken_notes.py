"""Notes of what plugins are done with: they are bounded, and survive what a disk does to them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from co2.errors import SettingsError
from co2.net.taken_notes import TakenNotes


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "taken.notes"


def left(path: Path) -> dict[tuple[str, str], object]:
    """Give what the next process finds."""
    notes = TakenNotes(path)
    notes.close()
    return notes.left


def note(notes: TakenNotes, key: tuple[str, str], answer: object) -> None:
    """Note an answer as it is kept, in JSON."""
    notes.note(key, json.dumps(answer))


def test_what_was_noted_is_found(path: Path) -> None:
    """Also what has been committed since: that is known to be done, too."""
    notes = TakenNotes(path)
    note(notes, ("a", "1"), {"id": "1", "plugins": {"p": "raised: line\nline"}})
    note(notes, ("b", "ü"), {"id": "ü", "plugins": {}})
    notes.committed(("b", "ü"))
    notes.close()
    expected = {("a", "1"): {"p": "raised: line\nline"}, ("b", "ü"): {}}
    assert {key: answer["plugins"] for key, answer in left(path).items()} == expected


def test_it_is_bounded(path: Path) -> None:
    """What is not committed yet outlasts that the file is written anew."""
    notes = TakenNotes(path)
    note(notes, ("a", "stays"), {"id": "stays"})
    longest = 0
    for number in range(20_000):
        key = ("a", str(number))
        note(notes, key, {"id": key[1], "plugins": {"example.example": "ok"}})
        notes.committed(key)
        longest = max(longest, path.stat().st_size)
    notes.close()
    assert longest < 300_000
    assert ("a", "stays") in left(path)


@pytest.mark.parametrize("end", range(1, 30))
def test_what_was_cut_off_takes_nothing_with_it(path: Path, end: int) -> None:
    """A note of which a part is missing is none, and those before and behind it stand."""
    notes = TakenNotes(path)
    note(notes, ("a", "1"), {"n": 1})
    whole = path.stat().st_size
    note(notes, ("a", "2"), {"n": 2})
    notes.close()
    with open(path, "r+b") as file:
        file.truncate(min(whole + end, path.stat().st_size - 1))
    notes = TakenNotes(path)
    note(notes, ("a", "3"), {"n": 3})
    notes.close()
    assert left(path) == {("a", "1"): {"n": 1}, ("a", "3"): {"n": 3}}


@pytest.mark.parametrize("text", ["[1]", "{}", "5", '["a", "b", "c"]', "\\xff", "null"])
def test_what_is_no_note_is_passed_over(path: Path, text: str) -> None:
    """Whatever a disk has made of the file, the server starts."""
    path.write_text(text + '\n["a", "1", {}]')
    assert left(path) == {("a", "1"): {}}


def test_a_file_that_cannot_be_opened_is_told(path: Path) -> None:
    """The text says which and why."""
    path.mkdir()
    with pytest.raises(SettingsError, match=r"taken\.notes: Is a directory"):
        TakenNotes(path)
