"""Moments and spans as text, both ways; ISO 8601 as the ClassAd language writes it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from plugin.snake.classads.values import AbsoluteTime, RelativeTime

_MOMENT = re.compile(
    r"\s*(\d{4})-?(\d\d)-?(\d\d)(?:[T ]\s*(\d\d):?(\d\d):?(\d\d)(?:\.\d+)?)?"
    r"\s*(Z|z|([-+])(\d\d):?(\d\d))?\s*"
)
_SPAN = re.compile(r"\s*([-+]?)(?:(\d+)\+)?(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)\s*s?\s*", re.I)


def absolute_of(text: str) -> AbsoluteTime | None:
    """Read `2020-01-31T12:00:00+01:00`; a missing zone is UTC; None if it is no moment."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    offset = 0
    if match[8]:
        offset = (int(match[9]) * 3600 + int(match[10]) * 60) * (-1 if match[8] == "-" else 1)
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return AbsoluteTime(int(moment.timestamp()) - offset, offset)


def relative_of(text: str) -> RelativeTime | None:
    """Read `[-][days+][[hours:]minutes:]seconds`; None if it is no span."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    days, hours, minutes = (int(match[group] or 0) for group in (2, 3, 4))
    seconds = days * 86400 + hours * 3600 + minutes * 60 + float(match[5])
    return RelativeTime(-seconds if match[1] == "-" else seconds)


def absolute_text(moment: AbsoluteTime) -> str:
    """Write a moment with its offset; UTC is `-00:00`, as the original writes it."""
    shown = datetime.fromtimestamp(moment.seconds + moment.offset, UTC)
    sign = "+" if moment.offset > 0 else "-"
    hours, minutes = divmod(abs(moment.offset) // 60, 60)
    return f"{shown:%Y-%m-%dT%H:%M:%S}{sign}{hours:02}:{minutes:02}"


def relative_text(span: RelativeTime) -> str:
    """Write a span as `[-][days+][[hours:]minutes:]seconds`."""
    days, rest = divmod(int(abs(span.seconds)), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    sign = "-" if span.seconds < 0 else ""
    if days:
        return f"{sign}{days}+{hours:02}:{minutes:02}:{seconds:02}"
    if hours:
        return f"{sign}{hours:02}:{minutes:02}:{seconds:02}"
    return f"{sign}{minutes:02}:{seconds:02}" if minutes else f"{sign}{seconds:02}"
