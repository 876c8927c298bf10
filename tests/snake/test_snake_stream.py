"""`daemon.stream`: a transport on a file descriptor, driven by a reactor that a test plays."""

import gc
import select
import socket
import struct
import weakref

import pytest
from rooms import QUERY, Den
from twisted.internet.interfaces import IReadWriteDescriptor
from zope.interface.verify import verifyObject

from plugin.snake.daemon.connection import CommandConnection
from plugin.snake.daemon.stream import Address, Listener, Stream


class Reactor:
    """Notes who is watched."""

    def __init__(self):
        self.reading, self.writing = set(), set()

    def addReader(self, one):
        self.reading.add(one)

    def addWriter(self, one):
        self.writing.add(one)

    def removeReader(self, one):
        self.reading.discard(one)

    def removeWriter(self, one):
        self.writing.discard(one)


class Recorder:
    """A protocol and producer that notes what it is told."""

    def __init__(self):
        self.told = []

    def makeConnection(self, transport):
        self.transport = transport
        transport.registerProducer(self, True)

    def dataReceived(self, data):
        self.told.append(data)

    def connectionLost(self, reason):
        self.told.append("lost")

    def pauseProducing(self):
        self.told.append("pause")

    def resumeProducing(self):
        self.told.append("resume")


@pytest.fixture
def pair():
    """A begun stream, its protocol, its reactor, and the peer's socket."""
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    peer.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    reactor, protocol = Reactor(), Recorder()
    stream = Stream(ours, Address("192.0.2.1", 1), Address("192.0.2.2", 2), reactor, protocol)
    stream.begin()
    yield stream, protocol, reactor, peer
    stream.abortConnection()
    peer.close()


def drain(stream, peer):
    """Let the peer read all, and the stream write on meanwhile."""
    read = b""
    while True:
        try:
            piece = peer.recv(65536)
        except BlockingIOError:
            return read
        read += piece
        if not piece:
            return read
        stream.doWrite()


def test_bytes_go_at_once_and_come_in(pair):
    """No turn of the event loop lies between a write and the kernel."""
    stream, protocol, reactor, peer = pair
    verifyObject(IReadWriteDescriptor, stream)
    stream.write(b"hello")
    assert peer.recv(10) == b"hello"
    assert reactor.writing == set()
    peer.send(b"you")
    assert stream.doRead() is None
    assert protocol.told == [b"you"]


@pytest.mark.parametrize("rests", [False, True])
def test_who_speaks_first_is_answered_before_being_watched(rests):
    """What waits at the beginning is handed on at once; who is to read no more is not watched."""
    ours, peer = socket.socketpair()
    reactor, watched = Reactor(), []

    class Answering(Recorder):
        def dataReceived(self, data):
            watched.append(set(reactor.reading))
            self.transport.write(data)
            if rests:
                self.transport.pauseProducing()

    stream = Stream(ours, Address("192.0.2.1", 1), Address("192.0.2.2", 2), reactor, Answering())
    with peer:
        peer.send(b"first")
        stream.begin()
        assert (peer.recv(10), watched) == (b"first", [set()])
        assert reactor.reading == (set() if rests else {stream})
        stream.resumeProducing()
        assert reactor.reading == {stream}
        stream.abortConnection()


def test_what_the_kernel_does_not_take_waits_and_pauses(pair):
    """The producer is paused while much waits, and resumed once all is sent."""
    stream, protocol, reactor, peer = pair
    data = bytes(range(256)) * 4096
    stream.write(data)
    stream.write(b"end")
    assert (protocol.told, reactor.writing) == (["pause"], {stream})
    assert drain(stream, peer) == data + b"end"
    assert (protocol.told, reactor.writing) == (["pause", "resume"], set())


def test_closing_sends_what_waits_first(pair):
    """`loseConnection` closes after the last byte, `abortConnection` at once; each tells once."""
    stream, protocol, reactor, peer = pair
    stream.unregisterProducer()
    data = bytes(200_000)
    stream.write(data)
    stream.loseConnection()
    assert protocol.told == []
    read = b""
    while len(read) < len(data):
        read += peer.recv(65536)
        failed = stream.doWrite() if reactor.writing else None
    stream.connectionLost(failed)
    stream.connectionLost(failed)
    assert (protocol.told, stream.fileno()) == (["lost"], -1)
    assert (reactor.reading, reactor.writing) == (set(), set())


def test_the_end_of_the_peer_is_told(pair):
    """An end of file ends the stream, once, and nothing of it is watched any more."""
    stream, protocol, reactor, peer = pair
    assert stream.doRead() is None
    peer.close()
    assert stream.doRead() is None
    assert (protocol.told, stream.fileno()) == (["lost"], -1)
    assert (reactor.reading, reactor.writing) == (set(), set())


def test_a_peer_that_takes_nothing_more_is_an_error(pair):
    """A write that fails for good is told to the reactor, which ends the stream."""
    stream, protocol, reactor, peer = pair
    peer.close()
    stream.write(b"into nothing")
    assert reactor.writing == {stream}
    failed = stream.doWrite()
    assert failed is not None
    stream.connectionLost(failed)
    assert (protocol.told, reactor.writing) == (["lost"], set())


def test_a_stream_that_is_given_up_leaves_nothing_to_write(pair):
    """What waits is dropped, and not watched for, when the connection is aborted."""
    stream, protocol, reactor, _ = pair
    stream.unregisterProducer()
    stream.write(bytes(1_000_000))
    assert reactor.writing == {stream}
    stream.abortConnection()
    assert (protocol.told, reactor.writing) == (["lost"], set())


def test_a_listener_makes_a_stream_of_each_connection():
    """It says where it listens, accepts, and lets go of its port."""
    reactor, made = Reactor(), []

    def make():
        made.append(Recorder())
        return made[-1]

    listener = Listener(reactor, make, "127.0.0.1", 0)
    with socket.create_connection(listener.address) as client:
        client.send(b"early")
        assert select.select([listener], [], [], 20)[0]  # accepted, and not only answered
        listener.doRead()
        listener.doRead()
        assert len(made) == 1
        transport = made[0].transport
        assert transport.getPeer() == client.getsockname()
        assert transport.getHost() == listener.address
        transport.abortConnection()
    address = listener.address
    listener.close()
    listener.close()
    assert reactor.reading == set()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_an_ipv4_peer_of_an_ipv6_socket_is_an_ipv4_peer():
    """Rules about its address are about it wherever the daemon listens."""
    assert Address.of(("::ffff:192.0.2.7", 5, 0, 0)) == ("192.0.2.7", 5)
    assert Address.of(("2001:db8::1", 5, 0, 0)) == ("2001:db8::1", 5)


def test_a_port_that_is_taken_is_an_error():
    """The caller is told which, and no descriptor is left open."""
    listener = Listener(Reactor(), Recorder, "127.0.0.1", 0)
    with pytest.raises(OSError, match=r"listen at 127\.0\.0\.1 port \d+: .*in use"):
        Listener(Reactor(), Recorder, *listener.address)
    listener.close()


def test_a_connection_that_has_ended_is_freed_at_once(tmp_path):
    """Nothing of it refers to itself, so no garbage is left that has to be looked for."""
    den = Den(tmp_path, "def handle(command):\n    yield ((1, end_of_message), 0, None)\n").start()
    ours, peer = socket.socketpair()
    connection = CommandConnection(den.daemon)
    ends = Address("127.0.0.1", 1), Address("127.0.0.1", 2)
    stream = Stream(ours, *ends, Reactor(), connection)
    stream.begin()
    freed = weakref.ref(connection), weakref.ref(stream)
    with peer:
        peer.send(struct.pack(">BIq", 1, 8, QUERY))
        gc.collect()
        gc.disable()
        try:
            stream.doRead()
            assert peer.recv(100) == struct.pack(">BIq", 1, 8, 1)
            peer.shutdown(socket.SHUT_WR)
            stream.doRead()
            del connection, stream
            assert [one() for one in freed] == [None, None]
        finally:
            gc.enable()
    den.daemon.stop()
