"""How often the collector of cyclic garbage looks through what a server holds.

Knows no server. Python's own choice is for programs that live for a moment: it begins after 700 new
objects. A relay has a hundred thousand messages in flight to a thousand satellites, none of which
is garbage and hardly any of which is ever in a cycle, and spent a tenth of its time on looking.
"""

from __future__ import annotations

import gc

_YOUNG = 20_000
"""New objects, less those that are gone again, after which the youngest are looked through: a few
megabytes of garbage at most."""

_MIDDLE = 20
_OLD = 50
"""How often the younger ones are looked through before the next older ones are."""


def collect_seldom() -> None:
    """Set the collector for a process that runs for long; once done it stays done."""
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
