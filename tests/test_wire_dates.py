"""Times: the spellings that are read, and the one that is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_room import unhurriedly

from co2.wire.dates import read_plain_time, read_time, write_time

_MOMENT = datetime(2003, 11, 17, 14, 8, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "20031117T14:08:55",
        "20031117T14:08:55Z",
        "20031117T140855",
        "2003-11-17T14:08:55",
        "2003-11-17T14:08:55Z",
        "20031117T15:08:55+0100",
        "20031117T15:08:55+01",
        "2003-11-17T09:38:55-04:30",
        "20031117T14:08:55-00:00",
        "20031117T14:08:55.000",
        "20031118T00:08:55+10:00",
    ],
)
def test_every_spelling_is_the_same_moment(text: str) -> None:
    """Dashes, zones and fractions of nothing change no time, and all become UTC."""
    moment = read_time(text)
    assert moment == _MOMENT and moment.tzinfo is UTC


def test_fractions_are_microseconds() -> None:
    """A fraction is read to the microsecond; what is finer is cut off, a comma is a point."""
    assert read_time("20031117T14:08:55.25").microsecond == 250_000
    assert read_time("20031117T14:08:55,000001Z").microsecond == 1
    assert read_time("20031117T14:08:55.123456789").microsecond == 123_456


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "20031117", "14:08:55", "20031117 14:08:55", "20031117T14:08", "1069070935"),
        *("2003-1117T14:08:55", "20031117T14:0855", "20031117T14:08:55.", "20031117T14:08:55CET"),
        *("20031117T24:00:00", "20031117T14:60:00", "20031117T14:08:60", "20030229T14:08:55"),
        *("20031117T14:08:55+24:00", "20031117T14:08:55+01:60", "00000101T00:00:00"),
        *("00010101T00:00:00+01:00", "99991231T23:59:59-01:00", "\uff12003\uff11117T14:08:55"),
        "20031117T14:08:55\n",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Days, hours and zones that do not exist, and every other form, are a ValueError."""
    with pytest.raises(ValueError, match=r"time|offset|hour|minute|second|day|year"):
        read_time(text)


@unhurriedly
@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_finely_is_read_back_exactly(moment: datetime) -> None:
    """No time loses anything where microseconds are written, and the quick reader takes it too."""
    text = write_time(moment, fine=True)
    assert read_time(text) == read_plain_time(text) == moment


@unhurriedly
@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_plainly_has_the_form_of_the_specification(moment: datetime) -> None:
    """Without microseconds a time has 17 characters, and the quick reader takes it."""
    text = write_time(moment, fine=False)
    assert len(text) == 17
    assert read_plain_time(text) == read_time(text) == moment.replace(microsecond=0)


def test_a_fraction_is_written_only_where_there_is_one() -> None:
    """Whole seconds look the same to every host."""
    assert write_time(_MOMENT, fine=True) == "20031117T14:08:55"
    assert write_time(_MOMENT.replace(microsecond=1), fine=True) == "20031117T14:08:55.000001"


def test_another_zone_is_written_in_utc() -> None:
    """The zone of a time does not travel, its moment does."""
    local = _MOMENT.astimezone(timezone(timedelta(hours=-5)))
    assert write_time(local, fine=False) == "20031117T14:08:55"


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2003, 11, 17),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))),
    ],
)
def test_a_time_that_cannot_be_told_is_refused(moment: datetime) -> None:
    """A naive time, and one whose UTC is outside of the calendar, are not written."""
    with pytest.raises(ValueError, match="time"):
        write_time(moment, fine=False)
