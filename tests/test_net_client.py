"""The blocking client, against servers that behave and many that do not."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile

import pytest

from co2.errors import MethodNotFound, Unreachable, UnsupportedValue
from co2.model.hosts import Address
from co2.net.client import Client
from co2.wire.xmlrpc import decode_call, encode_fault, encode_reply


@contextmanager
def serving(*answers: bytes | None) -> Iterator[tuple[Address, list[bytes]]]:
    """Answer one request with each of these, on one connection; None keeps silent."""
    received: list[bytes] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, answers, received, done))
        thread.start()
        try:
            yield Address(*listening.getsockname()), received
        finally:
            done.set()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # nobody waits for a client that never came
            thread.join(10)


def _serve(
    listening: socket.socket,
    answers: tuple[bytes | None, ...],
    received: list[bytes],
    done: threading.Event,
) -> None:
    try:
        connection, _ = listening.accept()
    except OSError:
        return
    with connection, connection.makefile("rb") as stream:
        for answer in answers:
            request = _read_request(stream)
            if not request:
                return
            received.append(request)
            if answer is None:
                done.wait(10)
            else:
                connection.sendall(answer)


def _read_request(stream: object) -> bytes:
    """Read one, or nothing when the client has gone."""
    head = b"".join(takewhile(lambda line: line.strip(), iter(stream.readline, b"")))
    if not head:
        return b""
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    return head + b"\r\n" + stream.read(length)


def http(body: bytes, kind: str = "text/xml", status: str = "200 OK") -> bytes:
    """Write a response."""
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def test_calls_share_a_connection_and_show_the_credential():
    """Two calls go over one connection, with the Authorization header each."""
    answers = http(encode_reply(1)), http(encode_reply([2]))
    with (
        serving(*answers) as (address, received),
        Client(address, b"Bearer secret") as client,
    ):
        assert client.call("first", "x", 5) == 1
        assert client.call("second") == [2]
    assert all(b"authorization: bearer secret\r\n" in one.lower() for one in received)
    assert received[0].startswith(b"POST /RPC2 HTTP/1.1\r\n")
    assert decode_call(received[0].partition(b"\r\n\r\n")[2]) == ("first", ("x", 5))


def test_without_a_credential_none_is_shown():
    """No Authorization header is sent if there is nothing to show."""
    with serving(http(encode_reply(1))) as (address, received), Client(address) as client:
        client.call("x")
    assert b"authorization" not in received[0].lower()


def test_a_fault_becomes_the_error_that_it_stands_for():
    """A fault that the server answers is raised as the class of its code."""
    answer = http(encode_fault(MethodNotFound("no method x").as_fault()))
    with (
        serving(answer) as (address, _),
        Client(address) as client,
        pytest.raises(MethodNotFound, match="no method x"),
    ):
        client.call("x")


def test_what_cannot_travel_is_told_before_anything_is_sent():
    """An argument that XML-RPC cannot carry is an error of this program."""
    with Client(Address("127.0.0.1", 9)) as client, pytest.raises(UnsupportedValue):
        client.call("x", object())


def test_a_refused_connection_says_what_to_start():
    """Where nothing listens, the text names the command that would."""
    with (
        Client(Address("127.0.0.1", 9)) as client,
        pytest.raises(Unreachable, match="co2 satellite"),
    ):
        client.call("x")


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), OSError(101, "unreachable")])
def test_an_address_that_leads_nowhere_is_told(
    monkeypatch: pytest.MonkeyPatch, error: OSError, said: str = "looked up|unreachable"
):
    """What the operating system says of a name or a route is no traceback."""

    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("socket.getaddrinfo", fail)
    with Client(Address("nowhere", 9)) as client, pytest.raises(Unreachable, match=said):
        client.call("x")


def test_a_name_that_cannot_be_one_is_told():
    """A label of 64 characters fails before it is looked up."""
    with Client(Address("x" * 64, 9)) as client, pytest.raises(Unreachable, match="looked up"):
        client.call("x")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (http(b"", status="404 Not Found"), "HTTP 404 Not Found"),
        (http(b"<html>", kind="text/html"), "text/html, no XML-RPC"),
        (http(b"<html></html>"), "does not answer XML-RPC"),
        (http(encode_reply("cut"))[:-9], "in the middle"),
        (b"SSH-2.0-x\r\n", "does not answer HTTP"),
        (b"", "closed the connection"),
    ],
)
def test_an_answer_that_is_none_is_told(answer: bytes, said: str):
    """Whatever else speaks at that port, it is called unreachable and said why."""
    with (
        serving(answer) as (address, _),
        Client(address) as client,
        pytest.raises(Unreachable, match=said),
    ):
        client.call("x")


def test_an_answer_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A server cannot fill this program's memory."""
    monkeypatch.setattr("co2.net.client.MOST_ANSWER", 2**20)
    with (
        serving(http(b" " * (2**20 + 1))) as (address, _),
        Client(address) as client,
        pytest.raises(Unreachable, match="more than 1 MiB"),
    ):
        client.call("x")


def clock(*times: float) -> Callable[[], float]:
    """Give a clock that reads so, and then the last for good."""
    return itertools.chain(times, itertools.repeat(times[-1])).__next__


def test_a_silent_server_is_waited_for_no_longer_than_told():
    """What is left of the timeout is waited for, and no more."""
    with (
        serving(None) as (address, _),
        Client(address, None, 30, clock(0, 0, 0, 29.99)) as client,
        pytest.raises(Unreachable, match="did not answer within 30 s"),
    ):
        client.call("x")


def test_a_server_that_drips_does_not_stretch_the_timeout():
    """The time of a call is counted from its start, not from the last byte."""
    drop = http(encode_reply("x" * 100_000))[:1000]
    with (
        serving(drop) as (address, _),
        Client(address, None, 30, clock(0, 0, 0, 0, 31)) as client,
        pytest.raises(Unreachable, match="did not answer within 30 s"),
    ):
        client.call("x")


def test_after_a_failure_the_next_call_connects_anew():
    """A broken connection is not used again."""
    with serving(b"") as (address, _):
        client = Client(address)
        with pytest.raises(Unreachable):
            client.call("x")
    with client, pytest.raises(Unreachable, match="nothing listens"):
        client.call("x")
