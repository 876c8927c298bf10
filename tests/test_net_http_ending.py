"""A connection that ends is gone in time."""

from http_ends import Server, call, request

REFUSED = request(b"x", kind=b"text/plain")


def test_linger() -> None:
    """A refused client has a moment to read why; what it still sends is dropped."""
    client = Server(linger=2).connect().send(REFUSED)
    assert client.answer().status == 415
    client.send(call("echo", 1))
    client.server.clock.advance(1)
    assert not client.closed
    client.server.clock.advance(1)
    assert client.closed
    assert client.answers() == []
    assert client.server.methods.ran == []
    assert not client.server.clock.getDelayedCalls()


def test_client_that_leaves_first() -> None:
    """A client that has read enough may leave; nothing stays behind."""
    client = Server().connect().send(REFUSED)
    client.leave()
    assert not client.server.clock.getDelayedCalls()
    assert client.server.http.connections == 0


def test_client_that_does_not_read() -> None:
    """A refused client that does not read is cut off all the same."""
    client = Server(linger=2, write_timeout=10).connect(full_at=10).send(REFUSED)
    client.server.clock.advance(2)
    assert client.closed


def test_closing_takes_no_longer_than_writing_may() -> None:
    """A last answer that is not taken is cut off after the time for it."""
    client = Server(write_timeout=10).connect()
    client.send(request(b"x", b"Connection: close"))
    client.server.clock.advance(9)
    assert not client.closed
    client.server.clock.advance(1)
    assert client.closed
    assert not client.server.clock.getDelayedCalls()
