"""What every network and the peers that it gives must do; see `co2.testing.contracts`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from co2.errors import TimedOut, TransportFailed
from co2.interfaces import INetwork, IPeer
from co2.model.hosts import Address
from co2.testing.samples import result_of


class PeerContract:
    """Every `INetwork` and the peers that it gives.

    Inherit and give `serve` and `pump`; `make_network` gives the network.
    """

    def make_network(self) -> Any:
        """Give a network, on which `serve` was not called yet."""
        raise NotImplementedError

    def serve(self, answer: Callable[[bytes], Any]) -> Address:
        """Let a server listen that answers bodies by that function (bytes, or a Deferred)."""
        raise NotImplementedError

    def nowhere(self) -> Address:
        """Give an address that nothing listens at."""
        raise NotImplementedError

    def pump(self, seconds: float) -> None:
        """Let that much time pass, and everything happen that is due in it."""
        raise NotImplementedError

    def test_they_provide_the_interfaces(self) -> None:
        """Network and peer have every name of their interfaces, with the same arguments."""
        network = self.make_network()
        verifyObject(INetwork, network)
        peer = network.peer(self.nowhere(), b"Bearer x")
        verifyObject(IPeer, peer)
        assert peer.address == self.nowhere()

    def test_an_answer_comes_back(self) -> None:
        """The Deferred of a post fires with the answer's body; the parts are sent as one."""
        network = self.make_network()
        peer = network.peer(self.serve(lambda body: b"<" + body + b">"))
        answer = peer.post((b"a", b"b"), 5.0)
        self.pump(1.0)
        assert result_of(answer) == b"<ab>"

    def test_posts_are_handled_and_answered_in_order(self) -> None:
        """Posts that are written ahead reach the server, and are answered, in their order."""
        network = self.make_network()
        seen: list[bytes] = []

        def answer(body: bytes) -> bytes:
            seen.append(body)
            return body

        peer = network.peer(self.serve(answer))
        told: list[bytes] = []
        posts = [b"%d" % number for number in range(20)]
        for post in posts:
            peer.post((post,), 5.0).addCallback(told.append)
        self.pump(2.0)
        assert seen == posts
        assert told == posts

    def test_an_answer_may_lead_to_the_next_post(self) -> None:
        """Posting while an answer is handed out works."""
        network = self.make_network()
        peer = network.peer(self.serve(lambda body: body))
        second: list[Any] = []
        peer.post((b"1",), 5.0).addCallback(lambda _: second.append(peer.post((b"2",), 5.0)))
        self.pump(2.0)
        assert result_of(second[0]) == b"2"

    def test_nobody_there_is_a_transport_failure(self) -> None:
        """A post to where nothing listens fails with TransportFailed."""
        answer = self.make_network().peer(self.nowhere()).post((b"a",), 5.0)
        self.pump(2.0)
        _assert_fails(answer, TransportFailed)

    def test_no_answer_in_time_is_a_timeout(self) -> None:
        """A post that is not answered within its time fails with TimedOut."""
        network = self.make_network()
        peer = network.peer(self.serve(lambda body: Deferred()))
        answer = peer.post((b"a",), 1.0)
        self.pump(2.0)
        _assert_fails(answer, TimedOut)

    def test_what_was_written_behind_a_late_one_fails_too(self) -> None:
        """Nothing is left waiting behind a post that nobody answers."""
        network = self.make_network()
        peer = network.peer(self.serve(lambda body: Deferred()))
        first, second = peer.post((b"a",), 1.0), peer.post((b"b",), 60.0)
        self.pump(2.0)
        _assert_fails(first, TimedOut)
        _assert_fails(second, TransportFailed)

    def test_it_works_again_after_a_failure(self) -> None:
        """A peer opens a new connection by itself for the next post."""
        network = self.make_network()
        answers: list[Any] = [Deferred(), b"well"]
        peer = network.peer(self.serve(lambda body: answers.pop(0)))
        late = peer.post((b"a",), 1.0)
        self.pump(2.0)
        _assert_fails(late, TimedOut)
        answer = peer.post((b"b",), 5.0)
        self.pump(2.0)
        assert result_of(answer) == b"well"

    def test_a_cancelled_post_fails_what_was_written_behind_it(self) -> None:
        """Cancelling a written post closes the connection; the cancelled one says so itself."""
        network = self.make_network()
        peer = network.peer(self.serve(lambda body: Deferred()))
        first, second = peer.post((b"a",), 60.0), peer.post((b"b",), 60.0)
        self.pump(1.0)
        first.cancel()
        _assert_fails(first, CancelledError)
        self.pump(1.0)
        _assert_fails(second, TransportFailed)

    def test_close_fails_what_waits_and_what_comes(self) -> None:
        """After `close` nothing is left unanswered, and nothing more can be posted."""
        network = self.make_network()
        peer = network.peer(self.serve(lambda body: Deferred()))
        waiting = peer.post((b"a",), 60.0)
        self.pump(1.0)
        closed = peer.close()
        self.pump(1.0)
        assert result_of(closed) is None
        _assert_fails(waiting, TransportFailed)
        _assert_fails(peer.post((b"b",), 1.0), TransportFailed)


def _assert_fails(deferred: Deferred[Any], kind: type[Exception]) -> None:
    try:
        result = result_of(deferred)
    except kind:
        return
    raise AssertionError(f"it gave {result!r} where {kind.__name__} was due")
