"""ROUTER, PUB, DEALER and SUB against pyzmq, which knows nothing of us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from e2e.processes import PATIENCE
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from mktl.loop import Loop
from plugin.mktl.net.peer import HANDSHAKE, Peer
from plugin.mktl.net.sockets import Dealer, Publisher, Router, Subscriber, subscription
from plugin.mktl.wire.zmtp import GREETING, encode_message, encode_ready

zmq = pytest.importorskip("zmq", reason="pyzmq is the independent peer: pip install pyzmq")
WITHIN = int(PATIENCE * 1000)
"""Milliseconds for each answer."""


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with Loop() as running:
        yield running


@pytest.fixture
def dial() -> Iterator[Callable[..., Any]]:
    context = zmq.Context()
    made = []

    def dial(kind: int, port: int) -> Any:
        socket = context.socket(kind)
        made.append(socket)
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVTIMEO, WITHIN)
        socket.set(zmq.SNDHWM, 0)
        socket.connect(f"tcp://127.0.0.1:{port}")
        return socket

    yield dial
    for socket in made:
        socket.close(0)
    context.term()


def echo(peer: Peer, frames: list[bytes]) -> None:
    peer.send(encode_message(frames))


def test_a_pyzmq_dealer_gets_back_what_it_sends(loop: Loop, dial: Callable[..., Any]) -> None:
    """Frames of every size come back as they went."""
    port = loop.listen(lambda reactor: Router(reactor, echo))
    dealer = dial(zmq.DEALER, port)
    sent = [[b"a"], [b"a", b"", b"x" * 255], [b"y" * 256, b""], [b"z" * 1_000_000, b"a"]]
    for frames in sent:
        dealer.send_multipart(frames)
    assert [dealer.recv_multipart() for _ in sent] == sent


def test_a_burst_of_50000_is_answered_in_order(loop: Loop, dial: Callable[..., Any]) -> None:
    """A client that reads nothing until all is sent gets every answer."""
    port = loop.listen(lambda reactor: Router(reactor, echo))
    dealer = dial(zmq.DEALER, port)
    for number in range(50_000):
        dealer.send(b"%d" % number)
    assert [dealer.recv() for _ in range(50_000)] == [b"%d" % n for n in range(50_000)]


def test_a_pyzmq_subscriber_gets_its_prefixes(loop: Loop, dial: Callable[..., Any]) -> None:
    """Subscriptions are prefixes, and can be taken back."""
    publisher = loop.do(lambda: Publisher(loop.reactor))
    port = loop.listen(lambda reactor: publisher)
    subscriber = dial(zmq.SUB, port)
    subscriber.subscribe(b"store.a.")
    loop.until(lambda: publisher.audience.of(b"store.a.x"))
    for topic in (b"store.b.", b"store.a."):
        loop.do(
            lambda topic=topic: [
                peer.send(encode_message([topic, b"a"])) for peer in publisher.audience.of(topic)
            ]
        )
    assert subscriber.recv_multipart() == [b"store.a.", b"a"]
    subscriber.unsubscribe(b"store.a.")
    loop.until(lambda: not publisher.audience.of(b"store.a.x"))


class User:
    def __init__(self) -> None:
        self.got: list[list[bytes]] = []
        self.peer: Peer | None = None

    def opened(self, peer: Peer) -> None:
        self.peer = peer

    def received(self, frames: list[bytes]) -> None:
        self.got.append(frames)

    def left(self) -> None:
        self.peer = None


def test_our_dealer_and_subscriber_talk_to_pyzmq(loop: Loop) -> None:
    """A pyzmq ROUTER routes by our identity; a pyzmq PUB sees our subscription."""
    context = zmq.Context()
    try:
        router, pub = context.socket(zmq.ROUTER), context.socket(zmq.XPUB)
        router.set(zmq.RCVTIMEO, WITHIN)
        pub.set(zmq.RCVTIMEO, WITHIN)
        port, pub_port = (s.bind_to_random_port("tcp://127.0.0.1") for s in (router, pub))
        user, ear = User(), User()
        loop.connect(port, lambda reactor: Dealer(reactor, user, b"request.Client.7"))
        loop.connect(pub_port, lambda reactor: Subscriber(reactor, ear))
        loop.until(lambda: user.peer and ear.peer)
        loop.do(lambda: user.peer.send(encode_message([b"a", b"b"])))
        assert router.recv_multipart() == [b"request.Client.7", b"a", b"b"]
        router.send_multipart([b"request.Client.7", b"answer", b""])
        loop.do(lambda: ear.peer.send(subscription(b"s.k.")))
        assert pub.recv() == b"\x01s.k."
        pub.send_multipart([b"s.k.", b"a", b"{}"])
        loop.until(lambda: user.got == [[b"answer", b""]] and ear.got == [[b"s.k.", b"a", b"{}"]])
    finally:
        context.destroy(linger=0)


class Tap(StringTransport):
    """A transport in memory that says whether it was read from, and aborted."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


def connected(socket: Any, kind: bytes) -> tuple[Peer, Tap]:
    peer = socket.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
    transport = Tap()
    peer.makeConnection(transport)
    peer.dataReceived(GREETING + encode_ready(kind))
    transport.clear()
    return peer, transport


def test_a_slow_subscriber_loses_the_oldest_and_only_its_own() -> None:
    """What a stuck subscriber does not take is bounded and counted; another gets everything."""
    publisher = Publisher(Clock(), most_news=1000)
    slow, slow_transport = connected(publisher, b"SUB")
    quick, quick_transport = connected(publisher, b"SUB")
    for peer in (slow, quick):
        peer.dataReceived(subscription(b""))
    slow.outlet.pauseProducing()
    for number in range(100):
        for peer in publisher.audience.of(b"k"):
            peer.send(b"%0100d" % number)
    assert slow.outlet.held <= 1000
    assert publisher.total_dropped() == slow.outlet.dropped == 90
    assert len(quick_transport.value()) == 100 * 100
    slow.outlet.resumeProducing()
    assert slow_transport.value() == b"".join(b"%0100d" % n for n in range(90, 100))
    slow.connectionLost()
    assert publisher.total_dropped() == 90


def test_a_requester_that_reads_nothing_is_not_read_from() -> None:
    """Answers that are not taken stop the questions, until they are taken."""
    router = Router(Clock(), lambda peer, frames: peer.send(b"x" * 1024 * 1024))
    peer, transport = connected(router, b"DEALER")
    peer.outlet.pauseProducing()
    for _ in range(40):
        peer.dataReceived(encode_message([b"q"]))
    assert transport.producerState == "paused"
    peer.outlet.resumeProducing()
    assert transport.producerState == "producing"


def test_who_does_not_shake_hands_is_cut_off() -> None:
    """A connection that says nothing ends at the deadline."""
    clock = Clock()
    peer = Router(clock, echo).buildProtocol(None)
    transport = Tap()
    peer.makeConnection(transport)
    clock.advance(HANDSHAKE + 1)
    assert transport.aborted


def test_a_stranger_is_told_and_closed() -> None:
    """A browser at the port gets an error and an end, and nobody else notices."""
    router = Router(Clock(), echo)
    peer = router.buildProtocol(None)
    transport = Tap()
    peer.makeConnection(transport)
    peer.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert transport.disconnecting
