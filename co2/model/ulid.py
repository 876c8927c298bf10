"""ULIDs: 26 characters that sort by the time they were made in (Crockford's base 32)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FORM = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")
_RANDOM_BITS = 80


def is_ulid(text: object) -> bool:
    """Tell whether this is a ULID in its canonical upper-case form."""
    return isinstance(text, str) and _FORM.match(text) is not None


class UlidSource:
    """Makes ULIDs that only ever grow, within a millisecond and when the clock is set back.

    Any thread may ask.

    Args:
        now: gives UNIX seconds.
        randbits: gives that many random bits as an int (`secrets.randbits`).
    """

    def __init__(self, now: Callable[[], float], randbits: Callable[[int], int]) -> None:
        self._now = now
        self._randbits = randbits
        self._last = 0
        self._turn = threading.Lock()

    def make(self) -> str:
        """Give a new ULID."""
        with self._turn:
            fresh = (int(self._now() * 1000) << _RANDOM_BITS) | self._randbits(_RANDOM_BITS)
            if fresh >> _RANDOM_BITS <= self._last >> _RANDOM_BITS:
                fresh = self._last + 1
            self._last = fresh
        characters = []
        for shift in range(125, -5, -5):
            characters.append(_ALPHABET[(fresh >> shift) & 31])
        return "".join(characters)
