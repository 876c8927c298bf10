"""Times as XML-RPC writes them: text to aware datetime and back.

It decides which spellings are read and the one that is written. It knows no XML.

The specification shows one form, `19980717T14:08:55`, and leaves the zone to the server. co2 writes
UTC and reads a time without a zone as UTC. Foreign programs write dashes (Node, Java), `Z`, offsets
and fractions (Apache's ex:dateTime); those are read too.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_FORM = re.compile(
    r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})T"
    r"([0-9]{2})(:?)([0-9]{2})\6([0-9]{2})"
    r"(?:[.,]([0-9]{1,9}))?"
    r"(?:(Z)|([+-])([0-9]{2}):?([0-9]{2})?)?\Z"
)


def read_plain_time(text: str) -> datetime:
    """Read a text that is known to look like `YYYYMMDDTHH:MM:SS[.ffffff]`, as UTC.

    Raises:
        ValueError: there is no such day or hour.
    """
    return datetime.fromisoformat(text + "+00:00")


def read_time(text: str) -> datetime:
    """Read any spelling of a time that is understood here, as an aware datetime in UTC.

    Digits beyond microseconds are cut off.

    Raises:
        ValueError: the text is no time, or no day or hour that exists.
    """
    found = _FORM.match(text)
    if found is None:
        raise ValueError("a time is written YYYYMMDDTHH:MM:SS")
    year, _, month, day, hour, _, minute, second, fraction, _, sign, hours, minutes = found.groups()
    zone = UTC if sign is None else _zone(sign, int(hours), int(minutes or 0))
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    local = datetime(
        int(year), int(month), int(day), int(hour), int(minute), int(second), micros, zone
    )
    try:
        return local.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is outside the years 1 to 9999") from None


def _zone(sign: str, hours: int, minutes: int) -> timezone:
    if hours > 23 or minutes > 59:
        raise ValueError(f"{sign}{hours:02}:{minutes:02} is no offset from UTC")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)


def write_time(moment: datetime, fine: bool) -> str:
    """Write an aware time in UTC.

    Args:
        moment: the time.
        fine: whether microseconds that are not zero are written; strict foreign parsers break on
            them (PROTOCOL section 2).

    Raises:
        ValueError: the time is naive, or outside the years 1 to 9999 in UTC.
    """
    if moment.utcoffset() is None:
        raise ValueError("a datetime without a time zone: give it one, as in datetime.now(UTC)")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC the time is outside the years 1 to 9999") from None
    if fine and moment.microsecond:
        return moment.isoformat(timespec="microseconds")[:26].replace("-", "")
    return moment.isoformat(timespec="seconds")[:19].replace("-", "")
