"""The HTTP server: makes connections, counts them, and lets them end well.

Decides who may connect, and how a server stops; what a request gets is decided by the connection,
`http_fast`, and what it hands over to, `http_general`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.web.resource import IResource

from co2.net.answering import Answering
from co2.net.http_fast import FastConnection
from co2.net.http_general import GeneralChannel, general_channel, general_site
from co2.net.http_limits import HttpLimits
from co2.net.http_serving import Serving
from co2.rpc.rights import Gate


class HttpServer(ServerFactory):
    """Serves calls and pages on one port.

    Args:
        clock: the steady one, for time limits.
        answering: from a call's bytes to its answer's.
        gate: judges who calls.
        page: the root of the pages, for GET and HEAD; a page finds who asks in `request.caller`.
        limits: what is taken from clients.
        wall: gives UNIX seconds, for the Date of answers.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        answering: Answering,
        gate: Gate,
        page: IResource,
        limits: HttpLimits | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._serving = Serving(
            clock, answering, gate, limits or HttpLimits(), self._make_general, wall
        )
        self._site = general_site(self._serving, page)
        self._full = False

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._serving.connections)

    @property
    def buffered(self) -> int:
        """Bytes of requests that have arrived in part, on all connections together."""
        return self._serving.budget.used

    def buildProtocol(self, addr: IAddress | None) -> FastConnection | None:
        """Give a protocol for a new connection, or None to close it."""
        full = len(self._serving.connections) >= self._serving.limits.max_connections
        if full and not self._full:
            self._log.warn(
                "{most} connections are open, which is max_connections: more are closed at once",
                most=self._serving.limits.max_connections,
            )
        self._full = full
        if full or self._serving.finishing:
            return None
        connection = FastConnection(self._serving)
        self._serving.connections.add(connection)
        return connection

    def change_gate(self, gate: Gate) -> None:
        """Judge by other rules from now on, those who are connected already too."""
        self._serving.gate = gate
        for connection in self._serving.connections:
            connection.forget_caller()

    def stop_accepting(self) -> None:
        """Take no new connection; those that are open go on, each for one more answer."""
        self._serving.finishing = True

    def drain(self, grace: float = 10.0) -> Deferred[None]:
        """Let every call that was begun be answered, then close.

        Args:
            grace: seconds after which what is still open is cut off.

        Returns:
            a Deferred that fires when no connection is left.
        """
        self.stop_accepting()
        for connection in tuple(self._serving.connections):
            connection.finish()
        gone = self._serving.all_gone()
        cut = self._serving.clock.callLater(grace, self._cut)
        return gone.addCallback(lambda _: cut.cancel() if cut.active() else None)

    def _cut(self) -> None:
        for connection in tuple(self._serving.connections):
            connection.abort()

    def _make_general(self) -> GeneralChannel:
        return general_channel(self._serving, self._site)
