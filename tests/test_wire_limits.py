"""The limits of a document."""

from __future__ import annotations

from co2.wire.limits import BATCH_LIMITS, DEFAULT_LIMITS, Limits
from co2.wire.xmlrpc import decode_reply, encode_reply, encode_value


def test_the_limits_are_the_protocols() -> None:
    """PROTOCOL section 2 promises these numbers to every other host."""
    assert Limits() == DEFAULT_LIMITS == Limits(max_depth=64, max_values=100_000)


def test_a_batch_of_the_deepest_and_fullest_messages_can_be_read() -> None:
    """What was accepted message by message is accepted when a relay hands out several at once."""
    deep: object = 1
    for _ in range(63):
        deep = [deep]
    messages = [{"data": encode_value(deep)}, *({"data": encode_value([1] * 60_000)},) * 2]
    answer = decode_reply(encode_reply({"messages": messages}), BATCH_LIMITS)
    assert answer["messages"][0]["data"] == deep
    assert len(answer["messages"]) == 3
