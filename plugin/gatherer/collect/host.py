"""A host that is gathered, and how far it is; the live table shows this."""

from __future__ import annotations

from attrs import define
from twisted.internet.defer import Deferred

from plugin.gatherer.archive.packing import Packer
from plugin.gatherer.driver.sources import Source


@define(eq=False)
class Host:
    """One host.

    Attributes:
        name: what people call it.
        source: where its reports come from.
        state: `waiting`, `learning names`, `gathering`, or its manifest's state.
        why: what a person should know of it, or nothing.
        packer: takes what it sends; None before it is its turn.
        began, ended: in the clock's seconds; 0 while not.
        running: its gathering, once it has begun.
    """

    name: str
    source: Source
    state: str = "waiting"
    why: str = ""
    packer: Packer | None = None
    began: float = 0.0
    ended: float = 0.0
    running: Deferred[None] | None = None

    @property
    def content(self) -> int:
        """Bytes that have come."""
        return 0 if self.packer is None else self.packer.content

    @property
    def current(self) -> str:
        """The request that it is at."""
        return "" if self.packer is None else self.packer.current
