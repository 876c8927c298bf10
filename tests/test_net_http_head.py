"""A head is understood in one way or refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from co2.net.http_head import Head, Heads, read_head
from co2.net.http_limits import HttpLimits

LIMITS = HttpLimits()
LINE = b"POST /RPC2 HTTP/1.1\r\n"
HOST = b"Host: 127.0.0.1:2004\r\n"
KIND = b"Content-Type: text/xml\r\n"
LENGTH = b"Content-Length: 5\r\n"
GOOD = LINE + HOST + KIND + LENGTH + b"\r\n"


def head_of(*lines: bytes, line: bytes = LINE) -> Head:
    return read_head(line + b"".join(lines) + b"\r\n", LIMITS)


def test_plain_call() -> None:
    """A plain call goes the fast way, with everything that its head says."""
    head = head_of(HOST, KIND, LENGTH, b"Authorization: Bearer x\r\n", b"Origin: http://a\r\n")
    assert head.fast
    assert not head.general
    assert (head.method, head.path, head.length) == (b"POST", b"/RPC2", 5)
    assert (head.host, head.authorization) == (b"127.0.0.1:2004", b"Bearer x")
    assert head.origin == b"http://a"
    assert head.keep_alive
    assert not head.forwarded


@pytest.mark.parametrize(
    "kind", [b"text/xml", b"TEXT/XML; charset=utf-8", b"application/xml", b"text/xml;charset=x"]
)
def test_content_types(kind: bytes) -> None:
    """Both XML types are taken, with parameters and in any case."""
    assert head_of(HOST, LENGTH, b"Content-Type: " + kind + b"\r\n").fast


@pytest.mark.parametrize("target", [b"/", b"/RPC2", b"/RPC2?x=y", b"http://127.0.0.1:2004/RPC2"])
def test_targets(target: bytes) -> None:
    """Calls go to / and /RPC2, whatever the query; a proxy's absolute form is understood."""
    head = head_of(HOST, KIND, LENGTH, line=b"POST %s HTTP/1.1\r\n" % target)
    assert head.fast
    assert head.path in (b"/", b"/RPC2")


def test_absolute_form_names_the_host() -> None:
    """The authority of an absolute target overrides the Host header (RFC 9112 section 3.2.2)."""
    line = b"POST http://evil.example/RPC2 HTTP/1.1\r\n"
    assert head_of(HOST, KIND, LENGTH, line=line).host == b"evil.example"


@pytest.mark.parametrize("length", [b"Content-Length: 0\r\n", LENGTH])
def test_connection_close(length: bytes) -> None:
    """Who asks for the connection's end is heard, with a body or without."""
    assert not head_of(HOST, KIND, length, b"Connection: close\r\n").keep_alive
    assert not head_of(HOST, b"Connection: close\r\n", line=b"GET / HTTP/1.1\r\n").keep_alive
    assert head_of(HOST, KIND, length, b"Connection: keep-alive\r\n").keep_alive


@pytest.mark.parametrize("name", [b"Forwarded", b"X-Forwarded-For", b"x-forwarded-host"])
def test_forwarded(name: bytes) -> None:
    """A proxy's headers are noticed."""
    assert head_of(HOST, KIND, LENGTH, name + b": x\r\n").forwarded


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (b"GET / HTTP/1.1\r\n", [HOST]),
        (b"HEAD /x HTTP/1.1\r\n", [HOST]),
        (LINE, [HOST, KIND, b"Transfer-Encoding: chunked\r\n"]),
        (LINE, [HOST, KIND, LENGTH, b"Expect: 100-continue\r\n"]),
        (LINE, [HOST, KIND, LENGTH, b"Connection: upgrade\r\n", b"Upgrade: h2c\r\n"]),
        (b"POST /RPC2 HTTP/1.0\r\n", [KIND, LENGTH]),
    ],
)
def test_general(line: bytes, lines: list[bytes]) -> None:
    """What is right but unusual goes the general way."""
    head = head_of(*lines, line=line)
    assert head.refusal is None
    assert head.general
    assert not head.fast


@pytest.mark.parametrize(
    ("status", "line", "lines"),
    [
        (400, LINE, [KIND, LENGTH]),
        (400, LINE, [HOST, HOST, KIND, LENGTH]),
        (400, LINE, [HOST, KIND, KIND, LENGTH]),
        (400, LINE, [HOST, KIND, LENGTH, LENGTH]),
        (400, LINE, [HOST, KIND, LENGTH, b"Content-Length: 6\r\n"]),
        (400, LINE, [HOST, KIND, LENGTH, b"Transfer-Encoding: chunked\r\n"]),
        (400, LINE, [HOST, KIND, b"Content-Length: -5\r\n"]),
        (400, LINE, [HOST, KIND, b"Content-Length: +5\r\n"]),
        (400, LINE, [HOST, KIND, b"Content-Length: 5, 5\r\n"]),
        (400, LINE, [HOST, KIND, b"Content-Length: 0x5\r\n"]),
        (400, LINE, [HOST, KIND, b"Content-Length:\r\n"]),
        (400, LINE, [HOST, KIND, b"Content-Length: " + b"9" * 30 + b"\r\n"]),
        (400, LINE, [HOST, KIND, LENGTH, b"A: b\r\n c\r\n"]),
        (400, LINE, [HOST, KIND, LENGTH, b"A: b\nB: c\r\n"]),
        (400, LINE, [HOST, KIND, LENGTH, b"A: b\rB: c\r\n"]),
        (400, LINE, [HOST, KIND, LENGTH, b"A : b\r\n"]),
        (400, LINE, [HOST, KIND, LENGTH, b"A: b\0\r\n"]),
        (400, LINE, [HOST, KIND, LENGTH, b": b\r\n"]),
        (400, LINE, [HOST, KIND, LENGTH, b"no colon\r\n"]),
        (400, LINE, [HOST, KIND, b"Transfer-Encoding: identity\r\n"]),
        (400, b"POST  /RPC2 HTTP/1.1\r\n", [HOST, KIND, LENGTH]),
        (400, b"POST /RPC2\r\n", [HOST, KIND, LENGTH]),
        (400, b"POST /\x01 HTTP/1.1\r\n", [HOST, KIND, LENGTH]),
        (400, b"POST RPC2 HTTP/1.1\r\n", [HOST, KIND, LENGTH]),
        (400, b"POST /RPC2 HTTP/1.0\r\n", [KIND, b"Transfer-Encoding: chunked\r\n"]),
        (404, b"POST /nowhere HTTP/1.1\r\n", [HOST, KIND, LENGTH]),
        (404, b"POST /rpc2 HTTP/1.1\r\n", [HOST, KIND, LENGTH]),
        (405, b"PUT /RPC2 HTTP/1.1\r\n", [HOST, KIND, LENGTH]),
        (405, b"BREW /RPC2 HTTP/1.1\r\n", [HOST, KIND, LENGTH]),
        (405, b"post /RPC2 HTTP/1.1\r\n", [HOST, KIND, LENGTH]),
        (405, b"OPTIONS * HTTP/1.1\r\n", [HOST]),
        (411, LINE, [HOST, KIND]),
        (413, LINE, [HOST, KIND, b"Content-Length: 16777217\r\n"]),
        (415, LINE, [HOST, LENGTH]),
        (415, LINE, [HOST, LENGTH, b"Content-Type: text/plain\r\n"]),
        (415, LINE, [HOST, KIND, LENGTH, b"Content-Encoding: gzip\r\n"]),
        (417, LINE, [HOST, KIND, LENGTH, b"Expect: a-miracle\r\n"]),
        (431, LINE, [HOST, KIND, LENGTH, b"A: " + b"b" * 17000 + b"\r\n"]),
        (431, LINE, [HOST, KIND, LENGTH, *([b"A: b\r\n"] * 101)]),
        (501, LINE, [HOST, KIND, b"Transfer-Encoding: gzip, chunked\r\n"]),
        (505, b"POST /RPC2 HTTP/2.0\r\n", [HOST, KIND, LENGTH]),
    ],
)
def test_refused(status: int, line: bytes, lines: list[bytes]) -> None:
    """Everything else is refused, with the status that says why."""
    refusal = head_of(*lines, line=line).refusal
    assert refusal is not None
    assert refusal.status == status
    assert refusal.sentence.endswith(".")


def test_one_empty_line_before() -> None:
    """One empty line before the request is overlooked (RFC 9112 section 2.2), not two."""
    assert read_head(b"\r\n" + GOOD, LIMITS).fast
    assert read_head(b"\r\n\r\n", LIMITS).refusal is not None


def test_remembered() -> None:
    """The same bytes give the same head object, so that what hangs on it can be reused."""
    heads = Heads(LIMITS)
    assert heads.read(GOOD) is heads.read(bytes(bytearray(GOOD)))


def test_memory_is_bounded() -> None:
    """Clients that change their head with every request do not fill the memory."""
    heads = Heads(LIMITS)
    for number in range(5000):
        heads.read(LINE + HOST + KIND + LENGTH + b"X: %d\r\n\r\n" % number)
    assert len(heads.known) <= 1024


def test_large_and_refused_heads_are_not_remembered() -> None:
    """What is long, or was refused, takes no place in the memory."""
    heads = Heads(LIMITS)
    heads.read(LINE + HOST + KIND + LENGTH + b"X: " + b"y" * 9000 + b"\r\n\r\n")
    heads.read(LINE + b"\r\n")
    assert not heads.known


@given(st.binary(max_size=300))
@example(b"\r\n")
@example(GOOD[:-4])
def test_any_bytes(noise: bytes) -> None:
    """Whatever the bytes, there is a head, served or refused, and no other exception."""
    head = read_head(noise.replace(b"\r\n\r\n", b"") + b"\r\n\r\n", LIMITS)
    assert head.refusal is not None or head.fast or head.general


@given(st.integers(0, len(GOOD) - 5), st.binary(min_size=1, max_size=3))
def test_injected_bytes(where: int, noise: bytes) -> None:
    """A good head with bytes put in is refused, or means what its one Content-Length says."""
    block = GOOD[:where] + noise + GOOD[where:]
    if block.find(b"\r\n\r\n") != len(block) - 4:
        return
    head = read_head(block, LIMITS)
    if head.fast:
        lines = [line.lower().partition(b":") for line in block.split(b"\r\n")]
        lengths = [value.strip(b" \t") for name, _, value in lines if name == b"content-length"]
        assert [int(length) for length in lengths] == [head.length]
        assert block.count(b"\r\n") == block.count(b"\n") == block.count(b"\r")
