"""Runs a worker over pipes and asks it things: the transport of the client's side.

How it works. `Launch` says how a worker is started and how a signal reaches it: a local process is
signalled directly; over `ssh` or into a container a second command carries the signal, with the
process id that `version` tells. Every request has a time limit of its own, counted from the moment
at which the worker is at it. When it passes, the request, and only it, is interrupted; when the
worker does not come back to its prompt even then, it is killed and `WorkerLost` says so.

While a request runs, SIGUSR1 asks the worker now and then whether it lives; `last_alive` is when
it last said anything.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from plugin.gatherer.driver.launch import Launch
from plugin.gatherer.driver.pipe import PIPE_SIZE, Stdout
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

_log = Logger()

ALIVE_EVERY: Final = 5.0
"""Seconds between two questions whether the worker lives, while a request runs."""


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
    timer: IDelayedCall | None = None
    reason: str = ""


class Driver(ProcessProtocol):
    """One worker.

    Args:
        reactor: starts processes, reads descriptors, and has the clock.
        launch: how the worker is started.
    """

    def __init__(self, reactor: Any, launch: Launch) -> None:
        self._reactor = reactor
        self._launch = launch
        self._client = Client()
        self._stdout: Stdout | None = None
        self._started: Deferred[None] = Deferred()
        self._ended: list[Deferred[None]] = []
        self._lost = ""
        self._gone = False
        self._killer: IDelayedCall | None = None
        self._asking: IDelayedCall | None = None
        self._returning: IDelayedCall | None = None
        self._timed: Asked | None = None
        self._known: frozenset[bytes] = frozenset()
        self.pid = 0
        self.last_alive = reactor.seconds()
        self.complaints = b""

    # --- life ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the worker and wait for its first prompt.

        Raises:
            WorkerLost: it does not start.
        """
        readable, writable = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            fcntl.fcntl(readable, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self._stdout = Stdout(self._reactor, readable, self._hear, self._stdout_closed)
        environment = {**os.environ, **dict(self._launch.environment)}
        environment["PYTHONPATH"] = os.pathsep.join(one for one in sys.path if one)
        command = self._launch.command
        try:
            self._reactor.spawnProcess(
                self, command[0], command, env=environment, childFDs={0: "w", 1: writable, 2: "r"}
            )
        except OSError as error:
            self._lose(f"cannot start {command[0]}: {error.strerror}")
        finally:
            os.close(writable)
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
            if word == b"pid":
                self.pid = int(rest)
            elif word == b"requests":
                self._known = frozenset(rest.split())

    async def stop(self) -> None:
        """End the worker; when it does not go, it is killed."""
        if self._gone:
            return
        ended: Deferred[None] = Deferred()
        self._ended.append(ended)
        if not self._lost and self.transport is not None:
            if self._client.waiting:
                self.signal("INT")
            self.transport.write(b"exit\n")
            self.transport.closeStdin()
        self._killer = self._killer or self._reactor.callLater(self._launch.patience, self._kill)
        await ended

    def signal(self, name: str) -> None:
        """Send INT, USR1 or KILL to the worker."""
        if self._launch.signal and self.pid:
            words = {"signal": name, "pid": self.pid}
            command = [one.format(**words) for one in self._launch.signal]
            self._reactor.spawnProcess(ProcessProtocol(), command[0], command, env=dict(os.environ))
        elif not self._launch.signal and self.transport is not None:
            with contextlib.suppress(ProcessExitedAlready):
                self.transport.signalProcess(name)

    def _kill(self) -> None:
        self._spare_killer()
        self.signal("KILL")
        if self._launch.signal and self.transport is not None:
            with contextlib.suppress(ProcessExitedAlready):
                self.transport.signalProcess("KILL")

    def _spare_killer(self) -> None:
        if self._killer is not None and self._killer.active():
            self._killer.cancel()
        self._killer = None

    def _give_up(self, why: str) -> None:
        self._lose(why)
        self._kill()

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
        assert self.transport is not None
        self.transport.write(self._client.ask(asked, *params))
        self._watch()
        return answer

    def interrupt(self, reason: str = "interrupted on demand") -> None:
        """Interrupt what the worker is at, if it is at anything."""
        current = self._client.current
        if current is None or self._lost:
            return
        _ticket(current).reason = reason
        self.signal("INT")
        if self._returning is None:
            self._returning = self._reactor.callLater(
                self._launch.patience,
                self._give_up,
                f"it did not come back from an interrupt ({reason})",
            )

    def _watch(self) -> None:
        """Give what the worker is at its time."""
        current = self._client.current
        if current is self._timed:
            return
        self._cancel_timers()
        self._timed = current
        if current is not None:
            ticket = _ticket(current)
            words = f"it took longer than {ticket.limit:g} s"
            ticket.timer = self._reactor.callLater(ticket.limit, self.interrupt, words)
            self._asking = self._reactor.callLater(ALIVE_EVERY, self._ask_alive)

    def _cancel_timers(self) -> None:
        timers = [self._asking, self._returning]
        if self._timed is not None:
            timers.append(_ticket(self._timed).timer)
        for timer in timers:
            if timer is not None and timer.active():
                timer.cancel()
        self._asking = self._returning = None

    def _ask_alive(self) -> None:
        self.signal("USR1")
        self._asking = self._reactor.callLater(ALIVE_EVERY, self._ask_alive)

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
        self._watch()

    def errReceived(self, data: bytes) -> None:
        """Take what the worker says on stderr."""
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
        if not self._gone:
            self._lose("it closed its output")
            self._killer = self._killer or self._reactor.callLater(
                self._launch.patience, self._kill
            )

    def processEnded(self, reason: Failure) -> None:
        """Take note that the process is gone."""
        self._gone = True
        self._spare_killer()
        words = reason.getErrorMessage().rstrip(".")
        tail = self.complaints.strip().rpartition(b"\n")[2].decode(errors="replace")
        self._lose(f"{words} ({tail})" if tail and tail != "ALIVE" else words)
        ended, self._ended = self._ended, []
        for one in ended:
            one.callback(None)

    def _lose(self, why: str) -> None:
        self._lost = self._lost or why
        self._cancel_timers()
        self._timed = None
        if self._stdout is not None:
            self._stdout.close()
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
