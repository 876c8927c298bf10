"""What may not be written now, so that nothing overtakes what has just failed.

Two rules. Within a line (a journal), what was handed over before a failure was told fails with it,
and nothing new is taken until the last of that has been told: so the line's numbers have no gaps.
Then, of each author whose message was lost, that message has to come first: a sender may have
written others ahead, and tries the lost one again. Who never does is waited for no longer than
`_PATIENCE`.
"""

from __future__ import annotations

from collections import Counter

from co2.model.recent import Recent

_PATIENCE = 60.0
"""Seconds that an author's lost message is waited for: many times what its fault tells to wait."""
_MOST = 100_000
"""Authors whose lost message is waited for."""

Key = tuple[str, str]
"""Author and id of a message."""


class Order:
    """See the module; times are seconds of a clock that is never set back."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._failing: set[str] = set()
        self._lost: Recent[tuple[str, str], tuple[str, float]] = Recent(_MOST)

    def allows(self, line: str, key: Key | None, now: float) -> bool:
        """Tell whether a write of that line may be handed over; if not, it is lost."""
        if line in self._failing:
            self._lose(line, key, now)
            return False
        return key is None or self._awaited(line, key[0], now) in (None, key[1])

    def begin(self, line: str, key: Key | None) -> bool:
        """Note that a write is handed over; tell whether nothing of its line was under way."""
        if key:
            self._lost.forget((line, key[0]))
        self._under_way[line] += 1
        return self._under_way[line] == 1

    def end(self, line: str, key: Key | None, failed: bool, now: float) -> None:
        """Note what became of it."""
        self._under_way[line] -= 1
        if failed and line:
            self._failing.add(line)
            self._lose(line, key, now)
        if not self._under_way[line]:
            self._failing.discard(line)

    def _lose(self, line: str, key: Key | None, now: float) -> None:
        """Remember an author's first lost message."""
        if key and self._awaited(line, key[0], now) is None:
            self._lost.put((line, key[0]), (key[1], now + _PATIENCE))

    def _awaited(self, line: str, author: str, now: float) -> str | None:
        """Give the id of the message that an author has to send first, if there is one."""
        lost = self._lost.get((line, author))
        return lost[0] if lost is not None and now < lost[1] else None
