"""The exchange over a folder, with both clocks in the test's hands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from plugin.guest.exchange.folder import AGAIN, EXPIRY, Directory

YEAR = 365 * 86400.0


@pytest.fixture
def wall() -> list[float]:
    """The wall clock: one number, which a test may set."""
    return [1_700_000_000.0]


@pytest.fixture
def steady() -> Clock:
    """The clock that nobody sets."""
    return Clock()


@pytest.fixture
def exchange(tmp_path: Path, wall: list[float], steady: Clock) -> Directory:
    """An exchange that looks, with an answer that nobody took."""
    made = Directory(str(tmp_path), lambda: wall[0])
    made.start(steady)
    made.put_response({"path": "one"}, {"data": "an answer"})
    return made


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_answers_outlive_a_clock_that_is_set(
    exchange: Directory, tmp_path: Path, wall: list[float], steady: Clock, jump: float
) -> None:
    """A wall clock that is set by a year takes no answer away; an hour does."""
    wall[0] += jump
    steady.pump([EXPIRY / 9] * 8)
    assert (tmp_path / "responses" / "one").exists()
    steady.pump([EXPIRY / 9] * 2)
    assert not (tmp_path / "responses" / "one").exists()


def test_an_answer_to_the_same_name_is_a_new_one(
    exchange: Directory, tmp_path: Path, steady: Clock
) -> None:
    """A name that is used again has its hour again."""
    steady.pump([EXPIRY / 9] * 8)
    exchange.put_response({"path": "one"}, {"data": "another"})
    steady.pump([EXPIRY / 9] * 8)
    assert (tmp_path / "responses" / "one").read_text() == "another"


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_what_waits_for_room_is_tried_again_each_second(
    exchange: Directory, tmp_path: Path, wall: list[float], steady: Clock, jump: float
) -> None:
    """Whatever becomes of the wall clock, an answer that could not be written is tried again."""
    folder = tmp_path / "responses"
    os.rename(folder, tmp_path / "away")
    exchange.put_response({"path": "two"}, {"data": "late"})
    os.rename(tmp_path / "away", folder)
    wall[0] += jump
    steady.advance(AGAIN / 2)
    assert not (folder / "two").exists()
    steady.advance(AGAIN)
    assert (folder / "two").read_text() == "late"


def test_a_folder_that_goes_away_comes_back(
    exchange: Directory, tmp_path: Path, steady: Clock
) -> None:
    """It goes on looking, also when the folder was away while old answers are looked for."""
    os.rename(tmp_path / "responses", tmp_path / "away")
    steady.pump([EXPIRY / 9] * 3)
    os.rename(tmp_path / "away", tmp_path / "responses")
    asked = exchange.get_request()
    asked.addErrback(lambda _: None)  # that it could not look
    taken = exchange.get_request()
    (tmp_path / "requests" / "new").write_text("hello")
    steady.advance(1)
    got: list[object] = []
    taken.addCallback(got.append)
    assert got == [{"path": "new", "data": "hello"}]
