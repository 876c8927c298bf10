"""Both dialects, frame for frame as the real peers have been seen to speak."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mktl.samples import JSON, bulks
from plugin.mktl.serving.desk import error_payload
from plugin.mktl.wire.dialects import Dialect, New, Old, done, read_payload
from plugin.mktl.wire.message import Bulk, MalformedMessage, Payload, Request, make_bulk, read_bulk
from plugin.mktl.wire.zmtp import GREETING, Conversation, encode_ready

TARGETS = st.from_regex(r"[a-z]{1,8}\.[a-z_]{1,8}", fullmatch=True)
DIALECTS = [New(), Old()]


def frames_of(data: bytes) -> list[list[bytes]]:
    conversation = Conversation(b"ROUTER")
    conversation.receive(GREETING + encode_ready(b"DEALER"))
    return conversation.receive(data)


@pytest.mark.parametrize("dialect", DIALECTS, ids=["new", "old"])
@given(st.binary(min_size=1, max_size=12), TARGETS, JSON, st.none() | bulks())
def test_requests_answers_and_news_survive(
    dialect: Dialect, id: bytes, target: str, value: object, bulk: Bulk | None
) -> None:
    """What one end says is what the other understands, arrays and large payloads included."""
    payload = Payload(None if bulk else value, 12.5, bulk)
    request = Request(id, "SET", target, payload)
    (frames,) = frames_of(dialect.request(request))
    got = dialect.read_request(frames)
    assert (got.id, got.type, got.target, got.payload.bulk) == (id, "SET", target, bulk)
    assert bulk or got.payload["value"] == value
    (frames,) = frames_of(dialect.reply(request, payload))
    got_id, kind, reply = dialect.read_response(frames)
    assert (got_id, kind, reply.bulk, reply["time"]) == (id, "REP", bulk, 12.5)
    (frames,) = frames_of(dialect.publication(f"{target}.".encode(), payload))
    news = dialect.read_publication(frames)
    assert (news.target, news.payload.bulk) == (target, bulk)


@pytest.mark.parametrize("dialect", DIALECTS, ids=["new", "old"])
@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"a", b"GET", b"SET"]), max_size=9))
def test_no_frames_do_harm(dialect: Dialect, frames: list[bytes]) -> None:
    """Whatever comes is understood or refused as malformed."""
    for read in (dialect.read_request, dialect.read_response, dialect.read_publication):
        try:
            read(frames)
        except MalformedMessage as error:
            assert str(error)


def test_the_new_dialect_is_the_one_that_was_captured() -> None:
    """REP, ACK and publication have the captured frames."""
    new = New()
    request = new.read_request([b"a", b"00000002", b"SET", b"Bench.Number", b"", b'{"value":5}'])
    assert (request.target, request.ack, request.reply) == ("bench.number", True, True)
    assert frames_of(new.acknowledge(request)) == [[b"a", b"00000002", b"ACK", b"", b"", b""]]
    assert frames_of(new.reply(request, done())) == [
        [b"a", b"00000002", b"REP", b"bench.number", b"", b'{"value":true}']
    ]
    error = error_payload(KeyError("no such thing"))
    assert frames_of(new.reply(request, error))[0][5] == (
        b'{"error":{"type":"KeyError","text":"no such thing"},"value":null}'
    )
    assert frames_of(new.publication(b"bench.number.", Payload(5, 1.5))) == [
        [b"bench.number.", b"a", b'{"value":5,"time":1.5}']
    ]


def test_flags_say_what_is_not_wanted() -> None:
    """3 is neither ACK nor REP."""
    request = New().read_request([b"a", b"1", b"SET", b"s.k", b"\x03", b'{"value":6}'])
    assert (request.ack, request.reply) == (False, False)


def test_the_old_dialect_is_the_one_that_was_captured() -> None:
    """HASH and CONFIG are requests for the catalog; an ACK holds a payload; news are 4 frames."""
    old = Old()
    hashed = old.read_request([b"a", b"0", b"HASH", b"bench", b"", b""])
    assert (hashed.type, hashed.target) == ("GET", "bench._hash")
    assert old.read_request([b"a", b"0", b"CONFIG", b"", b"", b""]).target == "_catalog"
    told = old.read_request([b"a", b"0", b"CONFIG", b"", b'{"value":{"uuid":"u"}}', b""])
    assert (told.type, told.target, told.payload["value"]) == ("SET", "_catalog", {"uuid": "u"})
    assert frames_of(old.acknowledge(hashed)) == [[b"a", b"0", b"ACK", b"", b"{}", b""]]
    request = old.read_request([b"a", b"7", b"GET", b"bench.number", b"{}", b""])
    assert frames_of(old.reply(request, Payload(5, 1.5))) == [
        [b"a", b"7", b"REP", b"bench.number", b'{"value":5,"time":1.5}', b""]
    ]
    assert frames_of(old.publication(b"bench.number.", Payload(5, 1.5))) == [
        [b"bench.number.", b"a", b'{"value":5,"time":1.5}', b""]
    ]


@pytest.mark.parametrize(
    ("shape", "dtype", "size"),
    [
        ([2], "float64", 15),
        ([-1], "uint8", 1),
        ("2", "uint8", 2),
        ([1], "object", 8),
        ([1], None, 1),
    ],
)
def test_arrays_that_do_not_fit_are_refused(shape: object, dtype: object, size: int) -> None:
    """Shape, type and bytes have to agree, and a type is a plain number's."""
    with pytest.raises(MalformedMessage):
        read_bulk(bytes(size), shape, dtype)
    with pytest.raises(MalformedMessage):
        read_payload(b"[1]", b"")


def test_an_array_is_a_copy() -> None:
    """What is changed in place after it was taken is not changed here; order of bytes is native."""
    numpy = pytest.importorskip("numpy", reason="numpy makes the arrays: pip install numpy")
    array = numpy.array([[1.5, 2.5]], dtype=">f4")
    bulk = make_bulk(array)
    array[0, 0] = 9
    assert bulk.dtype == "float32"
    assert bulk.as_array().tolist() == [[1.5, 2.5]]
