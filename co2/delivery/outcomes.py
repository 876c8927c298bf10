"""What may become of a message on its way to one peer, and who decides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from co2.errors import Co2Error, Fault, RetryLater
from co2.model.messages import Entry
from co2.wire.xmlrpc import BATCH_LIMITS, read_reply

Settled = Callable[[Entry, Any], None]
"""Told once for each message: the peer's answer, or the Co2Error that ended it."""

Retry = Callable[[Co2Error], "float | None"]
"""Seconds to wait before trying again after a fault, or None if the fault is final."""


Refuses = Callable[[Entry], "Co2Error | None"]
"""Why a message cannot go to the peer, which it is told as settled by; or None."""


def retry_as_told(error: Co2Error) -> float | None:
    """Try again only what says when to (PROTOCOL section 6)."""
    return max(0.05, error.retry_after) if isinstance(error, RetryLater) else None


def read_replies(body: bytes, count: int) -> list[Any] | None:
    """Give what a peer answered to a post: for each message a value, or the `Fault` that it is.

    Args:
        body: the answer's body.
        count: how many messages were in the post.

    Returns:
        None if a batch was refused as such.

    Raises:
        DocumentError: the body is no XML-RPC answer.
    """
    reply = read_reply(body, BATCH_LIMITS)
    return [reply] if count == 1 else read_batch(reply, count)


def read_batch(reply: Any, count: int) -> list[Any] | None:
    """Give the replies of a `system.multicall`: each a value or the `Fault` that it is.

    Args:
        reply: what came, a `Fault` if the multicall was refused as such.
        count: how many calls were in it.

    Returns:
        None if there is not one reply for each call.
    """
    if not isinstance(reply, list) or len(reply) != count:
        return None
    return [_read_item(one) for one in reply]


def _read_item(item: Any) -> Any:
    if isinstance(item, list) and len(item) == 1:
        return item[0]
    if isinstance(item, dict):
        code, text = item.get("faultCode"), item.get("faultString")
        if isinstance(code, int) and isinstance(text, str):
            return Fault(code, text)
    return item
