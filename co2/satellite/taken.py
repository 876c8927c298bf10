"""What an inbox has taken, in memory: for tests, and for programs that live for a moment."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from co2.interfaces import ITaken
from co2.model.messages import Taken
from co2.model.recent import Recent

_REMEMBERED = 20_000

Key = tuple[str, str]


@implementer(ITaken)
class MemoryTaken:
    """See the module.

    Args:
        outlives: a test keeps it over what stands for the end of a process.
    """

    def __init__(self, outlives: bool = False) -> None:
        self.outlives = outlives
        self._known: Recent[Key, Taken] = Recent(_REMEMBERED)

    def known(self, key: Key) -> Taken | None:
        """Give what is known of that message."""
        return self._known.get(key)

    def begin(self, key: Key, digest: bytes) -> None:
        """Note that plugins are about to see it."""
        self._known.put(key, Taken(digest, None, True))

    def restart(self) -> None:
        """Stand for a new process: what was running when the former one died runs no more."""
        for key, known in self._known.items():
            self._known.put(key, known._replace(running=False))

    def finish(self, key: Key, answer: dict[str, Any]) -> None:
        """Note the answer."""
        known = self._known.get(key)
        if known is not None:
            self._known.put(key, Taken(known.digest, answer, False))
