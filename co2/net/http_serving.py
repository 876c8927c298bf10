"""What all connections of one HTTP server share.

Decides nothing of a single request; it holds the account of what is open and what is buffered, and
knows who is to be asked: the heads' memo, the gate, the answering.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from attrs import define, field
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, ITransport
from twisted.python.failure import Failure

from co2.model.calls import Caller
from co2.net.answering import Answering
from co2.net.http_head import Head, Heads
from co2.net.http_limits import Budget, HttpLimits
from co2.net.http_reply import ReplyHeads
from co2.rpc.rights import Claim, Gate

_IP = (IPv4Address, IPv6Address)


class Connection(Protocol):
    """One client's connection, as the server sees it."""

    def finish(self) -> None:
        """Close when what was begun is answered; at once if nothing was."""

    def forget_caller(self) -> None:
        """Judge the caller anew at the next request."""

    def abort(self) -> None:
        """Close now."""


class GeneralConnection(Protocol):
    """What a connection is handed to at the first request that the fast way does not serve."""

    def makeConnection(self, transport: ITransport) -> None:
        """Take over that transport."""

    def dataReceived(self, data: bytes) -> None:
        """Bytes have arrived."""

    def connectionLost(self, reason: Failure) -> None:
        """The client has gone."""

    def finish(self) -> None:
        """Close when what was begun is answered; at once if nothing was."""

    def forget_caller(self) -> None:
        """Judge the caller anew at the next request."""


class Ends(NamedTuple):
    """Both ends of a connection: where its client is, and the address it was accepted on."""

    ip: str
    port: int
    local_ip: str


def ends_of(transport: ITransport) -> Ends:
    """Give both ends of a connection; one over a UNIX socket comes from this machine."""
    peer, host = transport.getPeer(), transport.getHost()
    if isinstance(peer, _IP) and isinstance(host, _IP):
        return Ends(peer.host, peer.port, host.host)
    return Ends("127.0.0.1", 0, "127.0.0.1")


@define(eq=False)
class Serving:
    """The shared parts.

    Attributes:
        clock: the steady one, for time limits.
        wall: gives UNIX seconds, for the Date of answers.
        go_general: makes what takes over a connection that leaves the fast way.
        finishing: the server takes nothing new; every answer is its connection's last.
    """

    clock: IReactorTime
    answering: Answering
    gate: Gate
    limits: HttpLimits
    go_general: Callable[[], GeneralConnection]
    wall: Callable[[], float] = time.time
    finishing: bool = False
    heads: Heads = field(init=False)
    budget: Budget = field(init=False)
    reply_heads: ReplyHeads = field(init=False)
    connections: set[Connection] = field(init=False, factory=set)
    _all_gone: list[Deferred[None]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.heads = Heads(self.limits)
        self.budget = Budget(self.limits.max_buffered)
        self.reply_heads = ReplyHeads(self.wall)

    def judge(self, ends: Ends, head: Head) -> Caller:
        """Say who sends requests with that head over that connection."""
        ip, port, local_ip = ends
        return self.gate.judge(
            Claim(ip, port, local_ip, head.authorization, head.host, head.origin, head.forwarded)
        )

    def lost(self, connection: Connection) -> None:
        """Count a connection out."""
        self.connections.discard(connection)
        if not self.connections:
            waiting, self._all_gone = self._all_gone, []
            for deferred in waiting:
                deferred.callback(None)

    def all_gone(self) -> Deferred[None]:
        """Give a Deferred that fires when no connection is left."""
        deferred: Deferred[None] = Deferred()
        if self.connections:
            self._all_gone.append(deferred)
        else:
            deferred.callback(None)
        return deferred
