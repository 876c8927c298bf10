"""Gathers one host with one worker: request after request, whatever some of them do.

How it works. Each thing wanted becomes requests to the worker; what comes back goes on as
reports: `Began`, `Records` (bodies of `protocol.records`), `Finished`. A step that takes too
long is interrupted, and the rest goes on; a worker that is lost is replaced, and what it was
at is told as lost; only when new workers fail as well is the host given up, and what was not tried
is told as skipped. Reports are passed to an async function, and the next step waits for it: so a
slow archive slows the hosts and fills no memory.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred

from plugin.gatherer.driver.driver import Driver, RequestInterrupted, RequestUnknown, WorkerLost
from plugin.gatherer.driver.launch import Launch
from plugin.gatherer.protocol.records import PIECE, Found, More, encode
from plugin.gatherer.protocol.reports import Began, Finished, Outcome, Records, Report
from plugin.gatherer.wanted.profiles import Paths, Run, Wanted

WINDOW: Final = 12
"""Pulls that are on their way at once."""

MOST_STUCK: Final = 20
"""Objects of one pattern that may hang before the rest of the pattern is given up."""

MOST_WORKERS: Final = 4
"""Workers that are started for one host before it is given up."""


Tell = Callable[[Report], Awaitable[None]]


@define
class _Step:
    """How the request that is being carried out goes."""

    index: int
    began: float
    troubles: list[str] = field(factory=list)
    code: int = 0


@define(eq=False)
class Gathering:
    """The gathering of one host.

    Args:
        reactor: for the driver.
        launch: how a worker is started.
        wanted: what is to be gathered, and why not, where policy refuses it.
        tell: takes the reports.
        clock: monotonic seconds.
    """

    reactor: Any
    launch: Launch
    wanted: Sequence[tuple[int, Wanted, str]]
    tell: Tell
    clock: Callable[[], float] = time.monotonic
    driver: Driver | None = None
    stopped: str = ""
    _workers: int = 0

    async def run(self) -> None:
        """Gather everything; nothing is raised for what hosts do."""
        try:
            for index, wanted, refused in self.wanted:
                await self._one(index, wanted, refused)
        finally:
            await self._end_worker()

    async def stop(self, why: str) -> None:
        """Gather nothing more; the running request is interrupted and told as it stands."""
        self.stopped = self.stopped or why
        if self.driver is not None:
            self.driver.interrupt(why)

    async def _one(self, index: int, wanted: Wanted, refused: str) -> None:
        if self.stopped or refused:
            outcome = Outcome.SKIPPED if self.stopped else Outcome.REFUSED
            await self.tell(Finished(index, outcome, errno.EPERM, self.stopped or refused))
            return
        await self.tell(Began(index, wanted.label))
        step = _Step(index, self.clock())
        try:
            await self._carry_out(wanted, step)
        except WorkerLost as lost:
            await self._end_worker()
            await self._finish(step, Outcome.LOST, f"the worker was lost: {lost}")
        except RequestUnknown as unknown:
            await self._finish(step, Outcome.FAILED, str(unknown))
        except RequestInterrupted as interrupted:
            step.code = errno.EINTR
            await self._finish(step, Outcome.FAILED, str(interrupted))
        else:
            outcome = Outcome.PARTLY if step.troubles else Outcome.DONE
            await self._finish(step, outcome, "; ".join(step.troubles[:5]))

    async def _finish(self, step: _Step, outcome: Outcome, why: str) -> None:
        seconds = self.clock() - step.began
        await self.tell(Finished(step.index, outcome, step.code, why, round(seconds, 3)))

    async def _carry_out(self, wanted: Wanted, step: _Step) -> None:
        driver = await self._worker()
        if self.stopped:  # meanwhile, when there was nothing to interrupt yet
            raise RequestInterrupted(self.stopped)
        if isinstance(wanted, Paths):
            await self._paths(driver, wanted, step)
        else:
            await self._run(driver, wanted, step)

    async def _worker(self) -> Driver:
        if self.driver is not None:
            return self.driver
        if self._workers >= MOST_WORKERS:
            self.stopped = self.stopped or f"given up after {MOST_WORKERS} workers were lost"
            raise WorkerLost(self.stopped)
        self._workers += 1
        self.driver = Driver(self.reactor, self.launch)
        await self.driver.start()
        return self.driver

    async def _end_worker(self) -> None:
        driver, self.driver = self.driver, None
        if driver is not None:
            await driver.stop()

    # --- files -----------------------------------------------------------------------------

    async def _paths(self, driver: Driver, wanted: Paths, step: _Step) -> None:
        count = await self._plan(driver, wanted, step)
        if not count:
            return
        hung = 0
        while True:
            try:
                await self._pull_all(driver, wanted.seconds)
                return
            except RequestInterrupted as interrupted:
                hung += 1
                step.troubles.append(str(interrupted))
                if self.stopped or hung >= MOST_STUCK:
                    return

    async def _plan(self, driver: Driver, wanted: Paths, step: _Step) -> int:
        exclude = [os.fsencode(one) for one in wanted.exclude]
        params = [
            os.fsencode(wanted.pattern),
            b"%d" % wanted.limit,
            b"%d" % wanted.follow,
            b"%d" % len(exclude),
            *exclude,
        ]
        while True:
            try:
                answer = await driver.ask(b"plan0", *params, limit=wanted.seconds)
                break
            except RequestInterrupted as interrupted:
                # what hung is passed over the next time
                step.troubles.append(str(interrupted))
                if self.stopped or len(step.troubles) >= MOST_STUCK:
                    raise
        code, count, text = answer
        step.code = int(code)
        if step.code:
            step.troubles.append(text.decode(errors="replace"))
        return int(count)

    async def _pull_all(self, driver: Driver, seconds: float) -> None:
        flight = [driver.ask(b"pull", b"0", limit=seconds) for _ in range(WINDOW)]
        try:
            while True:
                more, body = await flight.pop(0)
                if more != b"1":
                    return
                flight.append(driver.ask(b"pull", b"0", limit=seconds))
                await self.tell(Records(body))
                if self.stopped:  # an interrupt that comes while an answer is written ends nothing
                    raise RequestInterrupted(self.stopped)
        finally:
            await self._hear_out(flight)

    async def _hear_out(self, flight: Sequence[Deferred[tuple[bytes, ...]]]) -> None:
        """Take what is still on its way: it belongs to this plan, and not to the next request."""
        try:
            for answer in flight:
                try:
                    more, body = await answer
                except (RequestInterrupted, WorkerLost):
                    continue
                if more == b"1":
                    await self.tell(Records(body))
        finally:
            for answer in flight:
                answer.addErrback(lambda failure: None)  # nobody takes it any more

    # --- commands --------------------------------------------------------------------------

    async def _run(self, driver: Driver, wanted: Run, step: _Step) -> None:
        line, limit = os.fsencode(wanted.run), b"%d" % wanted.limit
        answer = await driver.ask(b"run0", line, limit, limit=wanted.seconds)
        code, left_out, said, left_err, complained = answer
        step.code = int(code)
        name = b"commands/" + os.fsencode(wanted.file)
        await self._output(name, said, int(left_out))
        if complained:
            await self._output(name + b".stderr", complained, int(left_err))

    async def _output(self, name: bytes, data: bytes, left_out: int) -> None:
        now = time.time_ns()
        size = len(data) + left_out
        found = Found(0, "f", 0o644, 0, 0, now, len(data), left_out, size, name, b"")
        head = encode(found._replace(piece=data[: PIECE // 2]))
        await self.tell(Records(head))
        for at in range(PIECE // 2, len(data), PIECE // 2):
            await self.tell(Records(encode(More(data[at : at + PIECE // 2]))))
