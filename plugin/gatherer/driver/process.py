"""A worker's process and its pipes: starting it, writing to it, signalling it, ending it.

What this decides: how bytes and signals reach a worker, wherever it runs, and that one that does
not go is killed. It knows nothing of requests.

A local worker is signalled directly. One behind `ssh`, or in a container, is signalled by a second
command that goes the same way in; where that one fails, what was started here gets the signal.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from plugin.gatherer.driver.launch import Launch
from plugin.gatherer.driver.pipe import PIPE_SIZE, Stdout


class _Carrier(ProcessProtocol):
    """A command that carries a signal; `ended` is told whether it did."""

    def __init__(self, ended: Callable[[bool], None]) -> None:
        self._ended = ended

    def processEnded(self, reason: Failure) -> None:
        self._ended(reason.check(ProcessDone) is not None)


class WorkerProcess(ProcessProtocol):
    """One worker's process.

    Args:
        reactor: starts processes, reads descriptors, and has the clock.
        launch: how the worker is started.
        hear: told the bytes of stdout.
        complain: told the bytes of stderr.
        closed: called when stdout has ended and the process may not have.
        ended: told why, once the process is gone.

    Attributes:
        pid: the worker's own, where it runs; 0 while it is not known.
    """

    def __init__(
        self,
        reactor: Any,
        launch: Launch,
        hear: Callable[[bytes], None],
        complain: Callable[[bytes], None],
        closed: Callable[[], None],
        ended: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._launch = launch
        self._hear = hear
        self._complain = complain
        self._closed = closed
        self._ended = ended
        self._stdout: Stdout | None = None
        self._killer: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []
        self._carriers: dict[str, IProcessTransport] = {}
        self._gone = False
        self.pid = 0

    def start(self) -> None:
        """Start it.

        Raises:
            OSError: there is no such program, or no room for another process.
        """
        readable, writable = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            fcntl.fcntl(readable, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self._stdout = Stdout(self._reactor, readable, self._hear, self._stdout_closed)
        environment = {**os.environ, **dict(self._launch.environment)}
        command = self._launch.command
        try:
            self._reactor.spawnProcess(
                self, command[0], command, env=environment, childFDs={0: "w", 1: writable, 2: "r"}
            )
        except OSError:
            self._gone = True
            self._stdout.close()
            raise
        finally:
            os.close(writable)

    def write(self, data: bytes) -> None:
        """Write to its stdin."""
        if self.transport is None:
            return
        self.transport.write(data)
        # Now, and not in the reactor's next turn: a signal would overtake it.
        transport: Any = self.transport  # its interface does not tell of pipes
        if 0 in transport.pipes:
            transport.pipes[0].doWrite()

    def signal(self, name: str) -> None:
        """Send INT, USR1 or KILL to the worker."""
        if not self._launch.signal or not self.pid:
            self._signal_here(name)
            return
        if name in self._carriers:
            return  # the one before is still on its way: a lost network must not heap them up
        command = [one.format(signal=name, pid=self.pid) for one in self._launch.signal]
        carrier = _Carrier(lambda done: self._carried_out(name, done))
        self._carriers[name] = self._reactor.spawnProcess(
            carrier, command[0], command, env=dict(os.environ)
        )

    def _carried_out(self, name: str, done: bool) -> None:
        del self._carriers[name]
        if not done:
            self._signal_here(name)
        self._tell_end()

    def _signal_here(self, name: str) -> None:
        # what leads to a worker may itself end at a signal that the worker would survive
        leads = bool(self._launch.signal)
        if self.transport is not None and not self._gone and (name != "USR1" or not leads):
            with contextlib.suppress(ProcessExitedAlready):
                # Twisted knows few signals by their names.
                self.transport.signalProcess(getattr(signal, f"SIG{name}"))

    async def end(self) -> None:
        """Close its stdin and wait for its end; when it does not go, it is killed.

        What carries signals to it is waited for as well: it may outlive the worker by a moment.
        """
        if self._gone and not self._carriers:
            return
        if self.transport is not None and not self._gone:
            self.transport.closeStdin()
        self.kill_soon()
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        await waiting

    def kill_soon(self) -> None:
        """Kill it when it has not gone within the launch's patience."""
        if self._killer is None and not self._gone:
            self._killer = self._reactor.callLater(self._launch.patience, self.kill)

    def kill(self) -> None:
        """Kill it now, and what leads to it."""
        self._spare()
        if self._launch.signal:
            self.signal("KILL")
        self._signal_here("KILL")

    def _spare(self) -> None:
        if self._killer is not None and self._killer.active():
            self._killer.cancel()
        self._killer = None

    def close_stdout(self) -> None:
        """Hear nothing more."""
        if self._stdout is not None:
            self._stdout.close()

    # --- what happens to it ----------------------------------------------------------------

    def errReceived(self, data: bytes) -> None:
        """Take what it says on stderr."""
        self._complain(data)

    def _stdout_closed(self) -> None:
        if not self._gone:
            self._closed()
            self.kill_soon()

    def processEnded(self, reason: Failure) -> None:
        """Take note that the process is gone."""
        self._gone = True
        self._spare()
        self._ended(reason.getErrorMessage().rstrip("."))
        self._tell_end()

    def _tell_end(self) -> None:
        if not self._gone:
            return
        if self._carriers:
            if self._killer is None:
                self._killer = self._reactor.callLater(self._launch.patience, self._kill_carriers)
            return
        self._spare()
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

    def _kill_carriers(self) -> None:
        for one in self._carriers.values():
            with contextlib.suppress(ProcessExitedAlready):
                one.signalProcess("KILL")
