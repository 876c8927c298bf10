"""The bytes of an HTTP answer, the same for the fast way and the general way.

This module decides what a refusal says and which headers an answer has. It knows no connection.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from twisted.web.http import datetimeToString


class Refusal(NamedTuple):
    """Why a request is not served; the connection is closed after it has been said.

    `extra` are further header lines, each with its line end.
    """

    status: int
    sentence: str
    extra: bytes = b""


def bad_request(sentence: str) -> Refusal:
    """Give the refusal of what is not HTTP as RFC 9112 has it."""
    return Refusal(400, sentence)


HEAD_TOO_LARGE = Refusal(431, "The request's head is larger, or has more lines, than is read here.")
TOO_SLOW = Refusal(408, "The request did not arrive in full within the time for it.")
FULL = Refusal(
    503,
    "The server holds as many unfinished requests as it may; try again in a moment.",
    b"Retry-After: 1\r\n",
)


def body_too_large(most: int) -> Refusal:
    """Give the refusal of a body with more than `most` bytes."""
    return Refusal(413, f"The body is larger than the {most} bytes that are read here.")


def refusal_bytes(refusal: Refusal, now: float) -> bytes:
    """Give the whole answer; `now` is UNIX seconds."""
    body = refusal.sentence.encode() + b"\n"
    return b"HTTP/1.1 %d %s\r\nDate: %s\r\n%sConnection: close\r\n%s%d\r\n\r\n%s" % (
        refusal.status,
        HTTPStatus(refusal.status).phrase.encode(),
        datetimeToString(now),
        refusal.extra,
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: ",
        len(body),
        body,
    )


class ReplyHeads:
    """The head of an answered call up to its length; made anew once a second, for its Date.

    Args:
        wall: gives UNIX seconds.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._second = -1
        self._keeping = b""
        self._closing = b""

    def head(self, now: float, closes: bool) -> bytes:
        """Give what stands before the length.

        Args:
            now: seconds of the steady clock, to know when a second is over.
            closes: the connection ends.
        """
        if int(now) != self._second:
            self._renew(int(now))
        return self._closing if closes else self._keeping

    def _renew(self, second: int) -> None:
        self._second = second
        status = b"HTTP/1.1 200 OK\r\nDate: %s\r\n" % datetimeToString(self._wall())
        kind = b"Content-Type: text/xml\r\nContent-Length: "
        self._keeping = status + kind
        self._closing = status + b"Connection: close\r\n" + kind
