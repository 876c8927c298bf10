"""What a ClassAd expression can come to.

Python's own bool, int, float and str are used for the types that they fit; this module adds those
that Python lacks. It knows neither expressions nor text.

Invariant: `Value` is an IntEnum because `classad2.Value` is one, so `Value.ERROR == 1` is true.
Code in this package therefore compares with `is`, and dispatches on `type(value)`, never on
`isinstance(value, int)`.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from typing import NamedTuple


class ClassAdException(ValueError):
    """A text is no ClassAd; a ValueError too, because the original raises now this, now that."""


class Value(enum.IntEnum):
    """The two values that stand for no value, named as in classad2."""

    Error = 1
    Undefined = 2


UNDEFINED = Value.Undefined
ERROR = Value.Error


class AbsoluteTime(NamedTuple):
    """A moment: `seconds` since 1970 in UTC, and `offset`, the seconds east of it to show."""

    seconds: int
    offset: int = 0

    def moment(self) -> datetime:
        """Give it as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.seconds, UTC)

    @classmethod
    def of(cls, moment: datetime) -> AbsoluteTime:
        """Make one of a datetime; a naive one is taken as UTC, as classad2 shows it."""
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        offset = aware.utcoffset() or timedelta()
        return cls(int(aware.timestamp() // 1), int(offset.total_seconds()))


class RelativeTime(NamedTuple):
    """A span of `seconds`."""

    seconds: float


INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1


def wrapped(number: int) -> int:
    """Give the 64-bit signed integer that is left when `number` overflows."""
    return (number + 2**63) % 2**64 - 2**63
