"""A request's head: what it asks for, or why it is refused.

Decides everything that can be decided before the body is read, for the fast way and the general
way alike, so that they cannot differ. Knows no connection and no clock.

How it works. Clients send the same head again and again, so `Heads` remembers what a block of head
bytes meant; only a block that was not seen before is parsed, by llhttp (httptools). What llhttp
accepts and this module does not: more than one space in the request line, a repeated Host,
Content-Type, Authorization or Origin, HTTP/1.1 without a Host, versions other than 1.0 and 1.1, any
Transfer-Encoding but `chunked`. Invariants:

- llhttp takes the whole block for exactly one head: not finished before the last byte, and at it.
- A head with a refusal is never served, and its connection is closed: nobody can make two readers
  of the same bytes see different requests.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import httptools
from attrs import frozen

from co2.net.http_limits import HttpLimits
from co2.net.http_reply import HEAD_TOO_LARGE, Refusal, bad_request, body_too_large

CALL_PATHS = frozenset({b"/", b"/RPC2"})
_CALL_TYPES = frozenset({b"text/xml", b"application/xml"})
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/(\d\.\d)\r\n")
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)([^?#]*)", re.IGNORECASE)
_ONCE = frozenset(
    {b"host", b"content-type", b"content-length", b"transfer-encoding", b"authorization", b"origin"}
)
_NOT_ALLOWED = Refusal(
    405,
    "Only POST, for calls, and GET and HEAD, for pages, are served here.",
    b"Allow: GET, HEAD, POST\r\n",
)
NO_HTTP = bad_request("The first byte is none of HTTP's.")
_KNOWN_HEADS = 1024
_LONGEST_KNOWN = 4096


def begins_like_http(data: bytes) -> bool:
    """Tell whether a head may begin so; TLS and binary noise need not be waited for."""
    first = data.lstrip(b"\r\n")[:1]
    return not first or b"!" <= first <= b"~"


@frozen
class Head:
    """What a request's head says.

    Attributes:
        method: as it was sent.
        path: without the query.
        length: bytes of the body; 0 for a chunked one.
        chunked: the body comes in chunks.
        keep_alive: the client wants to go on after the answer.
        authorization, host, origin: the headers' values, or None.
        forwarded: a proxy has added its headers.
        general: the fast way does not serve it.
        refusal: why it is not served at all, or None.
        fast: neither general nor refused.
    """

    method: bytes = b""
    path: bytes = b""
    length: int = 0
    chunked: bool = False
    keep_alive: bool = False
    authorization: bytes | None = None
    host: bytes | None = None
    origin: bytes | None = None
    forwarded: bool = False
    general: bool = False
    refusal: Refusal | None = None
    fast: bool = False


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


class _Fields:
    """What llhttp tells of one head."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.count = 0
        self.complete = False
        self.keep_alive = False
        self.forwarded = False
        self.parser = httptools.HttpRequestParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.count += 1
        name = name.lower()
        if name in self.values and name in _ONCE:
            raise ValueError(f"{name.decode('latin-1')} is given twice")
        self.values[name] = value.strip(b" \t")
        if name == b"forwarded" or name.startswith(b"x-forwarded-"):
            self.forwarded = True

    def on_headers_complete(self) -> None:
        self.complete = True
        # Here, because llhttp forgets it with the end of a message that has no body.
        self.keep_alive = self.parser.should_keep_alive()


class _RequestLine(NamedTuple):
    method: bytes
    target: bytes
    version: bytes


class Heads:
    """Reads heads, and remembers what was read.

    Args:
        limits: of the server.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self.known: dict[bytes, Head] = {}

    def read(self, block: bytes) -> Head:
        r"""Give what a head means.

        Args:
            block: the bytes up to and with the first `\r\n\r\n`.
        """
        head = self.known.get(block)
        if head is None:
            head = read_head(block, self._limits)
            if head.refusal is None and len(block) <= _LONGEST_KNOWN:
                if len(self.known) >= _KNOWN_HEADS:
                    self.known.clear()
                self.known[block] = head
        return head


def read_head(block: bytes, limits: HttpLimits) -> Head:
    r"""Parse a head.

    Args:
        block: the bytes up to and with the first `\r\n\r\n`.
        limits: of the server.

    Source: RFC 9112 sections 2.2, 3 and 6.3; RFC 9110 section 15 for the statuses.
    """
    try:
        return _read(block.removeprefix(b"\r\n"), limits)
    except _Refused as refused:
        return Head(refusal=refused.refusal)


def _read(block: bytes, limits: HttpLimits) -> Head:
    if len(block) > limits.max_head:
        raise _Refused(HEAD_TOO_LARGE)
    line = _request_line(block)
    fields = _parse(block)
    if fields.count > limits.max_headers:
        raise _Refused(HEAD_TOO_LARGE)
    values = fields.values
    path, host = _path_and_host(line, values)
    chunked = _is_chunked(line, values)
    length = _length(values, limits)
    general = chunked or line.version == b"1.0" or b"upgrade" in values or _expects(values)
    if line.method == b"POST":
        _check_call(path, values, chunked)
    else:
        general = True
    return Head(
        method=line.method,
        path=path,
        length=length,
        chunked=chunked,
        keep_alive=fields.keep_alive,
        authorization=values.get(b"authorization"),
        host=host,
        origin=values.get(b"origin"),
        forwarded=fields.forwarded,
        general=general,
        fast=not general,
    )


def _request_line(block: bytes) -> _RequestLine:
    match = _REQUEST_LINE.match(block)
    if match is None:
        raise _Refused(bad_request("The first line is no HTTP request line."))
    line = _RequestLine(*match.groups())
    if line.version not in (b"1.0", b"1.1"):
        raise _Refused(Refusal(505, "HTTP/1.0 and HTTP/1.1 are spoken here."))
    if line.method not in (b"POST", b"GET", b"HEAD"):
        raise _Refused(_NOT_ALLOWED)
    return line


def _parse(block: bytes) -> _Fields:
    fields = _Fields()
    try:
        fields.parser.feed_data(block[:-1])
        early = fields.complete
        fields.parser.feed_data(block[-1:])
    except httptools.HttpParserUpgrade:
        early = False
    except httptools.HttpParserCallbackError as error:
        raise _Refused(bad_request(f"The head is refused: {error.__context__}.")) from None
    except httptools.HttpParserError as error:
        raise _Refused(bad_request(f"The head is not HTTP: {error}.")) from None
    finally:
        # They hold each other, and should not wait for the garbage collector.
        del fields.parser
    if early or not fields.complete:
        raise _Refused(bad_request("The head does not end where its blank line is."))
    return fields


def _path_and_host(line: _RequestLine, values: dict[bytes, bytes]) -> tuple[bytes, bytes | None]:
    host = values.get(b"host")
    if host is None and line.version == b"1.1":
        raise _Refused(bad_request("HTTP/1.1 asks for a Host header."))
    absolute = _ABSOLUTE.match(line.target)
    if absolute is not None:
        return absolute[2] or b"/", absolute[1]
    if not line.target.startswith(b"/"):
        raise _Refused(bad_request("The target is no path; calls go to /RPC2."))
    return line.target.partition(b"?")[0], host


def _is_chunked(line: _RequestLine, values: dict[bytes, bytes]) -> bool:
    coding = values.get(b"transfer-encoding")
    if coding is None:
        return False
    if line.version == b"1.0" or b"content-length" in values:
        raise _Refused(bad_request("Transfer-Encoding stands where it may not."))
    if coding.lower() != b"chunked":
        raise _Refused(Refusal(501, "The only Transfer-Encoding that is read here is chunked."))
    return True


def _length(values: dict[bytes, bytes], limits: HttpLimits) -> int:
    text = values.get(b"content-length", b"0")
    if not text.isdigit() or len(text) > 18:
        raise _Refused(bad_request("Content-Length is no number of bytes."))
    length = int(text)
    if length > limits.max_body:
        raise _Refused(body_too_large(limits.max_body))
    return length


def _expects(values: dict[bytes, bytes]) -> bool:
    expectation = values.get(b"expect")
    if expectation is None:
        return False
    if expectation.lower() != b"100-continue":
        raise _Refused(Refusal(417, "The only expectation that is met here is 100-continue."))
    return True


def _check_call(path: bytes, values: dict[bytes, bytes], chunked: bool) -> None:
    if path not in CALL_PATHS:
        raise _Refused(Refusal(404, "Calls go to /RPC2."))
    if not chunked and b"content-length" not in values:
        raise _Refused(Refusal(411, "A call needs a Content-Length."))
    if values.get(b"content-encoding", b"identity").lower() != b"identity":
        raise _Refused(Refusal(415, "A call's body is plain XML: no Content-Encoding is read."))
    kind = values.get(b"content-type", b"").partition(b";")[0].strip(b" \t").lower()
    if kind not in _CALL_TYPES:
        raise _Refused(Refusal(415, "A call's Content-Type is text/xml or application/xml."))
