"""Satellites that misbehave: one that goes silent, one that reads slowly, one that only faults.

All of them pass for co2 hosts, and answer pings: so they get batches, written ahead.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self
from xmlrpc.client import Fault, ServerProxy, dumps

from e2e.network import Impatient

_PACE = 1024
"""Bytes a second that the slow one reads, once it is sent messages."""

_CAPABILITIES = {"co2": {"specUrl": "", "specVersion": 1}}


class Misfit:
    """A server in threads; a context manager.

    Args:
        nick: what it registers as.
        mood: told of each message's request, in its connection's thread; gives the answer.
        pace: bytes a second that it reads from a connection; None is all there are.
    """

    def __init__(self, nick: str, mood: Callable[[], bytes], pace: int | None = None) -> None:
        self._nick = nick
        self._mood = mood
        self._pace = pace
        self._ended = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._connections: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._ended.set()
        _shut(self._server)
        # From here on no connection is added to those that are closed.
        self._accepting.join(10)
        self._server.close()
        for one in self._connections:
            _shut(one)
        for thread in self._threads:
            thread.join(10)
        for one in self._connections:
            one.close()

    @property
    def ended(self) -> threading.Event:
        """Set at the end: what waits forever waits for it."""
        return self._ended

    def register(self, relay_url: str) -> None:
        """Register at a relay, as a co2 host would."""
        port = self._server.getsockname()[1]
        with ServerProxy(relay_url, Impatient()) as relay:
            relay.relay.register({"port": port, "nick": self._nick})

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        try:
            while data := connection.recv(self._pace // 4 if self._pace else 65536):
                received += data
                while (length := _whole(received)) is not None:
                    request, received = received[:length], received[length:]
                    connection.sendall(_http(self._answer(request)))
                if self._pace:
                    self._ended.wait(0.25)
        except OSError:
            return

    def _answer(self, request: bytes) -> bytes:
        if b"<methodName>ping<" in request:
            return dumps((True,), methodresponse=True).encode()
        if b"getCapabilities" in request:
            return dumps((_CAPABILITIES,), methodresponse=True).encode()
        return self._mood()


def silent() -> Misfit:
    """Give one that takes a message, and never says anything again."""
    misfit: Misfit

    def wait() -> bytes:
        misfit.ended.wait()
        raise OSError("the end")

    misfit = Misfit("silent", wait)
    return misfit


def slow() -> Misfit:
    """Give one that reads 1 kB a second."""
    return Misfit("slow", lambda: dumps((True,), methodresponse=True).encode(), _PACE)


def faulty() -> Misfit:
    """Give one that answers every message with a fault."""
    return Misfit("faulty", lambda: dumps(Fault(7, "out of coffee")).encode())


def _shut(one: socket.socket) -> None:
    """Wake the thread that waits for a socket."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _whole(received: bytes) -> int | None:
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return None
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return len(head) + 4 + length if len(body) >= length else None


def _http(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
