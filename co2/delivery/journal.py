"""A journal in memory: numbered messages, each written once, bounded by count and bytes.

Couriers read it by number, each from its own cursor, so that a satellite that lags costs no
memory of its own. When it is full it either forgets the oldest entries (a relay's: who lags too
far is told what it missed) or refuses new ones (a sender's outbox: nothing is lost unsaid).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from co2.errors import QueueFull, UnsupportedValue
from co2.interfaces import IJournal, ILedger
from co2.model.calls import Encoded
from co2.model.messages import Cursor, Entry, Kept, Message, Outcome, digest_of
from co2.model.recent import Recent
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
    for name in ("data", *message.extra):
        if name not in struct:
            continue
        value = struct[name]
        encoded = value if isinstance(value, Encoded) else encode_value(value, name, True)
        struct[name] = encoded
        nil_at = nil_at or encoded.nil_at
        fine = fine or encoded.fine_times
    xml = encode_members(struct, fine_times=True)
    plain = _compose_plain(struct) if fine else xml
    return Entry(seq, message.without_content(), xml, plain, nil_at)


def _compose_plain(struct: dict[str, object]) -> bytes:
    """Write the members with times in whole seconds, for hosts that are not co2's."""
    whole = {
        name: value.value if isinstance(value, Encoded) else value for name, value in struct.items()
    }
    return encode_members(whole, fine_times=False)


@implementer(IJournal, ILedger)
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
        self._by_key: dict[tuple[str, str], tuple[Entry, bytes]] = {}
        self._left: Recent[tuple[str, str], Entry] = Recent(most_entries)
        self._retained: dict[tuple[str, str], Entry] = {}
        self._cursors: dict[str, Cursor] = {}
        self._outcomes: OrderedDict[int, dict[str, Outcome]] = OrderedDict()

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
                    "send less, or raise the setting retention",
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
        self._by_key[message.key] = (entry, digest_of(message))
        if message.retain and not self._outgoing:
            self._retained[message.host_id.random, message.topic or ""] = entry
        while len(self) > 1 and self._is_over():
            self._forget_oldest()
        return succeed(entry)

    def read(self, after: int, most: int) -> list[Entry]:
        """Give up to `most` entries numbered above `after`, oldest first."""
        index = self._start + max(0, after + 1 - self.first_seq)
        return self._entries[index : index + most]  # type: ignore[return-value]  # None only before _start

    def known(self, random: str, id: str) -> tuple[int, bytes] | None:
        """Give number and digest of the message of that author and id, or None."""
        known = self._by_key.get((random, id))
        return None if known is None else (known[0].seq, known[1])

    def find(self, id: str) -> list[Kept]:
        """Give the messages of that id, of whatever authors, also those whose content has left."""
        here = [entry for key, (entry, _) in self._by_key.items() if key[1] == id]
        left = [entry for key, entry in self._left.items() if key[1] == id]
        return [Kept(entry, False) for entry in here] + [Kept(entry, True) for entry in left]

    def latest(self, random: str, topic: str | None = None) -> Entry | None:
        """Give the newest message of an author, or the newest of one topic."""
        for entry in reversed(self._entries[self._start :]):
            assert entry is not None
            message = entry.message
            if message.host_id.random == random and topic in (None, message.topic):
                return entry
        return None

    def retained(self) -> list[Entry]:
        """Give the last value of each author and topic that asked to be kept, oldest first."""
        return sorted(self._retained.values(), key=lambda entry: entry.seq)

    def prune(self, now: float, cursors: Mapping[str, int]) -> None:
        """Nothing is too old for memory, and what is too much has left already."""

    def cursors(self) -> dict[str, Cursor]:
        """Give how far everybody has come."""
        return dict(self._cursors)

    def keep_cursor(self, name: str, cursor: Cursor) -> None:
        """Note how far somebody has come."""
        self._cursors[name] = cursor

    def forget_cursor(self, name: str) -> None:
        """Drop what is known of somebody who is gone."""
        self._cursors.pop(name, None)
        for outcomes in self._outcomes.values():
            outcomes.pop(name, None)

    def keep_outcome(self, seq: int, name: str, outcome: Outcome) -> None:
        """Note that a message was not simply delivered to somebody."""
        self._outcomes.setdefault(seq, {})[name] = outcome
        if len(self._outcomes) > self._most_entries:
            self._outcomes.popitem(last=False)

    def outcomes(self, seq: int) -> dict[str, Outcome]:
        """Give those of a message, by satellite."""
        return dict(self._outcomes.get(seq, {}))

    def release(self, upto: int) -> None:
        """Forget entries up to that number."""
        while len(self) and self.first_seq <= upto:
            self._forget_oldest()

    def _is_full(self) -> bool:
        return len(self) >= self._most_entries or self._bytes >= self._most_bytes

    def _is_over(self) -> bool:
        return len(self) > self._most_entries or self._bytes > self._most_bytes

    def _expire(self, seq: int) -> None:
        for name, cursor in self._cursors.items():
            if cursor.seq < seq and name not in self._outcomes.get(seq, {}):
                why = "it left the journal before it could be delivered"
                self.keep_outcome(seq, name, Outcome("expired", why, 0.0, 0))

    def _forget_oldest(self) -> None:
        oldest = self._entries[self._start]
        assert oldest is not None
        self._bytes -= oldest.size
        del self._by_key[oldest.message.key]
        if not self._outgoing:
            self._expire(oldest.seq)
            self._left.put(oldest.message.key, evolve(oldest, xml=b"", xml_plain=b""))
        self._entries[self._start] = None
        self._start += 1
        if self._start >= _TRIM_AT and self._start * 2 >= len(self._entries):
            del self._entries[: self._start]
            self._start = 0
