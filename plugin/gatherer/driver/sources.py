"""Where a host's reports come from, and the one that needs nothing but a worker over pipes.

Every source offers the same four things, so that what collects from many hosts knows no
difference; `driver.network` has the other one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from plugin.gatherer.driver.driver import Driver, RequestInterrupted, WorkerLost
from plugin.gatherer.driver.gathering import Gathering
from plugin.gatherer.driver.launch import Launch
from plugin.gatherer.protocol.reports import Report
from plugin.gatherer.wanted.profiles import Wanted

LEARN_FROM: Final = ("/etc/hostname", "/etc/hosts", "/etc/passwd")
"""Files that tell the names which cleaning looks for."""

_LEARN_LIMIT: Final = 10.0

Tell = Callable[[Report], Awaitable[None]]


class HostLost(Exception):
    """A host cannot be gathered, or not any further; the text says why."""


class Source(Protocol):
    """A host to gather from."""

    @property
    def last_alive(self) -> float:
        """When it last gave a sign of life, in the reactor's seconds."""

    async def learn(self) -> list[tuple[str, str]]:
        """Give (path, text) of the files that tell names."""

    async def run(self, wanted: Sequence[tuple[int, Wanted]], tell: Tell) -> None:
        """Gather; every report goes to `tell`."""

    async def stop(self, why: str) -> None:
        """Gather nothing more."""


class WorkerSource:
    """A host that is reached by starting a worker: this one, or another over ssh."""

    def __init__(self, reactor: Any, launch: Launch) -> None:
        self._reactor = reactor
        self._launch = launch
        self._gathering: Gathering | None = None
        self._stopped = ""
        self._seen = 0.0

    @property
    def last_alive(self) -> float:
        """When the worker last said anything."""
        driver = None if self._gathering is None else self._gathering.driver
        if driver is not None:
            self._seen = driver.last_alive
        return self._seen

    async def learn(self) -> list[tuple[str, str]]:
        """Give the files that tell names."""
        driver = Driver(self._reactor, self._launch)
        found = []
        try:
            await driver.start()
            for path in LEARN_FROM:
                answer = driver.ask(b"read", path.encode(), b"0", b"0", limit=_LEARN_LIMIT)
                try:
                    found.append((path, (await answer)[2].decode(errors="replace")))
                except RequestInterrupted:
                    continue
        except WorkerLost as lost:
            raise HostLost(str(lost)) from lost
        finally:
            await driver.stop()
        return found

    async def run(self, wanted: Sequence[tuple[int, Wanted]], tell: Tell) -> None:
        """Gather with workers, one at a time."""
        asked = [(index, one, "") for index, one in wanted]
        self._gathering = Gathering(self._reactor, self._launch, asked, tell)
        self._gathering.stopped = self._stopped
        await self._gathering.run()
        if self._gathering.stopped and not self._stopped:
            raise HostLost(self._gathering.stopped)

    async def stop(self, why: str) -> None:
        """Gather nothing more."""
        self._stopped = why
        if self._gathering is not None:
            await self._gathering.stop(why)
