"""A network in memory: hosts, the connections between them, and everything that goes wrong there.

How it works. A `MemoryHost` is a host's place in the network: it opens peers to other addresses,
and listens at its own. A peer's posts go over a connection of two pipes, one each way; a pipe keeps
order, takes the time that each post's fate says, and holds back what is in it while the way is cut.
The server's end answers one request after the other, as co2's HTTP server does.

What it promises beyond `IPeer`: everything happens by the clock, so that a test with the same
fates takes the same course. Where reality may go either way the unkind one is chosen: what was
written on a connection that its client has given up still arrives, if the way is not cut for good.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from co2.interfaces import INetwork
from co2.model.hosts import Address
from co2.net.answering import Answering
from co2.rpc.rights import Claim, Gate
from co2.testing.clock import ClockReactor, HostReactor
from co2.testing.connection import Connection, Way
from co2.testing.fates import Fates, ScriptedFates
from co2.testing.peer import MemoryPeer

Answers = Callable[[bytes, Claim], "bytes | Deferred[bytes]"]
"""A server: from a document, and what its request shows, to the document that answers it."""

_HERE = Address("127.0.0.1", 65535)


def answers_at(gate: Gate, answering: Answering) -> Answers:
    """Give the server that a gate and the way from bytes to bytes make together."""

    def answer(body: bytes, claim: Claim) -> bytes | Deferred[bytes]:
        return answering.answer(body, gate.judge(claim))

    return answer


@implementer(INetwork)
class MemoryNetwork:
    """See the module. As an `INetwork` it is seen from 127.0.0.1.

    Args:
        clock: what time it is; a new one by default.
        fates: what becomes of each post; by default a `ScriptedFates` without a script, at
            `.fates`, to which a test adds.
    """

    def __init__(self, clock: ClockReactor | None = None, fates: Fates | None = None) -> None:
        self.clock = clock or ClockReactor()
        self.fates: Fates = fates or ScriptedFates()
        self._servers: dict[Address, Answers] = {}
        self._cut: set[tuple[Address, Address]] = set()
        self._connections: list[Connection] = []
        self._port = 40000
        self._here = self.host(_HERE)

    # -- hosts -----------------------------------------------------------------------------------

    def host(self, address: Address) -> MemoryHost:
        """Give the place of a host that listens (or could) at that address."""
        return MemoryHost(self, address)

    def peer(self, address: Address, authorization: bytes | None = None) -> MemoryPeer:
        """Give a peer for that address."""
        return self._here.peer(address, authorization)

    def local_ip(self, towards: Address) -> str:
        """Give the address that hosts see a caller of `peer` at."""
        return self._here.local_ip(towards)

    def attach(self, address: Address, server: Answers) -> None:
        """Let a server listen there; what was connected to an earlier one is not to this one."""
        self.detach(address)
        self._servers[address] = server

    def detach(self, address: Address) -> None:
        """Let nothing listen there any more; what is connected breaks."""
        if self._servers.pop(address, None) is not None:
            for connection in self._live():
                if connection.way.destination == address:
                    connection.break_off("closed the connection before it answered")

    def move(self, former: Address, address: Address) -> None:
        """Let what listens at one address listen at another; connections of both ends break."""
        for connection in self._live():
            if former in (connection.way.source, connection.way.destination):
                connection.break_off("reset the connection")
        server = self._servers.pop(former, None)
        if server is not None:
            self.attach(address, server)

    # -- what goes wrong ---------------------------------------------------------------------------

    def cut(self, one: Address, other: Address, both: bool = True) -> None:
        """Let nothing pass from one address to the other, or either way; nobody is told."""
        self._cut |= {(one, other), (other, one)} if both else {(one, other)}

    def heal(self, one: Address | None = None, other: Address | None = None) -> None:
        """Let everything pass again, or only what went between two addresses; it arrives now."""
        pair = {one, other}
        self._cut = {way for way in self._cut if one is not None and set(way) != pair}
        for connection in self._live():
            connection.flow()

    def is_cut(self, source: Address, destination: Address) -> bool:
        """Tell whether nothing passes from the one to the other."""
        return (source, destination) in self._cut

    def break_connections(self, one: Address, other: Address) -> None:
        """End every connection between two hosts, whatever is under way."""
        for connection in self._live():
            if {connection.way.source, connection.way.destination} == {one, other}:
                connection.break_off("reset the connection")

    # -- for peers -------------------------------------------------------------------------------

    def connect(self, source: Address, destination: Address, told: MemoryPeer) -> Connection:
        """Open a connection; whether anybody is there turns out when something arrives."""
        self._port += 1
        way = Way(self.clock, source, destination, self._port, self.is_cut)
        connection = Connection(way, lambda: self._servers.get(destination), told)
        self._connections = [*self._live(), connection]
        return connection

    def _live(self) -> list[Connection]:
        return [connection for connection in self._connections if not connection.is_over]


@implementer(INetwork)
class MemoryHost:
    """One host's place in the network.

    Args:
        network: which.
        address: where the host listens; its connections come from that ip.

    Attributes:
        peers: every peer that the host has opened.
    """

    def __init__(self, network: MemoryNetwork, address: Address) -> None:
        self.address = address
        self.reactor = HostReactor(network.clock)
        self._network = network
        self.peers: list[MemoryPeer] = []

    def peer(self, address: Address, authorization: bytes | None = None) -> MemoryPeer:
        """Give a peer for that address; nothing is connected before the first post."""
        peer = MemoryPeer(self._network, self.address, address, self.reactor, authorization)
        self.peers.append(peer)
        return peer

    def local_ip(self, towards: Address) -> str:
        """Give the address that other hosts see this one at."""
        return self.address.ip

    def listen(self, server: Answers) -> None:
        """Answer what arrives at this host's address."""
        self._network.attach(self.address, server)

    def move(self, address: Address) -> None:
        """Be at another address from now on; every connection breaks, and all else goes on."""
        former, self.address = self.address, address
        self._network.move(former, address)
        for peer in self.peers:
            peer.move(address)

    def kill(self) -> None:
        """End the host as `kill -9` does: no timer of it runs, no Deferred of it fires."""
        self.reactor.kill()
        for peer in self.peers:
            peer.vanish()
        self._network.detach(self.address)
