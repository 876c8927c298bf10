"""What a post to a peer says: the bytes of its messages, and what is added to each.

A message was written once for everybody when it came into the journal; a post puts those bytes
together with members of its own: who shows which token, and whether the peer may have had the
message before (`redelivered`). Knows nothing of whether, when or how often it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from co2.delivery.flight import Flying
from co2.model.messages import Entry
from co2.wire.xmlrpc import encode_members, wrap_batch, wrap_members

_REDELIVERED = encode_members({"redelivered": True})


class PostWriter:
    """See the module.

    Args:
        method: what is called with each message.
        members: further members, written after the message's own.
        extra: gives further members of one entry, written.
        plain: write times in whole seconds, for peers that are not co2's.
        reached: number of the last message that the peer may have had before.
    """

    def __init__(
        self,
        method: str,
        members: bytes,
        extra: Callable[[Entry], bytes],
        plain: bool,
        reached: int,
    ) -> None:
        self.members = members
        self.reached = reached
        self._method = method
        self._extra = extra
        self._plain = plain

    def compose(self, batch: Sequence[Flying]) -> tuple[bytes, ...]:
        """Give the pieces of a post: the call itself, or a `system.multicall` of several."""
        written = [self._write(one) for one in batch]
        if len(written) == 1:
            return wrap_members(self._method, written[0])
        return wrap_batch(self._method, written)

    def _write(self, flying: Flying) -> tuple[bytes, ...]:
        entry = flying.entry
        again = not flying.greets and entry.seq <= self.reached
        if not flying.greets:
            self.reached = max(self.reached, entry.seq)
        return (
            entry.xml_plain if self._plain else entry.xml,
            self.members,
            self._extra(entry) + (_REDELIVERED if again else b""),
        )
