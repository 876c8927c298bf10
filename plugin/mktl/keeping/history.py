"""What items were: every value for a while, and for longer what it was like by the minute and hour.

Numbers are summed up when they are written, so that a question over a year reads hours, not every
value. Values that are no numbers are kept as JSON, and only for as long as single values are.

What is forgotten is counted in days that have values, not in time that a clock says has passed: a
value goes when so many later days have some. So a clock that jumps ahead forgets one day's worth,
as any new day does, and time that nothing was written in forgets nothing. Days after the present
one do not count: a clock that was wrong and is right again finds them there, and forgets no more
for them. Days are UTC's.

`Chronicle` is the file, and blocks; `History` collects, and calls it in a thread.
"""

from __future__ import annotations

import math
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from plugin.mktl.wire.message import Bulk, decode_json, encode_json
from plugin.mktl.work.strand import Strand

DAY = 86_400.0
MINUTE, HOUR = 60, 3600
_EARLIEST = -(10**9)
MOST_ANSWERED = 10_000
MOST_SINGLE = 5_000_000
"""Single values in the file, of all items together; the oldest go first."""
MOST_COLLECTED = 200_000
"""Values that may wait for a slow disk before the oldest are left out."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS single (key TEXT, time REAL, number REAL, text TEXT);
CREATE INDEX IF NOT EXISTS single_by_key ON single (key, time);
CREATE INDEX IF NOT EXISTS single_by_time ON single (time);
CREATE TABLE IF NOT EXISTS summed (
    key TEXT, width INTEGER, slot INTEGER, count INTEGER, low REAL, high REAL, total REAL,
    PRIMARY KEY (key, width, slot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS days (day INTEGER PRIMARY KEY);
"""
_FIND_DAYS = """
INSERT OR IGNORE INTO days SELECT DISTINCT CAST(time / 86400 AS INTEGER) FROM single
    UNION SELECT DISTINCT slot / 24 FROM summed WHERE width = 3600
"""
"""For a file that was written before days were noted."""
_SUM = """
INSERT INTO summed VALUES (?, ?, ?, 1, ?, ?, ?) ON CONFLICT (key, width, slot) DO UPDATE SET
    count = count + 1, low = min(low, excluded.low), high = max(high, excluded.high),
    total = total + excluded.total
"""
_CUT = "DELETE FROM single WHERE rowid <= (SELECT max(rowid) FROM single) - ?"


class Value(NamedTuple):
    """A value of an item, when it was published."""

    key: str
    time: float
    value: Any


class Chronicle:
    """The file; see the module.

    Args:
        path: made if it is not there.
        keep: days, of those that have values, that single values, minutes and hours are kept.
        most: single values that are kept.

    Raises:
        sqlite3.Error: it is no chronicle or cannot be written.
    """

    def __init__(
        self,
        path: Path | str,
        keep: tuple[float, float, float] = (7, 90, 3650),
        most: int = MOST_SINGLE,
    ) -> None:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._most = most
        self._keep = [math.ceil(days) for days in keep]
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)
        if self._database.execute("SELECT max(day) FROM days").fetchone() == (None,):
            self._database.execute(_FIND_DAYS)

    def add(self, values: list[Value]) -> None:
        """Write values, and sum numbers up."""
        singles: list[tuple[Any, ...]] = []
        sums: list[tuple[Any, ...]] = []
        for key, when, value in values:
            number = _as_number(value)
            singles.append((key, when, number, None if number is not None else _as_text(value)))
            if number is not None:
                for width in (MINUTE, HOUR):
                    sums.append((key, width, int(when // width), number, number, number))
        self._database.execute("BEGIN")
        try:
            self._database.executemany("INSERT INTO single VALUES (?, ?, ?, ?)", singles)
            self._database.executemany(_SUM, sums)
            days = {(int(one.time // DAY),) for one in values}
            self._database.executemany("INSERT OR IGNORE INTO days VALUES (?)", days)
            self._database.execute(_CUT, (self._most,))
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise

    def forget(self, now: float) -> None:
        """Remove what so many later days have values; see the module.

        Args:
            now: UNIX seconds; later days do not count.
        """
        single, minutes, hours = (self._first_day(kept, now) for kept in self._keep)
        self._database.execute("DELETE FROM single WHERE time < ?", (single * DAY,))
        for width, first in ((MINUTE, minutes), (HOUR, hours)):
            slot = first * int(DAY) // width
            self._database.execute("DELETE FROM summed WHERE width = ? AND slot < ?", (width, slot))
        self._database.execute("DELETE FROM days WHERE day < ?", (min(single, minutes, hours),))

    def _first_day(self, kept: int, now: float) -> int:
        """Give the first day to keep: the newest one is not over, and so many before it are."""
        found = self._database.execute(
            "SELECT min(day) FROM (SELECT day FROM days WHERE day <= ? ORDER BY day DESC LIMIT ?)",
            (int(now // DAY), kept + 1),
        ).fetchone()
        return _EARLIEST if found[0] is None else int(found[0])

    def tell(
        self, key: str, since: float, until: float, step: float, now: float
    ) -> list[list[Any]]:
        """Give an item's history, oldest first; the latest `MOST_ANSWERED`, if there are more.

        Args:
            since, until: UNIX seconds; until 0 is now.
            step: seconds of one answer; 0 gives single values.

        Returns:
            without a step [time, value]; with one [time, mean, lowest, highest, count], where
            time is the beginning of the step.
        """
        until = until or now
        if step <= 0:
            return self._single(key, since, until)
        if step < MINUTE or step % MINUTE:
            rows = self._grouped_singles(key, since, until, step)
        else:
            width = HOUR if step % HOUR == 0 else MINUTE
            rows = self._grouped_sums(key, since, until, step, width)
        return [
            [slot * step, total / count, low, high, count] for slot, count, low, high, total in rows
        ]

    def _single(self, key: str, since: float, until: float) -> list[list[Any]]:
        rows = self._database.execute(
            "SELECT time, number, text FROM single WHERE key = ? AND time >= ? AND time <= ? "
            "ORDER BY time DESC LIMIT ?",
            (key, since, until, MOST_ANSWERED),
        ).fetchall()
        return [
            [when, _as_given(number) if text is None else decode_json(text.encode())]
            for when, number, text in reversed(rows)
        ]

    def _grouped_singles(self, key: str, since: float, until: float, step: float) -> list[Any]:
        rows = self._database.execute(
            "SELECT CAST(time / ? AS INTEGER) AS slot, count(*), min(number), max(number), "
            "sum(number) FROM single WHERE key = ? AND time >= ? AND time <= ? "
            "AND number IS NOT NULL GROUP BY slot ORDER BY slot DESC LIMIT ?",
            (step, key, since, until, MOST_ANSWERED),
        ).fetchall()
        return rows[::-1]

    def _grouped_sums(
        self, key: str, since: float, until: float, step: float, width: int
    ) -> list[Any]:
        rows = self._database.execute(
            "SELECT slot * ? / ? AS wide, sum(count), min(low), max(high), sum(total) "
            "FROM summed WHERE key = ? AND width = ? AND slot >= ? AND slot <= ? "
            "GROUP BY wide ORDER BY wide DESC LIMIT ?",
            (width, int(step), key, width, int(since // width), int(until // width), MOST_ANSWERED),
        ).fetchall()
        return rows[::-1]

    def close(self) -> None:
        """Let the file go."""
        self._database.close()


def _as_number(value: Any) -> float | None:
    return float(value) if isinstance(value, bool | int | float) else None


def _as_text(value: Any) -> str:
    if isinstance(value, Bulk):
        value = {"shape": list(value.shape), "dtype": value.dtype}
    return encode_json(value).decode()


def _as_given(number: float) -> int | float:
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


class History:
    """Collects values, and writes them once a second; in the reactor's thread.

    One lot is written at a time: what comes meanwhile is collected, and bounded.

    Args:
        chronicle: the file.
        clock: an IReactorTime.
        in_thread: calls a function in a thread.
        now: gives UNIX seconds.
    """

    _log = Logger()

    def __init__(
        self,
        chronicle: Chronicle,
        clock: Any,
        in_thread: Callable[..., Deferred[Any]],
        now: Callable[[], float],
    ) -> None:
        self._chronicle = chronicle
        self._clock = clock
        self._in_thread = in_thread
        self._now = now
        self._values: deque[Value] = deque(maxlen=MOST_COLLECTED)
        self._left_out = 0
        self._timer: Any = None
        self._writing = False
        self._forgot = 0.0
        self._strand = Strand()

    def add(self, key: str, when: float, value: Any) -> None:
        """Remember a value."""
        if len(self._values) == MOST_COLLECTED:
            self._left_out += 1
        self._values.append(Value(key, when, value))
        if self._timer is None and not self._writing:
            self._timer = self._clock.callLater(1.0, self._write)

    def _write(self) -> None:
        self._timer = None
        if self._left_out:
            self._log.warn("the disk is too slow: {count} values left out", count=self._left_out)
            self._left_out = 0
        values = list(self._values)
        self._values.clear()
        self._writing = True
        doing = self._later(self._chronicle.add, values)
        if abs(self._now() - self._forgot) > 3600:
            self._forgot = self._now()
            doing.addCallback(lambda _: self._later(self._chronicle.forget, self._forgot))
        doing.addErrback(self._failed).addBoth(self._written)

    def _written(self, _: Any) -> None:
        self._writing = False
        if self._values and self._timer is None:
            self._timer = self._clock.callLater(1.0, self._write)

    def _later(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        doing: Deferred[Any] = self._strand.do(lambda: self._in_thread(function, *arguments))
        return doing

    def _failed(self, failure: Failure) -> None:
        self._log.failure("the history could not be written", failure)

    def tell(self, key: str, since: float, until: float, step: float) -> Deferred[list[list[Any]]]:
        """Give an item's history, what was just collected included; see `Chronicle.tell`."""
        self._write_now()
        return self._later(self._chronicle.tell, key, since, until, step, self._now())

    def close(self) -> Deferred[Any]:
        """Write the rest, and let the file go."""
        self._write_now()
        return self._later(self._chronicle.close)

    def _write_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._values:
            self._write()
