"""Bytes leave in their order, at once where that can be."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from http_ends import CLIENT_ADDRESS, SERVER_ADDRESS, MemoryTransport, SocketTransport
from twisted.internet.interfaces import IPullProducer, IPushProducer, ISystemHandle
from twisted.internet.protocol import Protocol
from zope.interface import directlyProvides
from zope.interface.verify import verifyObject

from co2.net.http_outlet import BufferedOutlet, DirectOutlet, outlet_of


class Ends:
    """A direct outlet, and the other end of its socket."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs.setblocking(False)
        self.transport = SocketTransport(ours, Protocol(), SERVER_ADDRESS, CLIENT_ADDRESS)
        self.drained = 0
        self.outlet = outlet_of(self.transport, self.count)

    def count(self) -> None:
        self.drained += 1

    def read(self) -> bytes:
        pieces = []
        try:
            while piece := self.theirs.recv(1 << 20):
                pieces.append(piece)
        except BlockingIOError:
            pass
        return b"".join(pieces)

    def close(self) -> None:
        self.transport.handle.close()
        self.theirs.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    pair = Ends()
    yield pair
    pair.close()


def test_direct(ends: Ends) -> None:
    """A plain socket is written to at once; the transport has nothing to do."""
    assert isinstance(ends.outlet, DirectOutlet)
    verifyObject(IPullProducer, ends.outlet)
    ends.outlet.send(b"one")
    ends.outlet.send_all([b"two", b"three"])
    assert ends.read() == b"onetwothree"
    assert not ends.transport.written
    assert not ends.outlet.blocked


@pytest.mark.parametrize("sizes", [[4_000_000], [10, 3_000_000, 20, 1_000_000], [1] * 2000])
def test_order_when_the_socket_is_full(ends: Ends, sizes: list[int]) -> None:
    """What the socket does not take goes through the transport, and everything keeps its order."""
    pieces = [bytes([65 + n % 26]) * size for n, size in enumerate(sizes)]
    ends.outlet.send_all(pieces)
    blocked = ends.outlet.blocked
    ends.outlet.send(b"last")
    ends.outlet.send_all([b"x" * 40_000, b"y"])
    received = b""
    for _ in range(200):
        received += ends.read()
        ends.transport.drain()
    assert received == b"".join(pieces) + b"last" + b"x" * 40_000 + b"y"
    assert not ends.outlet.blocked
    assert bool(ends.drained) or not blocked


def test_says_when_drained(ends: Ends) -> None:
    """The owner hears of it once, when the transport's buffer has become empty."""
    ends.outlet.send(b"x" * 4_000_000)
    assert ends.outlet.blocked
    assert ends.drained == 0
    for _ in range(200):
        ends.read()
        ends.transport.drain()
    assert ends.drained == 1
    assert ends.transport.producer is None


def test_broken(ends: Ends) -> None:
    """A socket that took nothing of a write because it is broken is known to be so."""
    ends.theirs.close()
    ends.outlet.send(b"x")
    assert ends.outlet.broken


def test_broken_with_large_pieces(ends: Ends) -> None:
    """The same holds for pieces that are not joined."""
    ends.theirs.close()
    ends.outlet.send_all([b"x" * 50_000, b"y"])
    assert ends.outlet.broken


def test_was_closed(ends: Ends) -> None:
    """A connection that the other side has closed is recognised before it is written to."""
    assert not ends.outlet.was_closed()
    ends.theirs.shutdown(socket.SHUT_WR)
    assert ends.outlet.was_closed()


def test_spoken_unasked(ends: Ends) -> None:
    """Bytes that nobody asked for make a connection as unusable as its end."""
    ends.theirs.send(b"?")
    assert ends.outlet.was_closed()


def test_without_a_socket() -> None:
    """A transport that hides its socket, as TLS does, gets everything by write."""
    transport = MemoryTransport(Protocol(), SERVER_ADDRESS, CLIENT_ADDRESS, full_at=10)
    drained: list[bool] = []
    outlet = outlet_of(transport, lambda: drained.append(True))
    assert isinstance(outlet, BufferedOutlet)
    verifyObject(IPushProducer, outlet)
    outlet.send(b"one")
    assert not outlet.blocked
    outlet.send_all([b"two", b"threefour"])
    assert outlet.blocked
    assert transport.take() == b"onetwothreefour"
    assert not outlet.blocked
    assert drained == [True]
    assert not outlet.was_closed()


def test_release() -> None:
    """A transport that is let go can have another producer; letting go twice does no harm."""
    transport = MemoryTransport(Protocol(), SERVER_ADDRESS, CLIENT_ADDRESS)
    outlet = outlet_of(transport, lambda: None)
    outlet.release()
    outlet.release()
    assert transport.producer is None


def test_encrypted() -> None:
    """A transport that encrypts is never gone around, even if it has a plain socket."""
    from twisted.internet.interfaces import ISSLTransport

    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = SocketTransport(ours, Protocol(), SERVER_ADDRESS, CLIENT_ADDRESS)
        directlyProvides(transport, ISSLTransport, ISystemHandle)
        assert isinstance(outlet_of(transport, lambda: None), BufferedOutlet)
