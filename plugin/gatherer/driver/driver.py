"""Runs a worker over pipes and asks it things.

How it works. `driver.process` has the process and its pipes, `protocol.answers` reads what comes,
`driver.watch` has the clocks; here each answer finds the one who asked. Every request has a time
limit of its own, counted from the moment at which the worker is at it. When it passes, the request,
and only it, is interrupted; when the worker does not come back to its prompt even then, it is
killed and `WorkerLost` says so.

While a request runs, SIGUSR1 asks the worker now and then whether it lives; `last_alive` is when
it last said anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred

from plugin.gatherer.driver.launch import Launch
from plugin.gatherer.driver.process import WorkerProcess
from plugin.gatherer.driver.watch import Watch
from plugin.gatherer.protocol.answers import (
    Alive,
    Answered,
    Asked,
    Client,
    Confused,
    Event,
    Interrupted,
    Prompted,
    Unknown,
)


class RequestInterrupted(Exception):
    """The request was stopped, by its time limit or on demand; the worker goes on."""


class RequestUnknown(Exception):
    """The worker does not know this request; it is older than the driver."""


class WorkerLost(Exception):
    """The worker is gone; the text says how it went."""


@define(eq=False)
class _Ticket:
    """A request that is waited for."""

    answer: Deferred[tuple[bytes, ...]]
    limit: float
    reason: str = ""


class Driver:
    """One worker.

    Args:
        reactor: starts processes, reads descriptors, and has the clock.
        launch: how the worker is started.

    Attributes:
        last_alive: when the worker last said anything, in the reactor's seconds.
        complaints: the last of what it said on stderr.
    """

    def __init__(self, reactor: Any, launch: Launch) -> None:
        self._reactor = reactor
        self._launch = launch
        self._client = Client()
        self._process = WorkerProcess(
            reactor, launch, self._hear, self._complained, self._stdout_closed, self._ended
        )
        self._watch = Watch(
            reactor, launch.patience, self._took_too_long, self._ask_alive, self._give_up
        )
        self._started: Deferred[None] = Deferred()
        self._lost = ""
        self._next_reason = ""
        self._known: frozenset[bytes] = frozenset()
        self.last_alive = reactor.seconds()
        self.complaints = b""

    @property
    def pid(self) -> int:
        """The worker's process id, where it runs."""
        return self._process.pid

    # --- life ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the worker and wait for its first prompt.

        Raises:
            WorkerLost: it does not start.
        """
        try:
            self._process.start()
        except OSError as error:
            self._lose(f"cannot start {self._launch.command[0]}: {error.strerror}")
        timer = self._reactor.callLater(
            self._launch.start_limit, self._give_up, "it came to no prompt"
        )
        try:
            await self._started
            await self._introduce()
        finally:
            if timer.active():
                timer.cancel()

    async def _introduce(self) -> None:
        for line in (await self.ask(b"version"))[1:]:
            word, _, rest = line.partition(b" ")
            if word == b"pid" and rest.isdigit():
                self._process.pid = int(rest)
            elif word == b"requests":
                self._known = frozenset(rest.split())

    async def stop(self) -> None:
        """End the worker; when it does not go, it is killed."""
        if not self._lost:
            if self._client.waiting:
                self._process.signal("INT")
            self._process.write(b"exit\n")
        await self._process.end()

    def _give_up(self, why: str) -> None:
        self._lose(why)
        self._process.kill()

    # --- asking ----------------------------------------------------------------------------

    def ask(
        self,
        name: bytes,
        *params: bytes,
        limit: float = 60.0,
        piece: Callable[[int, bytes], None] | None = None,
    ) -> Deferred[tuple[bytes, ...]]:
        """Send a request; others may be waiting before it.

        Args:
            name: as in `plugin.gatherer.protocol.requests`.
            params: all of them.
            limit: seconds, from the moment at which the worker is at it.
            piece: told the blobs piece by piece, as `answers.Asked` says.

        Returns:
            a Deferred of the answer's values; it fails with RequestInterrupted, RequestUnknown
            or WorkerLost.
        """
        answer: Deferred[tuple[bytes, ...]] = Deferred()
        if self._lost:
            answer.errback(WorkerLost(self._lost))
            return answer
        if self._known and name not in self._known:
            # not sent: its parameters would be taken for requests
            answer.errback(RequestUnknown(f"it does not know {name.decode()}"))
            return answer
        asked = Asked(name, piece, _Ticket(answer, limit))
        self._process.write(self._client.ask(asked, *params))
        self._look()
        return answer

    def interrupt(self, reason: str = "interrupted on demand") -> None:
        """Interrupt what the worker is at, or comes to next, if anything is asked of it."""
        self._next_reason = ""
        if self._lost or not self._client.waiting:
            return
        current = self._client.at
        if current is None:
            # It is still at the end of an answer, and an interrupt would be lost with that.
            self._next_reason = reason
            self._watch.interrupted(reason)
            return
        _ticket(current).reason = reason
        self._process.signal("INT")
        self._watch.interrupted(reason)

    def _took_too_long(self, reason: str) -> None:
        if self._client.at is None:
            # It has answered, and does not prompt: what comes next is not to blame.
            self._watch.interrupted(reason)
        else:
            self.interrupt(reason)

    def _look(self) -> None:
        current = self._client.current
        self._watch.at(current, 0.0 if current is None else _ticket(current).limit)
        if self._next_reason:
            self.interrupt(self._next_reason)

    def _ask_alive(self) -> None:
        self._process.signal("USR1")

    # --- hearing ---------------------------------------------------------------------------

    def _hear(self, data: bytes) -> None:
        self.last_alive = self._reactor.seconds()
        try:
            events = self._client.hear(data)
        except Confused as confused:
            self._give_up(f"it said what no worker says: {confused}")
            return
        for event in events:
            self._happened(event)
        self._look()

    def _complained(self, data: bytes) -> None:
        self.complaints = (self.complaints + data)[-4096:]
        for event in self._client.hear_complaints(data):
            self._happened(event)

    def _happened(self, event: Event) -> None:
        if isinstance(event, Alive):
            self.last_alive = self._reactor.seconds()
        elif isinstance(event, Prompted):
            if event.number == 0 and not self._started.called:
                self._started.callback(None)
        elif isinstance(event, Answered):
            _ticket(event.request).answer.callback(event.values)
        elif isinstance(event, Interrupted):
            ticket = _ticket(event.request)
            ticket.answer.errback(RequestInterrupted(ticket.reason or "interrupted by others"))
        else:
            assert isinstance(event, Unknown)
            name = event.request.name.decode()
            _ticket(event.request).answer.errback(RequestUnknown(f"it does not know {name}"))

    # --- the end ---------------------------------------------------------------------------

    def _stdout_closed(self) -> None:
        self._lose("it closed its output")

    def _ended(self, words: str) -> None:
        tail = self.complaints.strip().rpartition(b"\n")[2].decode(errors="replace")
        self._lose(f"{words} ({tail})" if tail and tail != "ALIVE" else words)

    def _lose(self, why: str) -> None:
        self._lost = self._lost or why
        self._watch.rest()
        self._process.close_stdout()
        if not self._started.called:
            self._started.errback(WorkerLost(self._lost))
        waiting, self._client.waiting = list(self._client.waiting), type(self._client.waiting)()
        self._client.current = None
        for asked in waiting:
            _ticket(asked).answer.errback(WorkerLost(self._lost))


def _ticket(asked: Asked) -> _Ticket:
    ticket = asked.tag
    assert isinstance(ticket, _Ticket)
    return ticket
