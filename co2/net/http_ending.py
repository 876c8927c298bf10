"""How a client's connection ends: refused, closed when all is written, or cut.

Decides how long an ending may take. Why a connection ends is decided elsewhere. Invariant: a
connection that has begun to end is gone after `linger` and `write_timeout`, whatever its client
does.
"""

from __future__ import annotations

from twisted.internet.interfaces import ITCPTransport, ITransport

from co2.net.http_outlet import Outlet
from co2.net.http_reply import Refusal, refusal_bytes
from co2.net.http_serving import Serving
from co2.net.http_timer import LazyTimer


class Ending:
    """Ends one connection.

    Args:
        serving: what the connections of a server share.
        transport: of the connection.
        outlet: its way out.
    """

    def __init__(self, serving: Serving, transport: ITransport, outlet: Outlet) -> None:
        self._serving = serving
        self._transport = transport
        self._outlet = outlet
        self._timer = LazyTimer(serving.clock, self._check)
        self._lingering = False

    def refuse(self, refusal: Refusal) -> None:
        """Say why; what comes for a moment is to be dropped, so that no reset overtakes it."""
        now = self._serving.clock.seconds()
        self._lingering = True
        self._outlet.send(refusal_bytes(refusal, self._serving.wall()))
        self._timer.by(now + self._serving.limits.linger)

    def close(self) -> None:
        """Close when everything that was written has left."""
        self._lingering = False
        self._timer.by(self._serving.clock.seconds() + self._serving.limits.write_timeout)
        self._outlet.release()
        self._transport.loseConnection()

    def abort(self) -> None:
        """Close now."""
        ITCPTransport(self._transport).abortConnection()

    def stop(self) -> None:
        """The connection is gone."""
        self._timer.stop()

    def _check(self, now: float) -> None:
        if self._lingering and not self._outlet.blocked:
            self.close()
        else:
            self.abort()
