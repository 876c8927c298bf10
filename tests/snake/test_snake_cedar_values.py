"""`cedar.framing` and `cedar.values`: packets, messages, scalars, and what is wrong with them."""

import struct
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as some

from plugin.snake.cedar.errors import FramingError, PayloadError
from plugin.snake.cedar.framing import NO_DIGEST, PacketReader, PacketWriter
from plugin.snake.cedar.lines import plain_line
from plugin.snake.cedar.values import MessageReader, MessageWriter
from plugin.snake.classads.ad import ClassAd


@given(some.lists(some.binary(min_size=1, max_size=300_000), max_size=4), some.data())
def test_messages_survive_any_cut_of_the_stream(messages, data):
    """However the bytes arrive, the messages are those that were sent."""
    stream = b"".join(map(PacketWriter().packets, messages))
    reader, found = PacketReader(), []
    while stream:
        cut = data.draw(some.integers(1, len(stream)))
        reader.feed(stream[:cut])
        stream = stream[cut:]
        while (message := reader.message()) is not None:
            found.append(message)
    assert found == messages
    assert not reader.started


def test_both_ends_hash_the_same():
    """What one wrote in clear is what the other read, small or large."""
    for size in (10, 200_000):
        reader, writer = PacketReader(), PacketWriter()
        assert reader.digest() == writer.digest() == NO_DIGEST
        reader.feed(writer.packets(bytes(size)))
        assert len(reader.message()) == size
        assert reader.digest() == writer.digest() != NO_DIGEST


@pytest.mark.parametrize("header", [(11, 5), (1, 0), (0, 1024 * 1024 + 1), (1, 2**32 - 1)])
def test_impossible_packets_are_refused(header):
    """A strange end mark, an empty packet, one that is too long."""
    reader = PacketReader()
    reader.feed(struct.pack(">BI", *header))
    with pytest.raises(FramingError):
        reader.message()


def test_a_message_may_not_grow_without_end():
    """Packets of one message that exceed the limit are refused before they fill the memory."""
    reader = PacketReader(max_message=1000)
    with pytest.raises(FramingError):
        for _ in range(10):
            reader.feed(PacketWriter().packets(bytes(300), last=False))
            reader.message()
    with pytest.raises(FramingError):
        PacketReader(max_message=1000).feed(bytes(3 * 1024 * 1024))


@pytest.mark.parametrize("sized", [False, True])
def test_scalars_survive(sized):
    """Ints exactly, reals as CEDAR loses them, strings and bytes exactly."""
    writer = MessageWriter(sized)
    for number in (0, -1, 2**63 - 1, -(2**63)):
        writer.integer(number)
    for real in (0.0, 1.5, -2.5e300, 1e-300):
        writer.real(real)
    writer.text("gr\u00fc\u00df")
    writer.raw(b"a\0b")
    reader = MessageReader(writer.take(), sized)
    assert [reader.integer() for _ in range(4)] == [0, -1, 2**63 - 1, -(2**63)]
    for real in (0.0, 1.5, -2.5e300, 1e-300):
        assert reader.real() == pytest.approx(real, rel=1e-8)
    assert (reader.text(), reader.raw(3)) == ("gr\u00fc\u00df", b"a\0b")
    reader.end()


def test_the_null_string_is_none():
    """A string of the one byte 0xAD says that it is none."""
    assert MessageReader(b"\xad\0").text() is None


@given(some.binary(max_size=80), some.booleans())
def test_no_bytes_do_more_than_be_refused(data, sized):
    """Whatever a message holds, it is read or refused with a PayloadError."""
    for name in ("integer", "real", "text", "ad", "rest", "literal_ad", "end"):
        try:
            getattr(MessageReader(data, sized), name)()
        except PayloadError:
            continue


def test_ads_are_bounded():
    """More attributes than the message has bytes, or than a negotiation may have, are refused."""
    with pytest.raises(PayloadError):
        MessageReader(struct.pack(">q", 999_999) + b"\0\0").ad()
    writer = MessageWriter()
    writer.python_ad({f"a{n}": n for n in range(101)})
    with pytest.raises(PayloadError):
        MessageReader(writer.take()).literal_ad()
    writer.ad(MessageReader(b"\0" * 7 + b"\1A = 1 + 1\0\0\0").ad())
    with pytest.raises(PayloadError, match="constant"):
        MessageReader(writer.take()).literal_ad()


def _lines(count, text):
    lines = b"".join(b"a%d = %s\0" % (number, text) for number in range(count))
    return struct.pack(">q", count) + lines + b"\0\0"


@pytest.mark.parametrize(
    ("how", "count", "text"),
    [
        ("ad", 160, b"{" + b"1," * 45_000 + b"1}"),
        ("ad", 60_000, b"1" + b"+1" * 110),
        ("ad", 14, b'"\\"' + b"x" * 1_000_000 + b'"'),
        ("literal_ad", 100, b'"\\"' + b"x" * 160_000 + b'"'),
    ],
)
def test_all_expressions_of_an_ad_are_bounded_together(how, count, text):
    """Each may be read by itself; sixteen megabytes of them would hold everybody up."""
    reader = MessageReader(_lines(count, text))
    start = time.process_time()
    with pytest.raises(PayloadError, match="longer than"):
        getattr(reader, how)()
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (100_000, b"17"),
        (2000, b"MY.x > 5 && TARGET.y == z"),
        (16, b'"' + b"x" * 1_000_000 + b'"'),
        (2, b'"\\"' + b"x" * 1_000_000 + b'"'),
    ],
)
def test_a_large_ad_is_read(count, text):
    """Many attributes, many expressions, long texts."""
    assert len(MessageReader(_lines(count, text)).ad()) == count


def test_a_secret_attribute_is_read_like_another():
    """`ZKM` says that the next string is a private attribute."""
    data = b"\0" * 7 + b"\2" + b'ZKM\0ClaimId = "x"\0B = 2\0\0\0'
    assert {key: entry[1].value for key, entry in MessageReader(data).ad().items()} == {
        "claimid": "x",
        "b": 2,
    }


def test_private_attributes_travel_only_where_it_is_encrypted():
    """In a clear connection they stay here."""
    for sized, names in ((False, ["a"]), (True, ["a", "claimid", "_condor_privx"])):
        writer = MessageWriter(sized)
        writer.ad(ClassAd({"A": 1, "ClaimId": "s", "_condor_PrivX": 1}).attributes)
        assert list(MessageReader(writer.take(), sized).ad()) == names


def test_what_cannot_be_written_is_refused():
    """Too large, not finite, with a NUL: and a rollback forgets what came before in the reply."""
    writer = MessageWriter()
    writer.integer(1)
    size = len(writer.gathered)
    writer.integer(2)
    for put, value in ((writer.integer, 2**63), (writer.real, float("inf")), (writer.text, "\0")):
        with pytest.raises((OverflowError, ValueError)):
            put(value)
    writer.rollback(size)
    assert writer.take() == struct.pack(">q", 1)


def test_an_ad_that_is_remembered_is_still_the_readers_own():
    """Readers of the same bytes get ads of their own, wherever in a message the ad stands."""
    writer = MessageWriter()
    writer.python_ad({"A": 1, "B": "b"})
    data = writer.take()
    for before in (b"", struct.pack(">q", 5)):
        for _ in range(2):
            reader = MessageReader(before + data + b"rest")
            if before:
                assert reader.integer() == 5
            ad = reader.ad()
            assert (list(ad), reader.left) == (["a", "b"], 4)
            ad.clear()


def test_what_was_written_before_is_not_mistaken_for_what_differs():
    """An ad is written as it is now: its zero's sign, its names' case, what may go in clear."""

    def written(ad, sized=False):
        writer = MessageWriter(sized)
        writer.ad(ad.attributes)
        return writer.take()

    ad = ClassAd({"Zero": 0.0, "One": 1, "Text": "1"})
    told = written(ad)
    assert written(ad) == told
    for name, value, line in (
        ("Zero", -0.0, b"Zero = -0.0\0"),
        ("One", 1.0, b"One = 1.0\0"),
        ("One", True, b"One = true\0"),
        ("Text", 1, b"Text = 1\0"),
    ):
        other = ClassAd(dict(ad))
        other[name] = value
        assert line in written(other)
        assert line not in told
    assert b"zero = 0.0\0" in written(ClassAd({"zero": 0.0}))
    ad["ClaimId"] = "secret"
    assert (b"secret" in written(ad, True), written(ad)) == (True, told)


def test_many_small_packets_take_no_more_room_than_their_bytes():
    """A message in packets of one byte is gathered as it is, and is bounded like another."""
    reader = PacketReader(max_message=400_000)
    traced = tracemalloc.is_tracing()  # as with PYTHONTRACEMALLOC, of all that came before too
    if not traced:
        tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        for _ in range(300):
            reader.feed(b"\0\0\0\0\1x" * 1000)
            assert reader.message() is None
        size, _ = tracemalloc.get_traced_memory()
    finally:
        if not traced:
            tracemalloc.stop()
    assert size - before < 2_000_000
    reader.feed(b"\1\0\0\0\1x")
    assert reader.message() == b"x" * 300_001


def test_truth_and_one_are_different_lines():
    """What is remembered of a value is never given for another that only equals it."""
    written = [plain_line("A", value) for value in (1, True, 0, False, True, 1)]
    assert written == [
        b"A = 1\0",
        b"A = true\0",
        b"A = 0\0",
        b"A = false\0",
        written[1],
        written[0],
    ]
