"""The bytes of answers."""

from co2.net.http_reply import FULL, ReplyHeads, bad_request, refusal_bytes


def test_refusal() -> None:
    """A refusal has its sentence as its body, and ends the connection."""
    data = refusal_bytes(bad_request("So not."), 0.0)
    assert data.startswith(b"HTTP/1.1 400 Bad Request\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n")
    assert b"\r\nConnection: close\r\n" in data
    assert data.endswith(b"\r\nContent-Length: 8\r\n\r\nSo not.\n")


def test_refusal_for_now() -> None:
    """A server that is full says when to come again."""
    assert b"\r\nRetry-After: 1\r\n" in refusal_bytes(FULL, 0.0)


def test_reply_head_is_made_once_a_second() -> None:
    """The Date follows the clock, and costs nothing within a second."""
    wall = [1_700_000_000.5]
    heads = ReplyHeads(lambda: wall[0])
    first = heads.head(100.0, False)
    assert b"\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n" in first
    assert heads.head(100.9, False) is first
    wall[0] += 365 * 86400
    assert b"\r\nDate: Wed, 13 Nov 2024 22:13:20 GMT\r\n" in heads.head(101.0, False)
    assert b"Connection: close" in heads.head(101.0, True)
