"""Functions of time. The wall clock enters here and nowhere else in the language."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from plugin.snake.classads.evaluate import Scope
from plugin.snake.classads.functions.kinds import to_integer
from plugin.snake.classads.functions.registry import eager
from plugin.snake.classads.nodes import Expression, Literal
from plugin.snake.classads.times import absolute_of, relative_of
from plugin.snake.classads.values import ERROR, AbsoluteTime, RelativeTime


@eager("time", least=0)
def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


@eager("currentTime", least=0)
def current_time() -> AbsoluteTime:
    """This moment."""
    return AbsoluteTime(int(time.time()), 0)


@eager("timeZoneOffset", least=0)
def time_zone_offset() -> RelativeTime:
    """Seconds that local time is east of UTC."""
    return RelativeTime(float(time.localtime().tm_gmtoff))


@eager("dayTime", least=0)
def day_time() -> RelativeTime:
    """Time since local midnight."""
    local = time.localtime()
    return RelativeTime(float(local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec))


@eager("absTime", least=0, most=2)
def absolute(value: Any = None, offset: Any = 0) -> Any:
    """A moment, of seconds since 1970 or of a text."""
    if type(offset) not in (int, float):
        return ERROR
    if value is None:
        return current_time()
    if type(value) is str:
        return absolute_of(value) or ERROR
    if type(value) in (int, float) and abs(value) < 2**40:
        return AbsoluteTime(int(value), int(offset))
    if type(value) is RelativeTime:
        return AbsoluteTime(int(value.seconds), int(offset))
    return value if type(value) is AbsoluteTime else ERROR


@eager("relTime", least=1)
def relative(value: Any) -> Any:
    """A span, of seconds or of a text."""
    if type(value) is str:
        return relative_of(value) or ERROR
    if type(value) in (int, float):
        return RelativeTime(float(value))
    if type(value) is AbsoluteTime:
        return RelativeTime(float(value.seconds))
    return value if type(value) is RelativeTime else ERROR


def _part(names: str, take: Callable[[datetime], int] | None, span: int, cycle: int) -> None:
    """Enter a getter for moments, and for spans where `span` says how many seconds a unit has."""

    def run(value: Any) -> Any:
        if type(value) is AbsoluteTime and take is not None:
            return take(datetime.fromtimestamp(value.seconds + value.offset, UTC))
        if type(value) is RelativeTime and span:
            units = int(abs(value.seconds) // span)
            return (units % cycle if cycle else units) * (-1 if value.seconds < 0 else 1)
        return ERROR

    eager(*names.split(), least=1, on_undefined=ERROR)(run)


_part("getYear", lambda moment: moment.year, 0, 0)
_part("getMonth", lambda moment: moment.month, 0, 0)
_part("getDayOfYear", lambda moment: moment.timetuple().tm_yday - 1, 0, 0)
_part("getDayOfMonth", lambda moment: moment.day, 0, 0)
_part("getDayOfWeek", lambda moment: (moment.weekday() + 1) % 7, 0, 0)
_part("getDays", None, 86400, 0)
_part("getHours", lambda moment: moment.hour, 3600, 24)
_part("getMinutes", lambda moment: moment.minute, 60, 60)
_part("getSeconds", lambda moment: moment.second, 1, 60)


@eager("interval", least=1, on_undefined=ERROR)
def interval(value: Any) -> Any:
    """A number of seconds as `days+hours:minutes:seconds`."""
    seconds = to_integer(value)
    if seconds is ERROR:
        return ERROR
    sign, left = ("-" if seconds < 0 else ""), abs(seconds)
    days, left = left // 86400, left % 86400
    hours, minutes, rest = left // 3600, left % 3600 // 60, left % 60
    if days:
        return f"{sign}{days}+{hours:02}:{minutes:02}:{rest:02}"
    if hours:
        return f"{sign}{hours}:{minutes:02}:{rest:02}"
    return f"{sign}{minutes}:{rest:02}" if minutes else f"{sign}{rest}"


@eager("formatTime", least=0, most=2)
def format_time(moment: Any = None, pattern: Any = "%c") -> Any:
    """A moment in the pattern of strftime."""
    seconds = now() if moment is None else moment
    if type(seconds) is AbsoluteTime:
        shown = seconds.seconds + seconds.offset
    elif type(seconds) is int and abs(seconds) < 2**36:
        shown = seconds
    else:
        return ERROR
    if type(pattern) is not str or len(pattern) > 1000:
        return ERROR
    return time.strftime(pattern, time.gmtime(shown))


@eager("splitTime", least=1)
def split_time(value: Any) -> Any:
    """A moment or a span as an ad of its parts."""
    if type(value) is AbsoluteTime:
        moment = datetime.fromtimestamp(value.seconds + value.offset, UTC)
        parts = {
            "Type": "AbsoluteTime",
            "Year": moment.year, "Month": moment.month, "Day": moment.day,
            "Hours": moment.hour, "Minutes": moment.minute, "Seconds": moment.second,
            "Offset": value.offset,
        }  # fmt: skip
    elif type(value) is RelativeTime:
        whole, sign = int(abs(value.seconds)), -1 if value.seconds < 0 else 1
        parts = {
            "Type": "RelativeTime",
            "Days": sign * (whole // 86400), "Hours": sign * (whole % 86400 // 3600),
            "Minutes": sign * (whole % 3600 // 60),
            "Seconds": sign * (whole % 60 + abs(value.seconds) % 1),
        }  # fmt: skip
    else:
        return ERROR
    entries: dict[str, tuple[str, Expression]] = {
        name.lower(): (name, Literal(part)) for name, part in parts.items()
    }
    return Scope(entries)
