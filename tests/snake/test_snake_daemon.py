"""`daemon.daemon`: reconfiguration at any moment, polling, and the life of one genus."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from rooms import OTHER, QUERY, Den

from plugin.snake.cedar.commands import DC_NOP, DC_OFF_FAST, DC_RECONFIG, DC_RECONFIG_FULL
from plugin.snake.cedar.framing import PacketWriter
from plugin.snake.cedar.values import MessageWriter
from plugin.snake.classads.face import ClassAd, ExprTree
from plugin.snake.daemon import daemon
from plugin.snake.handlers.imports import CodeError
from plugin.snake.language.macros import ConfigError

TALK = """
    VERSION = %d
    living = set()
    import builtins
    ended = builtins.__dict__.setdefault("snake_test_ended", [])
    def handle(command):
        me = object()
        living.add(me)
        try:
            number, _ = yield (None, None, (int, end_of_message))
            while number:
                number = yield ((VERSION, end_of_message), 30, (int, end_of_message))
                number = number and number[0]
        finally:
            living.discard(me)
            ended.append(VERSION)
"""


@pytest.fixture
def ended():
    """Where handlers of every version of the code note that their `finally` ran."""
    import builtins

    noted = builtins.__dict__.setdefault("snake_test_ended", [])
    noted.clear()
    yield noted
    del builtins.__dict__["snake_test_ended"]


def test_an_edited_handler_is_served_next_and_the_port_stays(tmp_path, ended):
    """New code answers the next command; address, idle connections and sessions stay."""
    den = Den(tmp_path, TALK % 1).start()
    client, address = den.connect(), den.daemon.address
    client.say(0, raw=QUERY)
    den.write(TALK % 2)
    assert den.daemon.reconfigure() == []
    client.say(1, raw=QUERY)
    assert client.ints() == [2]
    assert den.daemon.address == address


def test_a_suspended_handler_is_closed_with_its_finally(tmp_path, ended):
    """The case that the seed leaves open: generator, socket and timer are gone at once."""
    den = Den(tmp_path, TALK % 1).start()
    client = den.connect()
    client.say(1, raw=QUERY)
    assert (client.ints(), den.daemon.live) == ([1], 1)
    assert den.daemon.reconfigure() == []
    assert ended == [1]
    assert client.closed
    assert den.daemon.live == 0
    den.later(400)
    fresh = den.connect()
    fresh.say(1, raw=QUERY)
    assert fresh.ints() == [1]


def test_a_finally_that_raises_is_logged_and_stops_nothing(tmp_path):
    """What a handler raises while it is closed is in the log, and the reconfiguration goes on."""
    den = Den(
        tmp_path,
        "def handle(command):\n    try:\n        yield (None, 50, None)\n"
        "        yield (None, 50, None)\n    finally:\n        1 / 0\n",
    ).start()
    clients = [den.connect(), den.connect()]
    for client in clients:
        client.say(raw=QUERY)
    assert den.daemon.live == 2
    assert den.daemon.reconfigure() == []
    assert [client.closed for client in clients] == [True, True]
    assert den.said("ZeroDivisionError")


BAD = {
    "syntax": "def handle(:\n",
    "import": "import there_is_no_such_module\n",
    "missing": "def other(command):\n    yield\n",
    "plain function": "def handle(command):\n    return 1\n",
    "raises": "1 / 0\n",
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_code_changes_nothing(tmp_path, ended, fault):
    """New code that cannot be used leaves everything as it was, suspended handlers included."""
    den = Den(tmp_path, TALK % 1).start()
    client = den.connect()
    client.say(1, raw=QUERY)
    den.write(BAD[fault])
    assert den.daemon.reconfigure() != []
    assert client.ints() == [1]
    client.say(1)
    assert client.ints() == [1]
    assert ended == []
    assert den.said("stays as it was")


def test_a_bad_table_changes_nothing(tmp_path, ended):
    """Every bad line is named, with its number, and the old table stays."""
    den = Den(tmp_path, TALK % 1).start()
    den.configure(table=("QUERY_STARTD_ADS READ", "QUERY_NOTHING READ handle"))
    complaints = den.daemon.reconfigure()
    assert ["line 3" in complaints[0], "line 4" in complaints[1]] == [True, True]
    client = den.connect()
    client.say(1, raw=QUERY)
    assert client.ints() == [1]


def test_a_bad_start_is_none(tmp_path):
    """At the start there is nothing old to keep: the complaints are raised."""
    with pytest.raises(CodeError, match="no function handle"):
        Den(tmp_path, "x = 1\n").start()
    with pytest.raises(ConfigError, match="permission"):
        Den(tmp_path, TALK % 1, table=("QUERY_STARTD_ADS REED handle",)).start()


def test_a_new_port_is_told_to_wait_for_the_next_start(tmp_path, ended):
    """The port stays over a reconfiguration, and the log says so; DC_RECONFIG_FULL is one too."""
    den = Den(tmp_path, TALK % 1).start()
    den.configure("TEST_PORT = 7")
    den.connect().say(raw=DC_RECONFIG_FULL)
    den.clock.advance(0)
    assert den.said("port stay as they are until the next start")
    assert den.daemon.genus.port == 7


def test_the_command_reconfigures_once_its_connection_is_done(tmp_path, ended):
    """DC_RECONFIG, as condor_reconfig sends it; its own connection is not dropped."""
    den = Den(tmp_path, TALK % 1).start()
    client = den.connect()
    den.write(TALK % 2)
    client.say(raw=DC_RECONFIG)
    client.say(raw=DC_NOP)
    den.clock.advance(0)
    assert den.said("reconfigured")
    assert not client.closed


def test_a_stranger_may_not_reconfigure(tmp_path, ended):
    """DC_RECONFIG needs ADMINISTRATOR, which other hosts do not have."""
    den = Den(tmp_path, TALK % 1).start()
    client = den.connect("192.0.2.1")
    client.say(raw=DC_RECONFIG)
    den.clock.advance(0)
    assert client.closed
    assert not den.said("reconfigured")


def test_who_may_is_decided_anew_by_a_new_configuration(tmp_path, ended):
    """What was allowed before, and is remembered, is denied from the reconfiguration on."""
    den = Den(tmp_path, TALK % 1).start()
    for denied in (False, True, False):
        den.configure("DENY_READ = 192.0.2.1" if denied else "")
        assert den.daemon.reconfigure() == []
        client = den.connect("192.0.2.1")
        client.say(1, raw=QUERY)
        assert client.closed is denied


def test_a_command_may_end_the_daemon(tmp_path, ended):
    """DC_OFF_FAST ends it, and `stop` closes listener and connections."""
    den = Den(tmp_path, TALK % 1).start()
    client = den.connect()
    client.say(raw=DC_OFF_FAST)
    den.clock.advance(0)
    assert den.ended == [True]
    den.daemon.stop()
    assert client.closed
    assert den.clock.getDelayedCalls() == []


@settings(max_examples=120, deadline=None)
@given(
    some.lists(
        some.one_of(
            some.tuples(some.just("connect"), some.just(0)),
            some.tuples(some.sampled_from(["say", "stop", "leave", "part"]), some.integers(0, 5)),
            some.tuples(some.sampled_from(["good", "bad"]), some.just(0)),
            some.tuples(some.just("later"), some.integers(1, 40)),
        ),
        max_size=30,
    )
)
def test_reconfiguration_at_any_moment(tmp_path_factory, moments):
    """Whatever clients do and whenever code changes: no old code lives on, and all are served."""
    import builtins

    ended = builtins.__dict__.setdefault("snake_test_ended", [])
    ended.clear()
    den = Den(tmp_path_factory.mktemp("moments"), TALK % 1).start()
    version, clients, started = 1, [], []
    for what, which in moments:
        client = clients[which % len(clients)] if clients else None
        if what == "connect":
            clients.append(den.connect())
        elif what == "later":
            den.later(which)
        elif what == "good":
            live = den.daemon.live
            before = len(ended)
            version += 1
            den.write(TALK % version)
            assert den.daemon.reconfigure() == []
            assert (den.daemon.live, len(ended) - before) == (0, live)
        elif what == "bad":
            den.write(BAD["syntax"])
            assert den.daemon.reconfigure() != []
        elif client is not None and not client.closed:
            started.append(what)
            if what == "leave":
                client.hang_up()
            elif what == "part":
                client.protocol.dataReceived(b"\x01")
            else:
                number = 1 if what == "say" else 0
                if client.protocol.busy:
                    client.say(number)
                else:
                    client.say(number, raw=QUERY)
    last = den.connect()
    last.say(1, raw=QUERY)
    assert last.ints() == [version]
    assert not den.said("Unhandled")
    den.daemon.stop()
    assert den.daemon.live == 0
    assert den.clock.getDelayedCalls() == []


POLL = """
    woken = []
    def poll():
        for _ in range(3):
            woken.append((yield 10))
    def handle(command):
        yield ((*woken, end_of_message), None, None)
"""


def asked(den):
    """Ask what the poller has been told so far."""
    client = den.connect()
    client.say(raw=QUERY)
    return client.ints()


def test_a_poller_is_told_what_woke_it_and_ends_the_daemon_by_returning(tmp_path):
    """True for its signal, False for the time; its return ends the daemon."""
    den = Den(tmp_path, POLL, extra="TEST_SNAKE_POLLING = poll SIGUSR1").start()
    den.later(11)
    assert den.daemon.wake("SIGUSR2") is False
    assert den.daemon.wake("SIGUSR1") is True
    assert asked(den) == [0, 1]
    assert den.ended == []
    den.later(11)
    assert den.ended == [True]


@pytest.mark.parametrize("body", ["1 / 0", "yield 'soon'", "yield -1"])
def test_a_poller_that_fails_polls_no_more_and_the_daemon_lives(tmp_path, body):
    """A traceback in the log, and commands are still answered."""
    code = POLL.replace("def poll():", f"def poll():\n        {body}")
    den = Den(tmp_path, code, extra="TEST_SNAKE_POLLING = poll SIGUSR1").start()
    den.later(30)
    assert den.ended == []
    assert den.said("polls no more")
    client = den.connect()
    client.say(raw=QUERY)
    assert not client.closed or den.said("end_of_message")


def test_a_reconfiguration_starts_the_poller_anew(tmp_path):
    """The old poller is closed, the new one begins at its beginning."""
    den = Den(tmp_path, POLL, extra="TEST_SNAKE_POLLING = poll SIGUSR1").start()
    den.later(25)
    assert den.daemon.reconfigure() == []
    den.later(25)
    assert asked(den) == [0, 0]
    assert den.ended == []


def test_a_command_that_left_the_table_is_not_known_any_more(tmp_path, ended):
    """The table is looked up when the command comes."""
    den = Den(tmp_path, TALK % 1, table=("QUERY_STARTD_ADS READ handle",)).start()
    den.configure(table=("QUERY_SCHEDD_ADS READ handle",))
    assert den.daemon.reconfigure() == []
    old, new = den.connect(), den.connect()
    old.say(1, raw=QUERY)
    new.say(1, raw=OTHER)
    assert old.closed
    assert new.ints() == [1]


def test_two_genera_do_not_see_each_others_snake(tmp_path):
    """Each has its own `snake`, its own module state, and neither is in `sys.modules`."""
    import sys

    dens = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        code = f"from snake.part import N\n{'import textwrap'}\n" + (
            "def handle(command):\n    yield ((N, end_of_message), None, None)\n"
        )
        dens.append(Den.__new__(Den))
        (folder / "snake").mkdir()
        (folder / "snake" / "part.py").write_text(f"N = {number}\n")
        dens[-1].__init__(folder, code)
        dens[-1].start()
    assert [asked(den) for den in dens] == [[1], [2]]
    assert not any(name == "snake" or name.startswith("snake.") for name in sys.modules)


def test_unfinished_requests_are_bounded_together(tmp_path, ended, monkeypatch):
    """Beyond the bound whoever has sent most is let go; the others, and all that ends, stay."""
    monkeypatch.setattr(daemon, "MAX_HELD", 50_000)
    den = Den(tmp_path, TALK % 1).start()
    packet = b"\0" + (9000).to_bytes(4, "big") + bytes(9000)
    small, large, busy = den.connect(), den.connect(), den.connect()
    busy.say(1, raw=QUERY)
    for _ in range(10):
        # whole requests leave nothing behind, however many there are
        small.say(bytes(9000 - 16), raw=DC_NOP)
    busy.protocol.dataReceived(packet[:-1])
    small.protocol.dataReceived(packet)
    for _ in range(3):
        large.protocol.dataReceived(packet)
    assert not large.closed
    small.protocol.dataReceived(packet)
    assert (large.closed, small.closed, busy.closed) == (True, False, False)
    assert den.said("unfinished requests wait") and den.said("is let go with 27000 bytes")
    for _ in range(3):
        busy.protocol.dataReceived(packet[-1:] + packet[:-1])
    assert (busy.closed, small.closed, ended) == (True, False, [1])
    small.hang_up()
    for _ in range(5):
        # what left is counted no more
        fresh = den.connect()
        for _ in range(5):
            fresh.protocol.dataReceived(packet)
        assert not fresh.closed
        fresh.hang_up()


MATCHING = """
import classad2

NUMBERS = classad2.ClassAd({"numbers": list(range(1, 20000))})

def handle(command):
    asked, _ = yield (None, None, (classad2.ClassAd, end_of_message))
    yield ((int(NUMBERS.matches(asked)), end_of_message), 0, None)
"""


def test_a_strangers_expression_does_not_hold_up_others(tmp_path, ended):
    """A constraint that would take minutes is not true, and the next client has its answer."""
    den = Den(tmp_path, MATCHING).start()
    asked = []
    for expression in (f"sum({{{'member(0, numbers),' * 9000} 1}}) == 1", "member(7, numbers)"):
        ad = ClassAd()
        ad["Requirements"] = ExprTree(f"TARGET.numbers isnt undefined && ({expression})")
        writer = MessageWriter()
        writer.integer(QUERY)
        writer.ad(ad.attributes)
        asked.append(PacketWriter().packets(writer.take()))
    hostile, other = den.connect("192.0.2.1"), den.connect("192.0.2.2")
    start = time.process_time()
    hostile.protocol.dataReceived(asked[0])
    other.protocol.dataReceived(asked[1])
    assert (hostile.ints(), other.ints()) == ([0], [1])
    assert time.process_time() - start < 10
