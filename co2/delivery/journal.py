"""A journal in memory: numbered messages, each written once, bounded by count and bytes.

Couriers read it by number, each from its own cursor, so that a satellite that lags costs no
memory of its own. When it is full it either forgets the oldest entries (a relay's: who lags too
far is told what it missed) or refuses new ones (a sender's outbox: nothing is lost unsaid).
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from co2.errors import QueueFull, UnsupportedValue
from co2.interfaces import IJournal
from co2.model.calls import Encoded
from co2.model.messages import Entry, Message
from co2.wire.xmlrpc import encode_members, encode_value

_TRIM_AT = 1024


def compose_entry(message: Message, seq: int, outgoing: bool) -> Entry:
    """Write a message's members, once for everybody who will get it.

    Args:
        message: what to write; values that are `Encoded` already are taken as they are.
        seq: its number in the journal.
        outgoing: the message waits with its own author. Then neither the number (a relay's
            matter) nor the host_id is written: the courier adds the latter when it sends, since
            the author may have moved meanwhile.

    Raises:
        UnsupportedValue: a member holds what XML-RPC cannot carry; the text names the path.
    """
    struct = message.as_struct()
    if outgoing:
        del struct["host_id"]
    else:
        struct["seq"] = seq
    nil_at: str | None = None
    fine = False
    for name, value in struct.items():
        if name == "data" or name in message.extra:
            encoded = value if isinstance(value, Encoded) else encode_value(value, name, True)
            struct[name] = encoded
            nil_at = nil_at or encoded.nil_at
            fine = fine or encoded.fine_times
    xml = encode_members(struct, fine_times=True)
    # From here on the bytes are all that is asked for: a decoded value takes several times as much.
    written = evolve(message, data=None, extra={})
    return Entry(seq, written, xml, _compose_plain(struct) if fine else xml, nil_at)


def _compose_plain(struct: dict[str, object]) -> bytes:
    """Write the members with times in whole seconds, for hosts that are not co2's."""
    whole = {
        name: value.value if isinstance(value, Encoded) else value for name, value in struct.items()
    }
    return encode_members(whole, fine_times=False)


@implementer(IJournal)
class MemoryJournal:
    """See the module.

    Args:
        journal_id: names this run of numbers.
        most_entries: how many messages are kept.
        most_bytes: how many bytes, as `Entry.size` counts them; one message is always kept.
        outgoing: a sender's own journal, whose entries are released once they are delivered, and
            which refuses new ones when it is full; a relay's forgets the oldest instead.
    """

    def __init__(
        self,
        journal_id: str,
        most_entries: int,
        most_bytes: int,
        outgoing: bool = False,
    ) -> None:
        self.journal_id = journal_id
        self.last_seq = 0
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._outgoing = outgoing
        # _entries[_start:] are the kept ones; the stretch before it is cut off now and then, so
        # that forgetting costs the same however many there are.
        self._entries: list[Entry | None] = []
        self._start = 0
        self._bytes = 0

    @property
    def first_seq(self) -> int:
        """The number of the oldest entry still kept."""
        return self.last_seq + 1 - len(self)

    def __len__(self) -> int:
        return len(self._entries) - self._start

    @property
    def bytes_kept(self) -> int:
        """What the entries take, near enough."""
        return self._bytes

    def append(self, message: Message) -> Deferred[Entry]:
        """Keep a message; fails with QueueFull if the journal refuses and is full."""
        if self._outgoing and self._is_full():
            return fail(
                QueueFull(
                    f"{len(self)} messages ({self._bytes} bytes) wait to be sent already: "
                    "send less, or raise queue_messages or queue_bytes",
                    retry_after=5.0,
                )
            )
        try:
            entry = compose_entry(message, self.last_seq + 1, self._outgoing)
        except UnsupportedValue as error:
            return fail(error)
        self.last_seq = entry.seq
        self._entries.append(entry)
        self._bytes += entry.size
        while len(self) > 1 and self._is_over():
            self._forget_oldest()
        return succeed(entry)

    def read(self, after: int, most: int) -> list[Entry]:
        """Give up to `most` entries numbered above `after`, oldest first."""
        index = self._start + max(0, after + 1 - self.first_seq)
        return self._entries[index : index + most]  # type: ignore[return-value]  # None only before _start

    def release(self, upto: int) -> None:
        """Forget entries up to that number."""
        while len(self) and self.first_seq <= upto:
            self._forget_oldest()

    def _is_full(self) -> bool:
        return len(self) >= self._most_entries or self._bytes >= self._most_bytes

    def _is_over(self) -> bool:
        return len(self) > self._most_entries or self._bytes > self._most_bytes

    def _forget_oldest(self) -> None:
        oldest = self._entries[self._start]
        assert oldest is not None
        self._bytes -= oldest.size
        self._entries[self._start] = None
        self._start += 1
        if self._start >= _TRIM_AT and self._start * 2 >= len(self._entries):
            del self._entries[: self._start]
            self._start = 0
