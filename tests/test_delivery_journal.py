"""co2.delivery.journal: numbered messages in memory, bounded."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from co2.delivery.journal import MemoryJournal, compose_entry
from co2.errors import QueueFull
from co2.model.messages import Message
from co2.testing.journal_contract import LedgerContract
from co2.testing.samples import a_message, result_of
from co2.wire.xmlrpc import decode_call, encode_value, wrap_members


def a_journal(most=50, most_bytes=1_000_000, outgoing=False):
    return MemoryJournal("j1", most, most_bytes, outgoing)


class TestRelayJournal(LedgerContract):
    """A relay's."""

    def make_journal(self):
        return a_journal()


class TestOutgoingJournal(LedgerContract):
    """A sender's own."""

    def make_journal(self):
        return a_journal(outgoing=True)

    def test_the_last_value_of_each_author_and_topic_is_retained(self):
        """The relay does that."""
        journal = self.make_journal()
        result_of(journal.append(evolve(a_message(1), topic="a", retain=True)))
        assert journal.retained() == []


def fill(journal, count, data="x"):
    for number in range(count):
        result_of(journal.append(a_message(number, data=data)))


def struct_of(xml):
    return decode_call(b"".join(wrap_members("notify", (xml,)))).params[0]


def test_a_full_relay_journal_forgets_the_oldest():
    """The newest so many are kept, and the number of the oldest kept says what was forgotten."""
    journal = a_journal(most=10)
    fill(journal, 25)
    assert (journal.first_seq, journal.last_seq, len(journal)) == (16, 25, 10)
    assert [entry.seq for entry in journal.read(0, 3)] == [16, 17, 18]


def test_bytes_bound_it_too_and_one_message_is_always_kept():
    """Few large messages fill a journal as many small ones do."""
    journal = a_journal(most_bytes=5000)
    fill(journal, 10, "x" * 1000)
    assert journal.bytes_kept <= 5000
    assert 1 <= len(journal) < 5
    fill(journal, 1, "x" * 100_000)
    assert len(journal) == 1


def test_a_full_outgoing_journal_refuses_and_says_when_to_come_again():
    """A sender's message is never forgotten unsaid: the new one is refused."""
    journal = a_journal(most=3, outgoing=True)
    fill(journal, 3)
    with pytest.raises(QueueFull) as refused:
        result_of(journal.append(a_message(4)))
    assert refused.value.retry_after > 0
    assert "retention" in refused.value.text
    assert (len(journal), journal.last_seq) == (3, 3)
    journal.release(1)
    assert result_of(journal.append(a_message(4))).seq == 4


def test_bytes_fill_an_outgoing_journal():
    """Bytes count for a sender as well."""
    journal = a_journal(most_bytes=1000, outgoing=True)
    fill(journal, 1, "x" * 1000)
    with pytest.raises(QueueFull):
        result_of(journal.append(a_message(2)))


@given(st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=60))
def test_the_books_balance(steps):
    """Whatever is appended (None) and released (a number), count, bytes and numbers agree."""
    journal = a_journal(most=12)
    model: list[int] = []
    for step in steps:
        if step is None:
            entry = result_of(journal.append(a_message(journal.last_seq)))
            model = [*model, entry.seq][-12:]
        else:
            journal.release(step)
            model = [seq for seq in model if seq > step]
        assert [entry.seq for entry in journal.read(0, 100)] == model
        assert journal.first_seq == (model[0] if model else journal.last_seq + 1)
        assert journal.bytes_kept == sum(entry.size for entry in journal.read(0, 100))


def test_forgetting_gives_the_memory_back():
    """The list inside does not grow with every message that ever was."""
    journal = a_journal(most=100)
    fill(journal, 5000)
    assert len(journal._entries) < 3000


def test_an_entry_of_the_relay_carries_number_and_author():
    """Every receiver sees who wrote it, and the relay's number."""
    entry = compose_entry(a_message(7, data={"a": 1}), 18, outgoing=False)
    struct = struct_of(entry.xml)
    assert struct["seq"] == 18
    assert struct["host_id"] == "author@127.0.0.1:2004"
    assert struct["data"] == {"a": 1}


def test_an_entry_at_its_author_carries_neither():
    """The relay numbers, and the courier adds where the author is when it sends."""
    struct = struct_of(compose_entry(a_message(7), 18, outgoing=True).xml)
    assert "seq" not in struct
    assert "host_id" not in struct


def test_bytes_that_came_go_out_unchanged():
    """An `Encoded` value's own bytes stand in the entry, whatever else could be written for it."""
    encoded = encode_value("x")._replace(xml=b"<value><string>odd  but  mine</string></value>")
    entry = compose_entry(a_message(1, data=encoded), 1, outgoing=False)
    assert encoded.xml in entry.xml


def test_foreign_hosts_get_times_in_whole_seconds():
    """`xml_plain` differs from `xml` only where a time carries microseconds."""
    fine = datetime(2024, 5, 6, 7, 8, 9, 250000, UTC)
    entry = compose_entry(a_message(1, data=encode_value(fine, "data", True)), 1, outgoing=False)
    assert b"20240506T07:08:09.25" in entry.xml
    assert b"20240506T07:08:09<" in entry.xml_plain
    whole = compose_entry(a_message(1, data=fine.replace(microsecond=0)), 1, outgoing=False)
    assert whole.xml_plain is whole.xml


def test_an_entry_knows_where_a_nil_stands():
    """The path of the first nil is kept, in the data and in members that pass through."""
    message = a_message(1, data={"lamp": [1, None]})
    assert compose_entry(message, 1, outgoing=False).nil_at == "data.lamp[1]"
    extra = Message("1", message.host_id, 1.0, 1, extra={"note": None})
    assert compose_entry(extra, 1, outgoing=False).nil_at == "note"


def test_an_entry_keeps_bytes_and_not_the_value():
    """The memory of a journal is what its bound counts: the decoded value is let go."""
    value = encode_value(["x"] * 100)
    entry = compose_entry(a_message(1, data=value), 1, outgoing=False)
    assert entry.message.data is None
    assert entry.message.key == a_message(1).key
