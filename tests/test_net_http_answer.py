"""A client reads every kind of answer, and nothing without end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from http_ends import http_answer
from hypothesis import given
from hypothesis import strategies as st

from co2.net.http_answer import Answer, AnswerReader

MOST = 100_000
PLAIN = http_answer(b"plain")
EMPTY = http_answer(b"")
REFUSED = http_answer(b"no", status=b"HTTP/1.1 404 Not Found")
CLOSING = http_answer(b"closing", b"Connection: close")
OLD = http_answer(b"old", status=b"HTTP/1.0 200 OK")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ENDLESS = b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\nuntil the end"


def read(*pieces: bytes, most: int = MOST) -> tuple[list[Answer], AnswerReader]:
    reader = AnswerReader(most)
    answers = []
    for piece in pieces:
        if reader.error is None:
            answers += reader.feed(piece)
    return answers, reader


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        (PLAIN, [Answer(200, b"plain", False)]),
        (EMPTY + PLAIN, [Answer(200, b"", False), Answer(200, b"plain", False)]),
        (REFUSED, [Answer(404, b"no", False)]),
        (CLOSING, [Answer(200, b"closing", True)]),
        (OLD, [Answer(200, b"old", True)]),
        (CHUNKED + PLAIN, [Answer(200, b"abcde", False), Answer(200, b"plain", False)]),
        (CONTINUE + PLAIN, [Answer(200, b"plain", False)]),
        (PLAIN + CHUNKED + CLOSING, [*[Answer(200, b, False) for b in (b"plain", b"abcde")],
                                     Answer(200, b"closing", True)]),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + PLAIN,
         [Answer(204, b"", False), Answer(200, b"plain", False)]),
    ],
)  # fmt: skip
def test_kinds(data: bytes, answers: list[Answer]) -> None:
    """Every kind of answer is read, whole or byte by byte."""
    assert read(data)[0] == answers
    assert read(*(data[n : n + 1] for n in range(len(data))))[0] == answers


LARGE = http_answer(b"x" * 900)


@given(
    st.lists(st.sampled_from([PLAIN, EMPTY, REFUSED, CHUNKED, CONTINUE, LARGE])),
    st.lists(st.integers(0, 6000)),
)
def test_pieces(parts: list[bytes], cuts: list[int]) -> None:
    """However the bytes are cut, the same answers come."""
    data = b"".join(parts)
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    whole, _ = read(data)
    cut, reader = read(*(data[start:stop] for start, stop in pairwise(edges)))
    assert cut == whole
    assert len(whole) == sum(part is not CONTINUE for part in parts)
    assert reader.end() is None


def test_until_the_end() -> None:
    """An answer without a length is complete when the connection ends."""
    answers, reader = read(ENDLESS, b" of it")
    assert answers == []
    assert reader.end() == Answer(200, b"until the end of it", True)


def test_broken_off() -> None:
    """An answer with a length that breaks off is none."""
    for data in (PLAIN[:-1], CHUNKED[:-5], PLAIN[:10]):
        answers, reader = read(data)
        assert answers == []
        assert reader.end() is None


@pytest.mark.parametrize(
    "data",
    [
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        PLAIN.replace(b"Length: 5", b"Length: -5"),
        PLAIN.replace(b"Length: 5", b"Length: x"),
        PLAIN.replace(b"\r\nContent-Length", b"\r\nContent-Length: 4\r\nContent-Length"),
        CHUNKED.replace(b"3\r\n", b"zz\r\n"),
        b"x" * 70_000,
    ],
)
def test_no_http(data: bytes) -> None:
    """What is not HTTP is an error, after the good answers before it were given."""
    answers, reader = read(PLAIN + data)
    assert answers == [Answer(200, b"plain", False)]
    assert reader.error is not None


@pytest.mark.parametrize(
    "data",
    [
        http_answer(b"x" * 2000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2000,
        b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 2000,
    ],
)
def test_too_large(data: bytes) -> None:
    """An answer over the limit is an error, however it is framed."""
    for pieces in ([data], [data[n : n + 100] for n in range(0, len(data), 100)]):
        answers, reader = read(*pieces, most=1000)
        assert answers == []
        assert reader.error is not None
        assert "1000 bytes" in reader.error.text


def test_endless_head() -> None:
    """A head without an end is an error on the general way as well."""
    _, reader = read(CHUNKED, *([b"HTTP/1.1 200 OK\r\nX: "] + [b"y" * 1000] * 200))
    assert reader.error is not None
