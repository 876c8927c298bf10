"""`converse`, `structs` and `snaked`: the same handlers over XML-RPC."""

import pytest
from rooms import OTHER, Den, Listening, Transport
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from co2.api import ApplicationFailed, InvalidParams, IProcedureSource, Level, Procedure
from co2.errors import MethodNotFound
from co2.testing.bench import PluginBench
from plugin.snake.cedar.commands import DC_OFF_FAST, DC_RECONFIG
from plugin.snake.classads.face import ClassAd
from plugin.snake.converse import converse
from plugin.snake.daemon.connection import CommandConnection
from plugin.snake.snaked import X_Snake, level_of
from plugin.snake.structs import ad_of, reply_of

SUM = """
    import classad2
    noted = []
    def handle(command):
        try:
            first, a, _ = yield (None, None, (classad2.ClassAd, 0, end_of_message))
            second = yield ((1, end_of_message, 2), 5, (int, end_of_message))
            noted.append(second)
            yield ((first, end_of_message), 0, None)
            yield ((second is None, a, end_of_message), 3, None)
        finally:
            noted.append("closed")
"""


class Talk:
    """Leads a conversation as co2 does: what comes is a reply, or a request for input."""

    def __init__(self, den):
        self.clock = den.clock
        self.generator = converse(den.daemon, 5, den.clock)

    def step(self, value=None):
        """Give what the generator yields next; a Deferred if it waits."""
        outcome = []
        waiting = Deferred.fromCoroutine(self.generator.asend(value))
        waiting.addBoth(outcome.append)
        if not outcome:
            return waiting
        if hasattr(outcome[0], "value"):
            raise outcome[0].value
        return outcome[0]

    def close(self):
        """End it."""
        Deferred.fromCoroutine(self.generator.aclose())


@pytest.fixture
def den(tmp_path):
    """A daemon whose handler asks twice."""
    return Den(tmp_path, SUM).start()


def test_a_conversation_asks_and_replies_in_groups(den):
    """What stands before an `end_of_message` is one reply; what is asked for says so."""
    talk = Talk(den)
    asked = talk.step()
    assert asked.prompt == {"wanted": ["ClassAd", "int", "end_of_message"]}
    assert talk.step([{"A": {"_expression": "b + 1"}, "b": 1}, 7]) == [1]
    assert talk.step().prompt == {"wanted": ["int", "end_of_message"]}
    assert talk.step(42) == [2, {"A": {"_expression": "b + 1"}, "b": 1}]
    assert talk.step() == [False, 7]
    waiting = talk.step()
    assert isinstance(waiting, Deferred)
    assert den.daemon.live == 1
    den.later(4)
    assert den.daemon.live == 0
    waiting.addErrback(lambda failure: failure.trap(StopAsyncIteration))


def test_an_answer_after_the_timeout_comes_too_late(den):
    """The handler gets the None that its timeout promised."""
    talk = Talk(den)
    talk.step()
    talk.step([{}, 7])
    talk.step()
    den.later(6)
    assert talk.step(42) == [2, {}]
    assert talk.step() == [True, 7]


@pytest.mark.parametrize("payload", [[], [1, 2], [{}], [{}, "x"], [{}, 1, 1], {}, "ad"])
def test_a_payload_that_does_not_fit_is_the_callers_mistake(den, payload):
    """A fault that says what was wanted."""
    talk = Talk(den)
    talk.step()
    with pytest.raises(InvalidParams):
        talk.step(payload)
    assert den.daemon.live == 0


def test_a_reconfiguration_ends_conversations_too(den):
    """The suspended handler's `finally` runs at once; the caller is told at its next step."""
    talk = Talk(den)
    talk.step()
    talk.step([{}, 7])
    assert den.daemon.live == 1
    assert den.daemon.reconfigure() == []
    assert den.daemon.live == 0
    talk.step()
    with pytest.raises(ApplicationFailed, match="reconfigured"):
        talk.step(1)


def test_a_caller_that_leaves_closes_the_handler(den):
    """`co2.close`, or an idle end, runs `finally`."""
    talk = Talk(den)
    talk.step()
    talk.close()
    assert den.daemon.live == 0


def test_a_handler_that_never_waits_leaves_others_their_turn(tmp_path):
    """Timeouts of 0 are turns of the event loop now and then; closing ends it."""
    den = Den(
        tmp_path,
        "def handle(command):\n    try:\n        while True:\n            yield (None, 0, None)\n"
        "    finally:\n        1 / 0\n",
    )
    talk = Talk(den.start())
    waiting = talk.step()
    assert isinstance(waiting, Deferred)
    den.daemon.stop()
    den.clock.advance(0)
    waiting.addErrback(lambda failure: failure.trap(ApplicationFailed))
    assert den.said("ZeroDivisionError")


def test_what_a_handler_raises_is_raised(tmp_path):
    """Its own exception, for co2's incident; what cannot travel is raised in the handler first."""
    den = Den(tmp_path, "def handle(command):\n    yield ((object(), end_of_message), 0, None)\n")
    with pytest.raises(TypeError, match="cannot travel"):
        Talk(den.start()).step()


def test_values_travel_as_structs():
    """Constants as themselves; everything that XML-RPC lacks as an expression."""
    ad = ClassAd('[i = 1; s = "x"; r = 1.5; l = {1, [z = 2]}; u = undefined; n = real("NaN")]')
    ad["c"] = "\x01"
    struct = reply_of(ad)
    assert struct["l"] == [1, {"z": 2}]
    assert struct["u"] == {"_expression": "undefined"}
    assert struct["n"] == {"_expression": 'real("NaN")'}
    assert struct["c"] == {"_expression": '"\\001"'}
    assert ad_of(struct) == ad
    assert reply_of(b"x") == b"x"


def test_levels_of_htcondor_are_levels_of_co2():
    """READ may be read, ADMINISTRATOR is admin, everything else is a call."""
    assert [level_of(word) for word in ("READ", "DAEMON", "ADMINISTRATOR")] == [
        Level.READ,
        Level.CALL,
        Level.ADMIN,
    ]


def configure(folder, table=("QUERY_STARTD_ADS READ handle",), **files):
    """Write a configuration, and the code of each genus."""
    lines = []
    for genus, code in files.items():
        (folder / genus / "snake").mkdir(parents=True, exist_ok=True)
        (folder / genus / "snake/__init__.py").write_text(code)
        lines += [f"{genus}_SNAKE_PATH = {folder / genus}", f"{genus}_SNAKE_COMMAND_TABLE @=end"]
        lines += [*table, "@end"]
    (folder / "config").write_text("\n".join(lines))


@pytest.fixture
def snakes(tmp_path):
    """Make a bench with an X_Snake of these genera."""
    made = []

    def make(**files):
        table = ("QUERY_STARTD_ADS READ handle", "DC_SET_READY ADMINISTRATOR handle")
        configure(tmp_path, table, **files)

        class Snake(X_Snake):
            genera = (*files, *files)
            config = str(tmp_path / "config")
            reactor = Clock()
            listen = staticmethod(Listening)

        made.append(PluginBench(Snake, "snake.snaked"))
        return made[-1]

    yield make
    for bench in made:
        bench.exit()
        assert bench.plugin.reactor.getDelayedCalls() == []


GOOD = "def handle(command):\n    yield ((1, end_of_message), 0, None)\n"


def commands(bench):
    """Give the methods that are commands, as introspection lists them."""
    names = bench.call("system.listMethods")
    return [
        name for name in names if name.startswith("snake.") and name.rpartition(".")[2].isupper()
    ]


def test_each_command_of_each_genus_is_a_method(snakes):
    """`snake.<genus>.<COMMAND>`, with the level of its permission; a bad genus hurts no other."""
    bench = snakes(ONE=GOOD, TWO=GOOD, BAD="def handle(:\n")
    assert IProcedureSource.providedBy(bench.plugin)
    assert commands(bench) == [
        "snake.ONE.DC_SET_READY",
        "snake.ONE.QUERY_STARTD_ADS",
        "snake.TWO.DC_SET_READY",
        "snake.TWO.QUERY_STARTD_ADS",
    ]
    levels = [
        bench.call("co2.get_method_signature", f"snake.ONE.{name}")["level"]
        for name in ("QUERY_STARTD_ADS", "DC_SET_READY")
    ]
    assert levels == ["read", "admin"]
    assert bench.call("snake.TWO.QUERY_STARTD_ADS") == [[1]]
    told = {one["genus"]: one for one in bench.call("genera")}
    assert told["ONE"]["commands"] == ["QUERY_STARTD_ADS", "DC_SET_READY"]
    assert "SyntaxError" in told["BAD"]["complaints"][0]


def test_reconfiguring_by_a_call(snakes, tmp_path):
    """New code or a fault with the reason; unknown genera are named."""
    bench = snakes(ONE=GOOD)
    assert bench.call("reconfigure", "ONE", level="admin") == []
    (tmp_path / "ONE/snake/__init__.py").write_text("1 / 0\n")
    with pytest.raises(ApplicationFailed, match="ZeroDivisionError"):
        bench.call("reconfigure", "ONE", level="admin")
    with pytest.raises(ApplicationFailed, match="there are: ONE"):
        bench.call("reconfigure", "NONE", level="admin")
    assert bench.call("wake", "ONE", level="admin") is False


def test_commands_come_and_go_as_methods_with_the_table(snakes, tmp_path):
    """After a reconfiguration callers and introspection find what is in the table now."""
    bench = snakes(ONE=GOOD)
    configure(tmp_path, ("QUERY_SCHEDD_ADS WRITE handle",), ONE=GOOD)
    assert bench.call("reconfigure", "ONE", level="admin") == []
    assert commands(bench) == ["snake.ONE.QUERY_SCHEDD_ADS"]
    assert bench.call("co2.get_method_signature", commands(bench)[0])["level"] == "call"
    assert "QUERY_SCHEDD_ADS of ONE" in bench.call("system.methodHelp", commands(bench)[0])
    assert bench.call("snake.ONE.QUERY_SCHEDD_ADS") == [[1]]
    with pytest.raises(MethodNotFound):
        bench.call("snake.ONE.QUERY_STARTD_ADS")
    configure(tmp_path, ("NO_SUCH_COMMAND READ handle",), ONE=GOOD)
    with pytest.raises(ApplicationFailed, match="no command NO_SUCH_COMMAND"):
        bench.call("reconfigure", "ONE", level="admin")
    assert commands(bench) == ["snake.ONE.QUERY_SCHEDD_ADS"]


def test_a_client_of_htcondor_reconfigures_the_methods_too(snakes, tmp_path):
    """DC_RECONFIG over CEDAR does what the call does; DC_OFF takes the methods away."""
    bench = snakes(ONE=GOOD)
    daemon, clock = bench.plugin.daemons["ONE"], bench.plugin.reactor
    configure(tmp_path, ("QUERY_SCHEDD_ADS READ handle",), ONE=GOOD)
    Transport(CommandConnection(daemon)).say(raw=DC_RECONFIG)
    clock.advance(0)
    assert commands(bench) == ["snake.ONE.QUERY_SCHEDD_ADS"]
    Transport(CommandConnection(daemon)).say(raw=DC_OFF_FAST)
    clock.advance(0)
    assert commands(bench) == []
    (told,) = bench.call("genera")
    assert "has ended" in told["complaints"][0]


def test_a_genus_that_could_not_start_is_started_by_the_call(snakes, tmp_path):
    """Its complaints until then; once they are mended its methods are there."""
    bench = snakes(BAD="def handle(:\n")
    with pytest.raises(ApplicationFailed, match="SyntaxError"):
        bench.call("reconfigure", "BAD", level="admin")
    configure(tmp_path, BAD=GOOD)
    assert bench.call("reconfigure", "BAD", level="admin") == []
    assert commands(bench) == ["snake.BAD.QUERY_STARTD_ADS"]
    assert bench.call("snake.BAD.QUERY_STARTD_ADS") == [[1]]


def test_a_command_whose_name_is_taken_is_htcondors_alone_and_that_is_said(snakes, tmp_path):
    """Answer and log name it; other methods follow the table, and CEDAR serves them all."""
    bench = snakes(ONE=GOOD)
    plugin, own = bench.plugin, bench.plugin.procedures
    taken = Procedure("snake.ONE.QUERY_SCHEDD_ADS", list)
    plugin.procedures = lambda: [taken, *own()]
    configure(tmp_path, ("QUERY_SCHEDD_ADS READ handle", "QUERY_ANY_ADS READ handle"), ONE=GOOD)
    (told,) = bench.call("reconfigure", "ONE", level="admin")
    assert told.startswith("not a method of XML-RPC: the method name snake.ONE.QUERY_SCHEDD_ADS is")
    assert "held by the plugin snake.snaked" in told
    assert any(told in str(line) for line in bench.logged)
    assert bench.call("snake.ONE.QUERY_ANY_ADS") == [[1]]
    assert bench.call(taken.name) == []
    client = Transport(CommandConnection(plugin.daemons["ONE"]))
    client.say(raw=OTHER)
    assert client.ints() == [1]
    plugin.procedures = own
    assert bench.call("reconfigure", "ONE", level="admin") == []
    assert bench.call("snake.ONE.QUERY_SCHEDD_ADS") == [[1]]
