"""A load generator: one request on each of N connections, again and again, in one epoll loop.

The answers are expected to be alike; each is checked for its length and its last bytes, so that a
server which answers faults, or half answers, fails the run instead of winning it.
"""

from __future__ import annotations

import select
import socket
import time
from http.client import HTTPResponse

ENDS = b"</methodResponse>"


def post(host: str, body: bytes) -> bytes:
    """Write a call as an HTTP request."""
    head = f"POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answer_length(port: int, request: bytes) -> int:
    """Ask once, check the answer, and give its length, head and all."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection)
        response.begin()
        body = response.read()
    if response.status != 200 or b"<fault>" in body:
        raise RuntimeError(f"{response.status}: {body[:300]!r}")
    # A second time for the head, whose length the response does not tell.
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
    return received.index(b"\r\n\r\n") + 4 + len(body)


def calls_per_second(port: int, body: bytes, connections: int, seconds: float) -> float:
    """Load a server, and give the calls that it answered in a second.

    Args:
        port: on loopback.
        body: the XML-RPC document.
        connections: each with one call under way.
        seconds: how long.
    """
    request = post(f"127.0.0.1:{port}", body)
    expected = answer_length(port, request)
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    received: dict[int, int] = {}
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[connection.fileno()] = connection
        received[connection.fileno()] = 0
        poll.register(connection.fileno(), select.EPOLLIN)
        connection.sendall(request)
    done = 0
    began = time.perf_counter()
    until = began + seconds
    while time.perf_counter() < until:
        for descriptor, _ in poll.poll(1.0):
            connection = sockets[descriptor]
            data = connection.recv(262144)
            received[descriptor] += len(data)
            if received[descriptor] == expected and data.rstrip().endswith(ENDS):
                received[descriptor] = 0
                done += 1
                connection.sendall(request)
            elif not data or received[descriptor] >= expected:
                raise RuntimeError(f"an unlike answer: {data[-200:]!r}")
    elapsed = time.perf_counter() - began
    for connection in sockets.values():
        connection.close()
    return done / elapsed
