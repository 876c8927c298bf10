"""One connection between two hosts in memory: a pipe each way, and the server's end of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from attrs import define, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from co2.model.hosts import Address
from co2.rpc.rights import Claim
from co2.testing.fates import LATENCY, Fate, Loss


@frozen
class Way:
    """From where to where; `port` is the one that the client's end has."""

    clock: IReactorTime
    source: Address
    destination: Address
    port: int
    is_cut: Callable[[Address, Address], bool]


class Pipe:
    """One direction: what is put in comes out in order, each piece no sooner than its delay.

    Args:
        clock: when.
        is_cut: tells whether nothing passes now.
    """

    def __init__(self, clock: IReactorTime, is_cut: Callable[[], bool]) -> None:
        self._clock = clock
        self._is_cut = is_cut
        self._inside: deque[tuple[float, Callable[[], None]]] = deque()
        self._timer: IDelayedCall | None = None

    def put(self, delay: float, arrive: Callable[[], None]) -> None:
        """Send something: `arrive` is called at the other end."""
        self._inside.append((self._clock.seconds() + delay, arrive))
        self.flow()

    def flow(self) -> None:
        """Go on after the way was cut."""
        if self._timer is None and self._inside and not self._is_cut():
            wait = max(0.0, self._inside[0][0] - self._clock.seconds())
            self._timer = self._clock.callLater(wait, self._out)

    def empty(self) -> None:
        """Lose what is inside."""
        self._inside.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _out(self) -> None:
        self._timer = None
        if not self._is_cut():
            _, arrive = self._inside.popleft()
            arrive()
            self.flow()


class Client(Protocol):
    """The client's end."""

    def answered(self, connection: Connection, body: bytes) -> None:
        """Take the answer to the foremost request."""

    def broken(self, connection: Connection, why: str) -> None:
        """Notice that there will be no more answers."""


@define
class _Request:
    body: bytes
    authorization: bytes | None
    fate: Fate


class Connection:
    """See the module.

    Args:
        way: between whom.
        server: gives what listens at the destination now, or None.
        client: is told of answers.
    """

    def __init__(self, way: Way, server: Callable[[], Any], client: Client) -> None:
        self.way = way
        self.is_over = False
        self._server = server
        self._accepted: Any = None
        self._client: Client | None = client
        self._there = Pipe(way.clock, lambda: way.is_cut(way.source, way.destination))
        self._back = Pipe(way.clock, lambda: way.is_cut(way.destination, way.source))
        self._arrived: deque[_Request] = deque()
        self._answering: Deferred[bytes] | None = None
        self._busy = False
        self._broken = False

    # -- the client's end ------------------------------------------------------------------------

    def write(self, body: bytes, authorization: bytes | None, fate: Fate) -> None:
        """Send a request."""
        request = _Request(body, authorization, fate)
        self._there.put(fate.there, lambda: self._arrive(request))

    def give_up(self) -> None:
        """Listen no more; what was written still goes its way, and then the server is told."""
        self._client = None
        self._back.empty()
        self._there.put(LATENCY, self._left)

    def flow(self) -> None:
        """Go on after the way was cut."""
        self._there.flow()
        self._back.flow()

    def break_off(self, why: str) -> None:
        """End it from the server's side; the client is told, if the way back is open."""
        if self._broken:
            return
        self._broken = True
        self._there.empty()
        self._arrived.clear()
        self._back.put(LATENCY, lambda: self._tell_broken(why))
        if self._client is None:
            self._end()

    # -- the server's end ------------------------------------------------------------------------

    def _arrive(self, request: _Request) -> None:
        server = self._server()
        if server is None or (self._accepted is not None and server is not self._accepted):
            self.break_off("refused the connection: nothing listens there")
            return
        self._accepted = server
        self._arrived.append(request)
        self._serve()

    def _serve(self) -> None:
        while self._arrived and not self._busy and not self._broken:
            request = self._arrived.popleft()
            if request.fate.loss is Loss.REQUEST:
                self.break_off("closed the connection before it answered")
                return
            self._busy = True
            result = self._accepted(request.body, self._claim(request))
            if isinstance(result, Deferred):
                self._answering = result
                result.addBoth(self._answered, request.fate)
            else:
                self._answered(result, request.fate)

    def _claim(self, request: _Request) -> Claim:
        way = self.way
        host = str(way.destination).encode()
        return Claim(way.source.ip, way.port, way.destination.ip, request.authorization, host)

    def _answered(self, result: bytes | Failure, fate: Fate) -> None:
        self._busy = False
        self._answering = None
        if self._broken or isinstance(result, Failure):
            return
        if fate.loss is Loss.ANSWER:
            self.break_off("closed the connection before it answered")
            return
        if self._client is not None:
            self._back.put(fate.back, lambda: self._tell_answer(result))
        self._serve()

    def _left(self) -> None:
        self._arrived.clear()
        self._broken = True
        if self._answering is not None:
            self._answering.cancel()
        self._end()

    def _tell_answer(self, body: bytes) -> None:
        if self._client is not None:
            self._client.answered(self, body)

    def _tell_broken(self, why: str) -> None:
        self._end()
        if self._client is not None:
            self._client.broken(self, why)

    def _end(self) -> None:
        self.is_over = True
        self._there.empty()
        self._back.empty()
