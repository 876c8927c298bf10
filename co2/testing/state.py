"""What a server keeps, in memory: for tests that start a server, kill it, and start it again."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from co2.delivery.journal import MemoryJournal
from co2.interfaces import IIdentityStore, IRosterStore
from co2.model.hosts import Identity, Registration
from co2.model.settings import Retention
from co2.satellite.taken import MemoryTaken


@implementer(IIdentityStore, IRosterStore)
class MemoryState:
    """Identity, roster, journals. The object outlives the server, as a state folder does.

    Attributes:
        writes: how often something was kept or forgotten.
    """

    def __init__(self) -> None:
        self.writes = 0
        self._identity: Identity | None = None
        self._roster: dict[str, Registration] = {}
        self._journals: dict[str, MemoryJournal] = {}
        self.taken = MemoryTaken(outlives=True)

    def journal(
        self, name: str, fresh_id: str, retention: Retention, outgoing: bool
    ) -> MemoryJournal:
        """Give the journal of that name, as it was left, or a new one."""
        return self._journals.setdefault(
            name, MemoryJournal(fresh_id, retention.entries, retention.size, outgoing)
        )

    def identity(self, draw: Callable[[], Identity]) -> Identity:
        """Give the identity that was kept, or keep and give the one that `draw` makes."""
        if self._identity is None:
            self._identity = draw()
            self.writes += 1
        return self._identity

    def load(self) -> list[Registration]:
        """Give every registration that was kept, the oldest first."""
        return sorted(self._roster.values(), key=lambda one: one.created)

    def keep(self, registration: Registration) -> None:
        """Keep a new or changed registration."""
        self._roster[registration.random] = registration
        self.writes += 1

    def forget(self, random: str) -> None:
        """Remove a registration."""
        self._roster.pop(random, None)
        self.writes += 1

    def close(self) -> None:
        """Let go of nothing."""
