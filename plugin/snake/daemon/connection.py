"""One accepted connection on Twisted: bytes to the protocol core, commands to the daemon.

Invariants: one handler at a time on a connection. While a handler runs and does not read, at most
`READ_AHEAD` bytes of the peer are taken, and `held` tells the daemon, which bounds all together,
how many wait; so peers cannot fill the memory. A connection that says
nothing for `IDLE` seconds between commands is closed; so is one that takes nothing of a reply for
`STALLED` seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from typing import Protocol as Shape

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from plugin.snake.cedar.commands import name_of
from plugin.snake.cedar.errors import CedarError, PayloadError
from plugin.snake.cedar.negotiation import DENIED
from plugin.snake.cedar.server import Command, Gate, Refused, ServerConnection
from plugin.snake.cedar.wire import Wire
from plugin.snake.daemon.connected import Connected
from plugin.snake.daemon.logs import COMMAND, ERROR, SECURITY, DaemonLog
from plugin.snake.handlers.reading import PayloadTimeout, PeerGone
from plugin.snake.handlers.run import Run
from plugin.snake.handlers.steps import Steps

IDLE = 20.0
STALLED = 300.0
READ_AHEAD = 1024 * 1024


class ICommands(Shape):
    """What a connection asks of the daemon."""

    log: DaemonLog
    clock: IReactorTime

    def gate(self, address: str, host: tuple[str, int]) -> Gate:
        """Give the gate for a peer's address, and the address and port that it called."""

    def steps(self, command: Command) -> Steps | None:
        """Begin the handler of a command; None if the daemon did it by itself."""

    def connected(self, connection: CommandConnection) -> bool:
        """Note a new connection; False if there are too many."""

    def disconnected(self, connection: CommandConnection) -> None:
        """Forget a connection."""

    def grown(self, more: int) -> None:
        """Note that so many bytes more, or less, of unfinished requests wait."""


def _nothing() -> None:
    """What happens when nothing is overdue."""


@implementer(IPushProducer)
class CommandConnection(Protocol):
    """One connection of one client."""

    def __init__(self, daemon: ICommands) -> None:
        self._daemon = daemon
        self._wire = Wire()
        self._run: Run | None = None
        self._command: Command | None = None
        self._deadline = math.inf
        self._overdue: Callable[[], None] = self._idled
        self._paused = self._serving = self._closed = False
        self._peer = "?"
        self.held = 0

    # --- what Twisted tells --------------------------------------------------------------------

    def connectionMade(self) -> None:
        """Begin, unless there are too many."""
        transport: Any = self.transport
        self._transport: Connected = transport
        self._peer = getattr(self._transport.getPeer(), "host", "127.0.0.1")
        if not self._daemon.connected(self):
            self._transport.abortConnection()
            return
        host = self._transport.getHost()
        gate = self._daemon.gate(self._peer, (host.host, host.port))
        self._server = ServerConnection(gate, self._wire)
        self._transport.registerProducer(self, True)
        self._expect()

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        if self._closed:
            return
        try:
            self._wire.feed(data)
        except CedarError as error:
            self._break_off(str(error))
            return
        if self._run is not None:
            self._serving = True
            self._run.received()
            self._serving = False
        if self._run is None and not self._closed:
            self._serve()
        self._read_ahead()
        self._account()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The handler is told; it may still finish what needs no peer."""
        self._closed = True
        self._calm()
        # it refers to this, and what refers to itself waits for the garbage collector
        self._overdue = _nothing
        self._daemon.disconnected(self)
        if self.held:
            self._daemon.grown(-self.held)
            self.held = 0
        if self._run is not None:
            self._run.peer_left()

    def pauseProducing(self) -> None:
        """The send buffer is full."""
        if self._run is not None:
            self._run.held()
            self._expect(self._transport.abortConnection, STALLED)

    def resumeProducing(self) -> None:
        """The send buffer has room."""
        if self._run is not None:
            self._calm()
            self._run.released()

    def stopProducing(self) -> None:
        """Nothing will be sent any more; `connectionLost` follows."""

    # --- commands ------------------------------------------------------------------------------

    def _serve(self) -> None:
        self._serving = True
        try:
            while self._run is None and not self._closed:
                command = self._server.next_command(self._daemon.clock.seconds())
                self._flush()
                if command is None:
                    break
                self._begin(command)
        except Refused as refusal:
            what = "PERMISSION DENIED to" if refusal.code.startswith(DENIED) else "refused"
            self._daemon.log.line(f"{what} {self._peer}: {refusal}")
            self._close()
        except CedarError as error:
            self._break_off(str(error))
        finally:
            self._serving = False

    def _begin(self, command: Command) -> None:
        log = self._daemon.log
        if log.shows(COMMAND):
            name = name_of(command.number)
            log.line(
                f"command {command.number} ({name}) of {command.user} at {self._peer}", COMMAND
            )
        self._command = command
        steps = self._daemon.steps(command)
        if steps is None:
            self._expect()
            return
        self._calm()
        clock = self._daemon.clock
        self._run = Run(steps, self._wire, self._flush, clock, self._ended, command.payload)
        self._run.start()

    def _ended(self, error: BaseException | None) -> None:
        run, self._run = self._run, None
        if run is None or self._command is None:
            return
        if error is not None or run.unsent or not run.used_payload:
            self._ended_badly(name_of(self._command.number), run.unsent, error)
            return
        if not self._closed:
            self._expect()
            self._read_ahead()
        if not self._serving:
            # a turn later: this is called from within the run that ends
            self._daemon.clock.callLater(0, self._go_on)

    def _ended_badly(self, name: str, unsent: int, error: BaseException | None) -> None:
        if error is not None:
            self._tell(f"the handler of {name} for {self._peer}", error)
        if unsent:
            self._daemon.log.line(
                f"the handler of {name} wrote {unsent} bytes that no end_of_message sent", ERROR
            )
        # what was not read of the payload would be taken for the next command
        self._close()

    def _tell(self, who: str, error: BaseException) -> None:
        """What the peer did wrong is worth a line; what the handler did, its traceback."""
        if isinstance(error, (PeerGone, PayloadTimeout, PayloadError)):
            self._daemon.log.line(f"{who} ended: {error}")
        else:
            self._daemon.log.failure(f"{who} raised", error)

    def _go_on(self) -> None:
        if self._run is None and not self._closed:
            self._serve()

    def drop(self) -> None:
        """End whatever runs, and close: the code that runs is replaced, or the daemon stops."""
        run, self._run = self._run, None
        if run is not None:
            error = run.close()
            if error is not None:
                self._daemon.log.failure(f"closing a handler for {self._peer} raised", error)
        self._close()

    def shed(self) -> None:
        """Close at once: the unfinished requests of all peers are too much, and this is most."""
        self._daemon.log.line(f"{self._peer} is let go with {self.held} bytes of a request", ERROR)
        self.drop()
        self._transport.abortConnection()

    @property
    def busy(self) -> bool:
        """Whether a handler is at work."""
        return self._run is not None

    # --- the transport -------------------------------------------------------------------------

    def _flush(self) -> None:
        data = self._wire.data_to_send()
        if data:
            self._transport.write(data)

    def _read_ahead(self) -> None:
        if self._closed:
            return
        wanted = self._run is None or self._run.reads or self._wire.waiting < READ_AHEAD
        if wanted and self._paused:
            self._paused = False
            self._transport.resumeProducing()
        elif not wanted and not self._paused:
            self._paused = True
            self._transport.pauseProducing()

    def _account(self) -> None:
        """Tell the daemon how much waits here; not while closing, which takes it all away."""
        held = self._wire.held
        if held != self.held and not self._closed:
            more, self.held = held - self.held, held
            self._daemon.grown(more)

    def _expect(self, otherwise: Callable[[], None] | None = None, seconds: float = IDLE) -> None:
        """Set the one deadline of the connection itself; the daemon looks at it now and then."""
        self._overdue = otherwise or self._idled
        self._deadline = self._daemon.clock.seconds() + seconds

    def _calm(self) -> None:
        self._deadline = math.inf

    def look_at_deadline(self, now: float) -> None:
        """Close, if the peer should have done something by now; called about every second."""
        self._account()
        if self._run is not None:
            self._run.look_at_deadline(now)
        if now >= self._deadline:
            self._calm()
            self._overdue()

    def _idled(self) -> None:
        self._daemon.log.line(f"{self._peer} said nothing for {IDLE:g} seconds", SECURITY)
        self._close()

    def _break_off(self, why: str) -> None:
        self._daemon.log.line(f"{self._peer} broke the protocol: {why}")
        self._close()

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._flush()
        self._transport.unregisterProducer()
        self._transport.loseConnection()
        # a peer that does not take what is left for it is not waited for
        self._expect(self._transport.abortConnection)
