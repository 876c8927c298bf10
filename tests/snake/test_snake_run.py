"""`handlers.run` and `daemon.connection`: the generator protocol against peers of every kind."""

import pytest
from rooms import OTHER, QUERY, Den

ADD = """
    def handle(command):
        (a, b, _) = yield (None, None, (int, int, end_of_message))
        yield ((a + b, end_of_message), 0, None)
"""


@pytest.fixture
def den(tmp_path):
    """Make a started daemon of some code."""

    def make(code, **more):
        return Den(tmp_path, code, **more).start()

    return make


def test_a_raw_command_is_answered(den):
    """The payload of a raw command stands in its own message."""
    client = den(ADD).connect()
    client.say(2, 3, raw=QUERY)
    assert client.ints() == [5]


def test_several_commands_on_one_connection(den):
    """The connection stays, so that a client which sends several loses none."""
    client = den(ADD).connect()
    for number in range(4):
        client.say(number, 1, raw=QUERY)
    assert [client.ints() for _ in range(4)] == [[1], [2], [3], [4]]
    assert not client.closed


def test_overlapping_handlers_keep_their_end_of_message(den):
    """A handler that is suspended while another runs still knows the sentinel it holds."""
    den = den(
        """
        def handle(command):
            yield (None, 30, (int, end_of_message))
            eom = end_of_message
            while True:
                number = yield ((1, eom), 30, (int, end_of_message))
                yield ((number[0], eom, end_of_message), 0, None)
        """
    )
    first, second = den.connect(), den.connect()
    first.say(0, raw=QUERY)
    second.say(0, raw=QUERY)
    assert (first.ints(), second.ints()) == ([1], [1])
    second.say(7)
    first.say(8)
    assert (first.ints(), second.ints()) == ([8], [7])
    assert not first.closed


def test_a_silent_peer_delays_nobody(den):
    """While one client is silent, another one is served at once, whatever the timeout."""
    den = den(ADD)
    silent, other = den.connect(), den.connect()
    silent.protocol.dataReceived(b"\x01\x00\x00")
    other.say(1, 1, raw=QUERY)
    assert other.ints() == [2]


def test_a_payload_that_does_not_come_ends_the_handler(den):
    """A client that stops in the middle is given up after the wait; `finally` runs."""
    den = den(
        """
        closed = []
        def handle(command):
            try:
                yield (None, None, (int, end_of_message))
                yield (None, None, (int, end_of_message))
            except TimeoutError as error:
                closed.append(str(error))
        def closed_after(command):
            yield (None, None, None)
            yield ((len(closed), end_of_message), 0, None)
        """,
        table=("QUERY_STARTD_ADS READ handle", "QUERY_SCHEDD_ADS READ closed_after"),
    )
    client = den.connect()
    client.say(1, raw=QUERY)
    den.later(21)
    asking = den.connect()
    asking.say(raw=OTHER)
    assert asking.ints() == [1]


def test_a_timeout_gives_none_and_the_payload_may_come_later(den):
    """After N seconds without a byte the yield gives None, and the next one may read it."""
    den = den(
        """
        def handle(command):
            yield (None, None, (int, end_of_message))
            early = yield (None, 5, (int, end_of_message))
            late = yield ((int(early is None), end_of_message), 100, (int, end_of_message))
            yield ((late[0], end_of_message), 0, None)
        """
    )
    client = den.connect()
    client.say(1, raw=QUERY)
    den.later(4)
    assert client.ints() is None
    den.later(2)
    assert client.ints() == [1]
    client.say(42)
    assert client.ints() == [42]


def test_a_timeout_without_format_ends_when_the_peer_speaks_or_leaves(den):
    """Readable includes that the peer has closed."""
    den = den(
        """
        woken = []
        def handle(command):
            yield (None, None, (int, end_of_message))
            woken.append((yield (None, 50, None)))
        def ask(command):
            yield ((len(woken), end_of_message), None, None)
        """,
        table=("QUERY_STARTD_ADS READ handle", "QUERY_SCHEDD_ADS READ ask"),
    )
    client = den.connect()
    client.say(1, raw=QUERY)
    client.hang_up()
    asking = den.connect()
    asking.say(raw=OTHER)
    assert asking.ints() == [1]


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [((1,), "wanted"), ((), "wanted"), ((1, 2, 3), "more than"), (("x",), "wanted")],
)
def test_short_and_long_payloads_raise_in_the_handler(den, payload, complaint):
    """What is not there raises at the yield; no value is made up, and none is left over."""
    client = den(
        """
        def handle(command):
            try:
                yield (None, None, (int, int, end_of_message))
            except ValueError as error:
                yield ((str(error), end_of_message), 0, None)
        """
    ).connect()
    client.say(*payload, raw=QUERY)
    assert complaint in client.message().text()


def test_a_peer_that_leaves_raises_connection_error(den):
    """A handler that reads from a peer that has left gets a ConnectionError."""
    den = den(
        """
        errors = []
        def handle(command):
            yield (None, None, (int, end_of_message))
            try:
                yield (None, None, (int, end_of_message))
            except ConnectionError as error:
                errors.append(error)
        def ask(command):
            yield ((len(errors), end_of_message), None, None)
        """,
        table=("QUERY_STARTD_ADS READ handle", "QUERY_SCHEDD_ADS READ ask"),
    )
    client = den.connect()
    client.say(1, raw=QUERY)
    client.hang_up()
    asking = den.connect()
    asking.say(raw=OTHER)
    assert asking.ints() == [1]


def test_every_type_travels_both_ways(den):
    """Ints, reals, strings, bytes and ads, asked for by example and by type."""
    client = den(
        """
        import classad2
        def handle(command):
            a, b, c, d, hole, _ = yield (
                None, None, (0, "", b"xyz", classad2.ClassAd(), None, end_of_message))
            assert hole is None and _ is end_of_message
            e, f = yield (None, None, (classad2.ClassAd, bytes))
            yield ((a, b, c, None, d, e, f, True, 1.5, end_of_message), 0, None)
        """
    ).connect()
    client.say(-5, "gr\u00fc\u00df", b"abc", {"A": "b"}, raw=QUERY)
    client.say({"C": 1}, b"tail")
    reply = client.message()
    assert (reply.integer(), reply.text(), reply.raw(3)) == (-5, "gr\u00fc\u00df", b"abc")
    assert (reply.literal_ad(), reply.literal_ad()) == ({"a": "b"}, {"c": 1})
    assert (reply.raw(4), reply.integer(), round(reply.real(), 6)) == (b"tail", 1, 1.5)
    reply.end()


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("(2**63, end_of_message)", "OverflowError"),
        ("('a\\0b', end_of_message)", "ValueError"),
        ("(object(), end_of_message)", "TypeError"),
        ("(float('nan'), end_of_message)", "ValueError"),
        ("[1, end_of_message]", "TypeError"),
    ],
)
def test_what_cannot_travel_raises_at_its_yield(den, reply, kind):
    """The handler hears of it where it happened, and nothing of that reply is sent."""
    client = den(
        f"""
        def handle(command):
            try:
                yield ({reply}, 0, None)
            except {kind} as error:
                yield ((1, end_of_message), 0, None)
        """
    ).connect()
    client.say(raw=QUERY)
    assert client.ints() == [1]


WRONG = (
    "1", "(1, 2)", "[None, 0, None]", "(None, 1.5, None)",
    "(None, True, None)", "(None, -1, None)", "(None, 0, [int])",
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_yield_that_is_no_request_raises_type_error_there(den, wrong):
    """Not a tuple of three, a wrong timeout, a wrong format: a TypeError, and the handler lives."""
    client = den(
        f"""
        def handle(command):
            try:
                yield {wrong}
            except TypeError:
                yield ((1, end_of_message), 0, None)
        """
    ).connect()
    client.say(raw=QUERY)
    assert client.ints() == [1]


def test_a_handler_that_raises_closes_its_connection_only(den):
    """The traceback is in the log; the next client is served."""
    den = den("def handle(command):\n    yield (None, None, None)\n    1 / 0\n")
    client = den.connect()
    client.say(raw=QUERY)
    assert client.closed
    assert den.said("ZeroDivisionError")
    assert not den.connect().closed


def test_what_no_end_of_message_sent_is_told(den):
    """There is no implicit end of message, but a line in the log."""
    den = den("def handle(command):\n    yield ((1, 2), 0, None)\n")
    client = den.connect()
    client.say(raw=QUERY)
    assert client.closed
    assert den.said("16 bytes that no end_of_message sent")


def test_a_handler_waits_for_a_peer_that_reads_slowly(den):
    """While the send buffer is full the handler stays at its yield."""
    den = den(
        """
        def handle(command):
            for number in range(3):
                yield ((number, end_of_message), 0, None)
        """
    )
    client = den.connect()
    client.protocol.pauseProducing()
    write, written = client.write, []

    def write_and_fill(data):
        written.append(data)
        write(data)
        client.producer.pauseProducing()

    client.write = write_and_fill
    client.say(raw=QUERY)
    assert len(written) == 1
    client.producer.resumeProducing()
    assert len(written) == 2


def test_a_client_that_floods_is_not_read(den):
    """While a handler does not read, only so much of the peer's bytes is taken."""
    den = den("def handle(command):\n    yield (None, None, None)\n    yield ((1,), 50, None)\n")
    client = den.connect()
    client.producer.pauseProducing()
    client.say(raw=QUERY)
    client.producer.pauseProducing()
    client.protocol._run._phase = client.protocol._run._phase.RUNNING
    client.protocol.dataReceived(b"\0\0\x10\0\0" + bytes(2 * 1024 * 1024))
    assert not client.reading


def test_a_silent_connection_is_closed_in_the_end(den):
    """Nothing between commands for some seconds, and the connection is closed."""
    den = den(ADD)
    client = den.connect()
    den.later(22)
    assert client.closed


def test_a_negotiated_payload_that_nobody_read_is_never_taken_for_a_command(den):
    """A handler that ends without reading its payload ends its connection."""
    from test_snake_cedar_server import opened

    den = den("def handle(command):\n    yield ((1, end_of_message), 0, None)\n")
    _, transport = opened(den)
    assert transport.closed


def test_strangers_may_only_read(den):
    """From another address, what needs more than READ is denied."""
    den = den(ADD, table=("QUERY_STARTD_ADS WRITE handle", "QUERY_SCHEDD_ADS READ handle"))
    client = den.connect("192.0.2.7")
    client.say(1, 2, raw=QUERY)
    assert client.closed
    assert den.said("PERMISSION DENIED")
    client = den.connect("192.0.2.7")
    client.say(1, 2, raw=OTHER)
    assert client.ints() == [3]
