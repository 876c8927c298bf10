"""The two clocks of co2, and which of them is asked for what.

- The *steady* clock is the reactor's `seconds()`. It begins anywhere and is never set. Leases,
  timeouts, waits, pings, rates and the age of what is kept are measured by it and by nothing else.
  Its numbers mean nothing to another process: they are neither sent nor written down.
- The *wall* clock is `time.time`, passed down as `now`. It may be set by a year at any moment, in
  either direction. It is for what people and other hosts read: a message's `time`, a receipt's,
  `ctime`, `Date`, the beginning of a ULID. Nothing is ever decided by the difference of two such
  times, since the clock may have been set between them, or belong to somebody else.

What must be old over a restart (retention) has no clock to ask: the journal counts how long it has
been in use, and writes that count down (`net.journal_sqlite`).

Twisted's reactors take the wall clock for their `seconds()`, so whoever runs one calls
`keep_steady` first.
"""

from __future__ import annotations

import time
from typing import Any


def keep_steady(reactor: Any) -> None:
    """Let a reactor measure time by a clock that nobody sets.

    With Twisted's own choice, a wall clock that is set ahead makes everything due at once, and one
    that is set back stops all timers for as long. Once done it stays done.

    Args:
        reactor: one that Twisted made, running or not; called in its thread, if it runs. What it
            has been asked to call later stays due in as many seconds.
    """
    if reactor.seconds is time.monotonic:
        return
    waiting = [(call, call.getTime() - reactor.seconds()) for call in reactor.getDelayedCalls()]
    reactor.seconds = time.monotonic
    for call, left in waiting:
        call.seconds = time.monotonic
        call.reset(max(0.0, left))
