"""ZMTP 3.0: whatever way the bytes are cut, the messages are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.mktl.wire.zmtp import (
    GREETING,
    Conversation,
    Limits,
    ProtocolBroken,
    Situation,
    encode_error,
    encode_frame,
    encode_message,
    encode_ready,
    parse_properties,
)

FRAMES = st.lists(
    st.one_of(st.binary(max_size=20), st.binary(min_size=250, max_size=300)), min_size=1, max_size=8
)
OPENING = GREETING + encode_ready(b"DEALER", b"request.Client.1")


def opened(**named: object) -> Conversation:
    conversation = Conversation(b"ROUTER", **named)
    assert conversation.receive(OPENING) == []
    assert conversation.situation is Situation.OPEN
    return conversation


@given(st.lists(FRAMES, min_size=1, max_size=3))
def test_messages_are_the_same_at_every_split(messages: list[list[bytes]]) -> None:
    """Cutting the stream in two anywhere changes nothing."""
    stream = OPENING + b"".join(encode_message(frames) for frames in messages)
    cuts = range(len(stream) + 1) if len(stream) < 600 else range(0, len(stream) + 1, 7)
    for cut in cuts:
        conversation = Conversation(b"ROUTER")
        got = conversation.receive(stream[:cut]) + conversation.receive(stream[cut:])
        assert got == messages


@given(st.lists(FRAMES, min_size=1, max_size=4), st.data())
def test_messages_are_the_same_in_any_pieces(
    messages: list[list[bytes]], data: st.DataObject
) -> None:
    """Pieces of any size, single bytes among them, give the same messages."""
    stream = OPENING + b"".join(encode_message(frames) for frames in messages)
    conversation = Conversation(b"ROUTER")
    got = []
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, 80))
        got += conversation.receive(stream[at : at + size])
        at += size
    assert got == messages


def test_single_bytes_are_enough() -> None:
    """A peer that sends one byte at a time is understood."""
    stream = OPENING + encode_message([b"a", b"", b"x" * 300])
    conversation = Conversation(b"ROUTER")
    got = [one for at in range(len(stream)) for one in conversation.receive(stream[at : at + 1])]
    assert got == [[b"a", b"", b"x" * 300]]


@given(st.binary(max_size=200), st.integers(0, 200))
def test_garbage_breaks_it_or_waits_at_every_split(garbage: bytes, cut: int) -> None:
    """No bytes make the parser raise anything but ProtocolBroken."""
    for opening in (b"", GREETING, OPENING):
        conversation = Conversation(b"ROUTER")
        try:
            conversation.receive(opening + garbage[:cut])
            conversation.receive(garbage[cut:])
        except ProtocolBroken:
            assert conversation.situation is Situation.BROKEN
            assert conversation.receive(OPENING) == []


def test_the_handshake_says_who_is_there() -> None:
    """READY gives the partner's type and identity, and ours goes out once."""
    conversation = opened()
    assert conversation.partner == b"DEALER"
    assert conversation.partner_identity == b"request.Client.1"
    assert conversation.outgoing == [encode_ready(b"ROUTER")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no ZMTP"),
        (b"\xff" + 8 * b"\0" + b"\x7f\x01", "too old"),
        (GREETING[:12] + b"PLAIN".ljust(20, b"\0") + GREETING[32:], "NULL"),
        (GREETING + encode_ready(b"SUB"), "does not talk to"),
        (GREETING + encode_message([b"x"]), "before READY"),
        (GREETING + encode_error(b"no"), "the peer ended it: no"),
        (OPENING + b"\x80\x00", "reserved"),
        (OPENING + b"\x05\x00", "within a message"),
        (OPENING + b"\x02" + (1 << 40).to_bytes(8, "big"), "bytes"),
        (OPENING + encode_frame(b"", True) * 40, "frames"),
    ],
)
def test_what_is_refused_is_said(data: bytes, said: str) -> None:
    """A peer that is none is refused with the reason, which is sent to it too."""
    conversation = Conversation(b"ROUTER", limits=Limits(message=1000))
    with pytest.raises(ProtocolBroken, match=said):
        conversation.receive(data)
    assert said.encode() in conversation.outgoing[-1]


def test_later_commands_are_tolerated() -> None:
    """A PING of ZMTP 3.1, or any command that is not known, changes nothing."""
    conversation = opened()
    assert conversation.receive(b"\x04\x07\x04PING\x00\x00" + encode_message([b"x"])) == [[b"x"]]


@given(st.binary(max_size=60))
def test_properties_never_read_beyond_their_end(body: bytes) -> None:
    """Broken READY bodies are refused."""
    try:
        parse_properties(body)
    except ProtocolBroken as error:
        assert "READY" in str(error)
