"""One server, called and waited for: what a one-shot command uses in place of a reactor.

Decides how long a call may take and what counts as no answer. It speaks HTTP by the standard
library and XML-RPC by `co2.wire`, and knows no methods, commands or settings.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPResponse
from types import TracebackType
from typing import Any, Self

from co2.errors import Unreachable
from co2.model.hosts import Address
from co2.wire.xmlrpc import BATCH_LIMITS, decode_reply, encode_call

MOST_ANSWER = 64 * 1024 * 1024
"""Bytes that are taken of one answer: a server's own limit (max_body) is 16 MiB by default."""


class _PatientSocket(socket.socket):
    """A socket whose every wait is cut to what is `left` of the call.

    The timeout of an ordinary one begins anew with every byte: a server that drips would be waited
    for without end.
    """

    left: Callable[[], float]

    @classmethod
    def out_of(cls, plain: socket.socket) -> _PatientSocket:
        return cls(plain.family, plain.type, plain.proto, plain.detach())

    def recv_into(self, *arguments: Any) -> int:
        self._cut()
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self._cut()
        super().sendall(*arguments)

    def _cut(self) -> None:
        left = self.left()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)


class Client:
    """Calls methods of one server, each call after the other, over one connection.

    Args:
        address: where the server listens.
        authorization: the value of the Authorization header, or None for none.
        timeout: seconds for one call, connecting included.
        seconds: a clock that is never set back.
    """

    def __init__(
        self,
        address: Address,
        authorization: bytes | None = None,
        timeout: float = 30.0,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._seconds = seconds
        self._headers: dict[str, bytes | str] = {"Content-Type": "text/xml"}
        if authorization is not None:
            self._headers["Authorization"] = authorization
        self._connection = HTTPConnection(address.ip, address.port, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def call(self, method: str, *params: Any) -> Any:
        """Call a method, and give its result.

        Args:
            method: the name.
            params: its values.

        Raises:
            UnsupportedValue: an argument cannot travel; nothing was sent.
            Unreachable: no answer came within the time, or none that XML-RPC knows. Unless the
                connection was refused, the method may have run.
            Co2Error: the fault that the server answered, as `remote_error` gives it.
        """
        body = encode_call(method, params)
        try:
            document = self._exchange(body)
        except (OSError, HTTPException, UnicodeError) as error:
            self.close()
            raise Unreachable(self._explain(error)) from None
        except Unreachable:
            self.close()
            raise
        return decode_reply(document, BATCH_LIMITS, str(self.address))

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def _exchange(self, body: bytes) -> bytes:
        deadline = self._seconds() + self._timeout
        self._connected().left = lambda: deadline - self._seconds()
        self._connection.request("POST", "/RPC2", body, self._headers)
        response = self._connection.getresponse()
        document = response.read(MOST_ANSWER + 1)
        if len(document) > MOST_ANSWER:
            raise Unreachable(
                f"{self.address} answers more than {MOST_ANSWER // 2**20} MiB: ask for less"
            )
        if response.length:
            raise Unreachable(f"{self.address} closed the connection in the middle of its answer")
        self._check(response)
        return document

    def _connected(self) -> _PatientSocket:
        there = self._connection.sock
        if isinstance(there, _PatientSocket):
            return there
        plain = socket.create_connection(self.address, self._timeout)
        # http.client writes head and body apart: the body shall not wait for the head's receipt.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.sock = opened = _PatientSocket.out_of(plain)
        return opened

    def _check(self, response: HTTPResponse) -> None:
        kind = response.headers.get_content_type()
        if response.status != 200:
            raise Unreachable(
                f"{self.address} answers HTTP {response.status} {response.reason}: a co2 server "
                "answers calls with 200"
            )
        if kind not in ("text/xml", "application/xml"):
            raise Unreachable(f"{self.address} answers {kind}, no XML-RPC: it is no co2 server")

    def _explain(self, error: Exception) -> str:
        if isinstance(error, ConnectionRefusedError):
            return f"nothing listens at {self.address}: start a server there with `co2 satellite`"
        if isinstance(error, TimeoutError):
            return f"{self.address} did not answer within {self._timeout:g} s"
        if isinstance(error, socket.gaierror | UnicodeError):
            return f"{self.address.ip} is a name that cannot be looked up"
        if isinstance(error, ConnectionError):
            return f"{self.address} closed the connection without an answer"
        if isinstance(error, HTTPException):
            return f"{self.address} does not answer HTTP as a co2 server does"
        return f"{self.address} cannot be reached: {getattr(error, 'strerror', None) or 'no route'}"
