"""One genus at work: its table and code, its connections, and how they are replaced.

How a reconfiguration works: the new configuration and the new code are read and checked first. If
anything is wrong with them, every complaint is logged and nothing changes. Otherwise every live
handler is closed, so that its `finally` blocks run, its connection is closed and its timers are
gone; so are the poller and the timer of updates; then the new version takes over and starts its
own. The port, the connections without a handler, and the clients' sessions stay.

Source: the seed, and section 1.7 of the reference for what the original does to suspended ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Protocol as Shape

from twisted.internet.interfaces import IReactorFDSet, IReactorTCP, IReactorTime
from twisted.internet.task import LoopingCall

from plugin.snake.cedar.commands import OFF, RECONFIG, name_of
from plugin.snake.cedar.server import Command
from plugin.snake.daemon.connection import CommandConnection
from plugin.snake.daemon.files import sinful, write_address
from plugin.snake.daemon.gate import Authority, PeerGate
from plugin.snake.daemon.logs import ERROR, DaemonLog
from plugin.snake.daemon.polling import Poller
from plugin.snake.daemon.stream import Address, Listener
from plugin.snake.daemon.updates import AdUpdates
from plugin.snake.handlers.code import Code, load
from plugin.snake.handlers.imports import CodeError
from plugin.snake.handlers.steps import Steps
from plugin.snake.language.genus import Genus
from plugin.snake.language.macros import ConfigError

MAX_CONNECTIONS = 4000
MAX_HELD = 256 * 1024 * 1024
"""Bytes of unfinished requests that all connections together may have sent."""
SWEEP = 1.0
"""Seconds between two looks for connections whose peer is overdue."""


class Reactor(IReactorTCP, IReactorTime, IReactorFDSet):
    """What the daemon needs of a reactor."""


class IListening(Shape):
    """Something that listens; `address` says where."""

    address: Address

    def close(self) -> None:
        """Listen no more."""


class SnakeDaemon:
    """The daemon of one genus.

    Args:
        read: reads the configuration; raises ConfigError.
        reactor: for sockets and timers.
        log: where lines go.
        ended: called when the daemon is to end: its poller returned, or a command said so.
        listen: begins to listen, as `stream.Listener`.
        reconfigured: called when a new table and new code are in use.
    """

    def __init__(
        self,
        read: Callable[[], Genus],
        reactor: Reactor,
        log: DaemonLog,
        ended: Callable[[], None],
        listen: Callable[..., IListening] = Listener,
        reconfigured: Callable[[], None] = lambda: None,
    ) -> None:
        self._read = read
        self._reactor = reactor
        self.clock: IReactorTime = reactor
        self.log = log
        self._ended = ended
        self._listen = listen
        self._reconfigured = reconfigured
        self._listener: IListening | None = None
        self._sweeping = LoopingCall(self._sweep)
        self._sweeping.clock = reactor
        self._connections: set[CommandConnection] = set()
        self._held = 0
        self._borrowed: set[Callable[[], None]] = set()
        self.genus: Genus
        self._code: Code
        self._poller: Poller | None = None
        self._updates: AdUpdates | None = None
        self._authority = Authority()

    # --- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Read everything, listen, and begin.

        Raises:
            ConfigError, CodeError: there is nothing old to keep, so a bad start is none.
            OSError: it cannot listen there.
        """
        self._take_over(*self._new())
        self._listener = self._listen(
            self._reactor, lambda: CommandConnection(self), self.genus.interface, self.genus.port
        )
        self._sweeping.start(SWEEP, now=False)
        self.log.line(f"snaked {self.genus.name} started, command socket {self.address}")
        self._write_address()
        self._begin()

    def stop(self) -> None:
        """Close everything."""
        self._end_all()
        for connection in list(self._connections):
            connection.drop()
        if self._listener is not None:
            self._listener.close()
            self._sweeping.stop()
        self._listener = None
        if self.genus.address_file is not None:
            with contextlib.suppress(OSError):
                self.genus.address_file.unlink()
        self.log.line(f"snaked {self.genus.name} stopped")

    def reconfigure(self) -> list[str]:
        """Load configuration and code anew.

        Returns:
            complaints; if there are any, nothing was changed.
        """
        try:
            new = self._new()
        except (ConfigError, CodeError) as error:
            self.log.failure("reconfiguration refused, everything stays as it was", error)
            return error.complaints
        if (new[0].interface, new[0].port) != (self.genus.interface, self.genus.port):
            self.log.line("WARNING: interface and port stay as they are until the next start")
        self._end_all()
        self._take_over(*new)
        self._write_address()
        self._begin()
        self._reconfigured()
        self.log.line(f"reconfigured, {len(self.genus.table)} commands")
        return []

    def wake(self, signal: str) -> bool:
        """Wake the poller, if this is its signal; tells whether it was."""
        polling = self.genus.polling
        if self._poller is None or polling is None or polling.signal != signal:
            return False
        self._poller.wake()
        return True

    @property
    def address(self) -> str:
        """The sinful, as clients are given it; empty before the start."""
        return "" if self._listener is None else sinful(*self._listener.address)

    @property
    def live(self) -> int:
        """How many handlers are at work, those of co2 calls among them."""
        return sum(connection.busy for connection in self._connections) + len(self._borrowed)

    def _new(self) -> tuple[Genus, Code]:
        genus = self._read()
        return genus, load(genus)

    def _take_over(self, genus: Genus, code: Code) -> None:
        self.genus, self._code = genus, code
        self._authority.take_over(genus)
        self.log.debug, self.log.file = genus.debug, genus.log_file
        for warning in genus.warnings:
            self.log.line(f"WARNING: {warning}")

    def _write_address(self) -> None:
        if self.genus.address_file is not None:
            try:
                write_address(self.genus.address_file, self.address)
            except OSError as error:
                self.log.line(f"the address file cannot be written: {error}", ERROR)

    def _begin(self) -> None:
        if self.genus.polling is not None:
            generator = self._code.poller(self.genus.polling.function)()
            self._poller = Poller(generator, self.clock, self.log, self._ended)
            self._poller.start()
        self._updates = AdUpdates(self.genus, self._code, self._reactor, self.log, self.address)
        self._updates.start()

    def _end_all(self) -> None:
        """Close every live generator, with its connection and its timers."""
        for connection in list(self._connections):
            if connection.busy:
                connection.drop()
        for close in list(self._borrowed):
            close()
        self._borrowed.clear()
        if self._poller is not None:
            self._poller.close()
            self._poller = None
        if self._updates is not None:
            self._updates.stop()

    # --- what connections ask ------------------------------------------------------------------

    def gate(self, address: str, host: tuple[str, int]) -> PeerGate:
        """Give the gate for a peer's address, and the address and port that it called."""
        return PeerGate(self._authority, address, host)

    def connected(self, connection: CommandConnection) -> bool:
        """Note a new connection; False if there are too many."""
        if len(self._connections) >= MAX_CONNECTIONS:
            self.log.line(f"refused: {MAX_CONNECTIONS} connections are open")
            return False
        self._connections.add(connection)
        return True

    def disconnected(self, connection: CommandConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    def grown(self, more: int) -> None:
        """Note that so many bytes more, or less, of unfinished requests wait.

        Beyond the bound the connection that has most is closed: it frees most, and whoever sends
        little is served.
        """
        self._held += more
        if self._held > MAX_HELD:
            self.log.line(f"more than {MAX_HELD >> 20} MiB of unfinished requests wait", ERROR)
            max(self._connections, key=lambda connection: connection.held).shed()

    def _sweep(self) -> None:
        now = self.clock.seconds()
        for connection in list(self._connections):
            connection.look_at_deadline(now)

    def steps(self, command: Command) -> Steps | None:
        """Begin the handler of a command; None if the daemon did it by itself."""
        if command.number in self.genus.table:
            return self.conversation(command.number)
        if command.number in RECONFIG:
            self.log.line(f"{name_of(command.number)} of {command.user}")
            # a turn later, so that the connection that asked is done with its command
            self.clock.callLater(0, self.reconfigure)
        elif command.number in OFF:
            self.log.line(f"{name_of(command.number)} of {command.user}")
            self.clock.callLater(0, self._ended)
        return None

    def conversation(self, number: int) -> Steps:
        """Begin the handler of a command of the table."""
        return Steps(self._code.handler(self.genus.table[number].function)(number))

    def lend(self, close: Callable[[], None]) -> Callable[[], None]:
        """Note a handler that somebody else runs, to be closed at a reconfiguration.

        Returns:
            what says that it has ended.
        """
        self._borrowed.add(close)
        return partial(self._borrowed.discard, close)
