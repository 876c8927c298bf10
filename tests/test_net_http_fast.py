"""The fast way: plain calls over one connection."""

from __future__ import annotations

from typing import Any

import pytest
from http_ends import Reply, Server, call, chunked, request
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, UNIXAddress

from co2.net.http_general import GeneralChannel
from co2.wire.xmlrpc import decode_reply, encode_call

GET = b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def value(reply: Reply) -> Any:
    """Give the value that came back."""
    assert reply.status == 200, reply
    assert reply.headers["content-type"] == "text/xml"
    return decode_reply(reply.body)


def values(replies: list[Reply]) -> list[Any]:
    return [value(reply) for reply in replies]


def test_call() -> None:
    """A call is answered, and the connection stays for the next one."""
    client = Server().connect()
    assert value(client.send(call("echo", "hello")).answer()) == "hello"
    assert value(client.send(call("add", 1, 2)).answer()) == 3
    assert not client.closed


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4000), max_size=30), st.integers(0, 3))
def test_pieces(cuts: list[int], large: int) -> None:
    """However the bytes are cut, the same calls are answered in the same order."""
    data = call("echo", "a") + call("echo", "b" * 500 * large) + call("ready") + call("add", 1, 2)
    client = Server().connect()
    start = 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        client.send(data[start:cut])
        start = cut
    assert values(client.answers()) == ["a", "b" * 500 * large, "ready", 3]
    assert client.server.http.buffered == 0


def test_one_byte_at_a_time() -> None:
    """A client that sends single bytes is served like any other."""
    client = Server().connect().drip(call("echo", 1) + call("echo", 2))
    assert values(client.answers()) == [1, 2]


def test_pipelined_in_order() -> None:
    """Requests that were sent ahead are begun only when the one before them is answered."""
    client = Server().connect()
    methods = client.server.methods
    client.send(call("echo", 1) + call("wait") + call("echo", 2) + call("wait"))
    assert values(client.answers()) == [1]
    assert methods.ran == ["echo", "wait"]
    methods.waiting[0].callback("late")
    assert values(client.answers()) == ["late", 2]
    methods.waiting[1].callback("later")
    assert value(client.answer()) == "later"


def test_many_pipelined() -> None:
    """A long row of requests is worked off in turns, without recursion, and in order."""
    client = Server(turn=7).connect()
    client.send(b"".join(call("ready") + call("echo", n) for n in range(1000)))
    assert len(client.transport.written) > 0
    while client.server.clock.getDelayedCalls()[0].getTime() <= client.server.clock.seconds():
        client.server.clock.advance(0)
    got = values(client.answers())
    assert got[1::2] == list(range(1000))


def test_a_turn_is_bounded() -> None:
    """One client's row of requests leaves the others their turn."""
    client = Server(turn=4).connect()
    client.send(call("echo", 0) * 10)
    assert len(client.answers()) == 4
    client.server.clock.advance(0)
    assert len(client.answers()) == 6


def test_bytes_between_turns() -> None:
    """What arrives between two turns is served after what came before it."""
    client = Server(turn=2).connect()
    client.send(call("echo", 1) + call("echo", 2) + call("echo", 3))
    client.send(call("echo", 4))
    client.server.clock.pump([0, 0, 0])
    assert values(client.answers()) == [1, 2, 3, 4]


def test_backlog_pauses_reading() -> None:
    """A client that sends far ahead of its answers is not read until they are written."""
    client = Server(max_backlog=1000).connect()
    client.send(call("wait"))
    client.send(call("echo", "x" * 2000))
    assert not client.transport.reading
    client.server.methods.waiting[0].callback(0)
    assert client.transport.reading
    assert values(client.answers()) == [0, "x" * 2000]
    assert client.server.http.buffered == 0


def test_client_that_does_not_read() -> None:
    """No further answer is made while the client does not take those that it has."""
    client = Server().connect(full_at=1000)
    client.send(call("echo", "x" * 2000))
    client.send(call("echo", 1))
    assert client.server.methods.ran == ["echo"]
    assert value(client.answer()) == "x" * 2000
    assert client.server.methods.ran == ["echo", "echo"]
    assert value(client.answer()) == 1


def test_body_after_a_large_answer() -> None:
    """A body that begins behind an answer which waits for the socket is not taken for a head."""
    client = Server().connect(full_at=1000)
    second = call("echo", "y" * 500)
    client.send(call("echo", "x" * 2000) + second[:-100])
    client.send(second[-100:])
    assert value(client.answer()) == "x" * 2000
    assert value(client.answer()) == "y" * 500


def test_client_that_never_reads() -> None:
    """A client that does not take its answer in time is cut off."""
    client = Server(write_timeout=120).connect(full_at=1000)
    client.send(call("echo", "x" * 2000))
    client.server.clock.pump([10] * 20)
    assert client.closed
    assert client.server.http.connections == 0


def test_disconnect_cancels() -> None:
    """The call that a client waits for is cancelled when it leaves."""
    client = Server().connect()
    client.send(call("wait") + call("echo", 1))
    client.leave()
    assert client.server.methods.cancelled == 1
    assert client.server.methods.ran == ["wait"]
    assert client.server.http.buffered == 0
    assert not client.server.clock.getDelayedCalls()


def test_connection_close() -> None:
    """A client that asks for it finds the connection closed after the answer."""
    client = Server().connect()
    client.send(request(encode_call("echo", (1,)), b"Connection: close") + call("echo", 2))
    reply = client.answer()
    assert value(reply) == 1
    assert reply.headers["connection"] == "close"
    assert client.closed
    assert client.server.methods.ran == ["echo"]


def test_idle() -> None:
    """A connection without requests closes after the idle time, which every request renews."""
    client = Server(idle_timeout=75).connect()
    client.server.clock.advance(70)
    client.send(call("echo", 1))
    client.answer()
    client.server.clock.advance(70)
    assert not client.closed
    client.server.clock.advance(6)
    assert client.closed
    assert client.answers() == []


@pytest.mark.parametrize("sent", [1, 50, -1])
def test_slow_request(sent: int) -> None:
    """A request that is not complete in its time is refused, however often a byte comes."""
    client = Server(request_timeout=30).connect()
    client.server.clock.advance(60)
    data = call("echo", "x" * 200)
    client.send(data[:sent])
    client.server.clock.advance(29)
    assert client.answers() == []
    client.server.clock.advance(2)
    assert client.answer().status == 408
    client.server.clock.advance(3)
    assert client.closed
    assert client.server.http.buffered == 0


def test_dripping_head() -> None:
    """A byte now and then renews nothing."""
    client = Server(request_timeout=30).connect()
    data = call("echo", "x" * 200)
    for at in range(0, 16):
        client.send(data[at : at + 1])
        client.server.clock.advance(2)
    assert client.answer().status == 408


def test_slow_method_is_no_slow_request() -> None:
    """A call may take as long as its method needs."""
    client = Server(request_timeout=30, idle_timeout=75).connect()
    client.send(call("wait"))
    client.server.clock.pump([20] * 20)
    assert not client.closed
    client.server.methods.waiting[0].callback("at last")
    assert value(client.answer()) == "at last"
    client.server.clock.advance(74)
    assert not client.closed


def test_too_large() -> None:
    """A body over the limit is refused before it is read, and what still comes is dropped."""
    client = Server(max_body=1000).connect()
    client.send(call("echo", "x" * 2000)[:200])
    assert client.answer().status == 413
    assert not client.closed
    client.send(b"x" * 10_000)
    assert client.server.http.buffered == 0
    client.server.clock.advance(3)
    assert client.closed


def test_budget() -> None:
    """All clients together can make the server hold no more than its budget."""
    server = Server(max_buffered=5000)
    clients = [server.connect() for _ in range(6)]
    for client in clients:
        client.send(call("echo", "x" * 5000)[:1000])
    refused = [client for client in clients if client.transport.written]
    assert len(refused) == 1
    reply = refused[0].answer()
    assert reply.status == 503
    assert reply.headers["retry-after"] == "1"
    assert 4000 < server.http.buffered <= 5000


def test_budget_while_an_answer_is_owed() -> None:
    """A client that fills the budget while it waits for an answer is cut off."""
    server = Server(max_buffered=1000)
    client = server.connect().send(call("wait")).send(b"x" * 2000)
    assert client.closed
    assert server.http.buffered == 0
    assert server.methods.cancelled == 1


def test_rights_are_judged_by_head() -> None:
    """Each head is judged for itself; the same head again is not judged again."""
    client = Server().connect()
    plain = request(encode_call("who", ()))
    admin = request(encode_call("who", ()), b"Authorization: Bearer " + b"t" * 32)
    strange = request(encode_call("who", ()), b"Origin: http://evil.example")
    client.send(plain + admin + plain + strange + admin)
    assert [text.split()[0] for text in values(client.answers())] == [
        "loopback",
        "admin",
        "loopback",
        "stranger",
        "admin",
    ]


def test_source_address() -> None:
    """The caller's address is the connection's; a UNIX socket's is this machine."""
    server = Server()
    far = server.connect(IPv4Address("TCP", "192.0.2.7", 1234))
    assert value(far.send(call("who")).answer()) == "stranger open 192.0.2.7"
    near = server.connect(UNIXAddress(None))
    assert value(near.send(call("who")).answer()) == "loopback call 127.0.0.1"


def test_leaves_for_the_general_way() -> None:
    """At a page the connection goes over for good, and calls behind it are served there."""
    client = Server().connect()
    client.send(call("echo", 1) + GET + call("echo", 2) + call("wait"))
    first, page, second = client.answers()
    assert (value(first), page.body, value(second)) == (1, b"a page for loopback", 2)
    client.server.methods.waiting[0].callback(3)
    assert value(client.answer()) == 3
    assert isinstance(client.transport.producer, GeneralChannel)


def test_leaves_only_when_nothing_is_owed() -> None:
    """The general way begins when the answers before it have left."""
    client = Server().connect(full_at=1000)
    client.send(call("wait") + GET)
    client.server.methods.waiting[0].callback("x" * 2000)
    assert value(client.answer()) == "x" * 2000
    assert client.answer().body == b"a page for loopback"


def test_chunked_goes_the_general_way() -> None:
    """A chunked call is answered too."""
    client = Server().connect()
    document = encode_call("echo", ("abc",))
    assert value(client.send(chunked(document[:20], document[20:])).answer()) == "abc"


def test_leaving_on_the_general_way() -> None:
    """The general way hears when the client leaves, and cancels its call."""
    client = Server().connect().send(GET + call("wait"))
    client.leave()
    assert client.server.methods.cancelled == 1
    assert client.server.http.connections == 0
