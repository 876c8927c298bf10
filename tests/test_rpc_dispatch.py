"""Running a call: rights, arguments, results of every kind, failures."""

from __future__ import annotations

import asyncio
import sys

import pytest
from rpc_room import Room, a_caller, outcome
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface.verify import verifyObject

from co2.errors import (
    Denied,
    Gone,
    InternalError,
    InvalidParams,
    MethodNotFound,
    PluginRaised,
    QueueFull,
    SystemFailed,
)
from co2.interfaces import ICalls
from co2.model.calls import Call, Caller, Encoded, Level
from co2.model.procedure import Procedure


def test_it_provides_calls():
    """Whoever wants a place to send calls to can be given the dispatcher."""
    assert verifyObject(ICalls, Room().dispatcher)


# --- results --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [1, 1.5, "x", True, None, b"x", [1], (1,), {"a": 1}, Encoded(b"<value/>", 1)]
)
def test_a_value_comes_back_at_once_and_as_it_is(value):
    """A plain method costs no Deferred."""
    room = Room()
    room.add("go", lambda: value)
    assert room.call("lab.bench.go") is value


def test_a_coroutine_and_a_deferred_are_waited_for():
    """A method may wait in either way, also for one that gives the other."""
    room = Room()
    waited: Deferred[int] = Deferred()

    async def slow() -> int:
        return await waited

    room.add("slow", slow)
    room.add("later", lambda: succeed("now"))
    room.add("nested", lambda: succeed(None).addCallback(lambda _: [1]))
    pending = room.call("lab.bench.slow")
    assert not pending.called
    waited.callback(5)
    assert outcome(pending) == 5
    assert outcome(room.call("lab.bench.later")) == "now"
    assert outcome(room.call("lab.bench.nested")) == [1]


def test_a_generator_that_comes_late_is_a_conversation_all_the_same():
    """A plugin in a thread hands its generator over by a Deferred."""
    room = Room()
    room.add("late", lambda: succeed(one for one in (1, 2)))
    assert outcome(room.call("lab.bench.late")) == [1, 2]


def test_the_caller_goes_to_who_asked_for_it():
    """And only there; on the wire it is no argument."""
    room = Room()

    def who(caller: Caller, suffix: str = "") -> str:
        return caller.who + suffix

    room.add("who", who, passes_caller=True)
    assert room.call("lab.bench.who") == "loopback"
    assert room.call("lab.bench.who", {"suffix": "!"}) == "loopback!"


def test_a_whole_procedure_gets_the_values_as_they_came():
    """Nothing is checked, however many there are."""
    room = Room()
    room.add("all", list, whole=True)
    assert room.call("lab.bench.all") == []
    assert room.call("lab.bench.all", {"a": 1}, 2) == [{"a": 1}, 2]


def test_the_described_function_is_what_is_checked():
    """A plugin's method in its isolation is called through the wrapper, by its own signature."""
    room = Room()
    calls = []

    def method(lamp: int) -> int:
        return lamp

    def isolated(*args, **names):
        calls.append(args)
        return method(*args, **names)

    room.add("go", isolated, described=method)
    assert room.call("lab.bench.go", {"lamp": 1}) == 1
    with pytest.raises(InvalidParams, match=r"lab\.bench\.go\(lamp: int\) -> int"):
        room.call("lab.bench.go", "x")
    assert calls == [(1,)]


# --- rights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("has", list(Level))
@pytest.mark.parametrize("needs", list(Level))
def test_the_callers_level_must_reach_the_methods(has, needs):
    """Equal or higher runs; lower is denied, and nothing has run."""
    room = Room()
    ran = []
    room.add("go", lambda: ran.append(1), level=needs)
    if has >= needs:
        room.call("lab.bench.go", caller=a_caller(has))
    else:
        with pytest.raises(Denied):
            room.call("lab.bench.go", caller=a_caller(has))
    assert bool(ran) == (has >= needs)


def test_a_denial_says_what_who_why_and_what_to_do():
    """It quotes the rule, so that nobody has to guess."""
    room = Room()
    room.add("go", lambda: None, level=Level.ADMIN)
    stranger = Caller(Level.OPEN, "10.0.0.9", 1, "stranger", "no credential was shown")
    with pytest.raises(Denied) as caught:
        room.call("lab.bench.go", caller=stranger)
    assert caught.value.text == (
        "lab.bench.go needs admin; stranger (10.0.0.9) has open, because no credential was shown."
        " To call it, show the admin token, as bearer token or as the password of HTTP basic"
    )
    with pytest.raises(Denied, match="call from the server's own machine"):
        room.call("test", 1, caller=stranger)


def test_a_denied_call_is_not_even_bound():
    """Whoever may not call learns nothing of the arguments."""
    room = Room()
    room.add("go", lambda lamp: lamp, level=Level.ADMIN)
    with pytest.raises(Denied):
        room.call("lab.bench.go", 1, 2, 3)


def test_by_multicall_and_method_call_nobody_gets_further():
    """Both run what they name with the caller they got."""
    room = Room()
    ran = []
    room.add("go", lambda: ran.append(1), level=Level.ADMIN)
    (answer,) = room.call("system.multicall", [{"methodName": "lab.bench.go", "params": []}])
    assert answer["faultCode"] == Denied.code
    with pytest.raises(Denied):
        room.call("method_call", {"method_name": "lab.bench.go"})
    nested = {"methodName": "method_call", "params": [{"method_name": "lab.bench.go"}]}
    (answer,) = room.call("system.multicall", [nested])
    assert answer["faultCode"] == Denied.code
    with pytest.raises(Denied):
        room.call("co2.open", {"method": "lab.bench.go"})
    assert ran == []
    admin = a_caller(Level.ADMIN)
    room.call("system.multicall", [nested], caller=admin)
    assert ran == [1]


# --- failures -------------------------------------------------------------------------------------


def boom(*_):
    raise ValueError("lamp 9 is not there")


def test_an_unknown_method_is_told_by_name():
    """The text says where to look."""
    with pytest.raises(MethodNotFound, match=r"'lab\.bench\.go' here; co2\.get_method_names"):
        Room().call("lab.bench.go")


async def boom_later(*_):
    boom()


@pytest.mark.parametrize(
    "method", [boom, boom_later, lambda: fail(ValueError("lamp 9 is not there"))]
)
def test_a_plugins_exception_becomes_one_fault_however_it_comes(method):
    """Raised, from a coroutine, or in a Deferred: class, message and incident id."""
    room = Room()
    room.add("go", method)
    with pytest.raises(PluginRaised) as caught:
        outcome(_as_deferred(lambda: room.call("lab.bench.go")))
    text = caught.value.text
    (event,) = room.logged
    assert text.startswith("lab.bench.go raised ValueError: lamp 9 is not there (incident ")
    assert event["incident"] in text
    assert event["plugin"] == "lab.bench"
    assert "Traceback" not in text


def _as_deferred(call):
    result = call()
    return result if isinstance(result, Deferred) else succeed(result)


def test_a_type_error_inside_a_method_is_not_taken_for_wrong_arguments():
    """Arguments are bound before; what comes after is the method's own."""
    room = Room()
    room.add("go", len)
    with pytest.raises(PluginRaised, match="TypeError"):
        room.call("lab.bench.go", 1)


def test_the_servers_own_failure_tells_nothing_but_the_incident():
    """An InternalError has no message of an exception in it."""
    room = Room()
    room.registry.enter(Procedure("broken", boom, Level.OPEN))
    with pytest.raises(InternalError) as caught:
        room.call("broken")
    assert "lamp" not in caught.value.text
    assert room.logged[0]["incident"] in caught.value.text


def test_a_methods_own_co2_error_goes_through():
    """A plugin may choose its fault, with the time to retry."""
    room = Room()

    def full():
        raise QueueFull("the bench is taken", 5.0)

    room.add("full", full)
    with pytest.raises(QueueFull) as caught:
        room.call("lab.bench.full")
    assert caught.value.retry_after == 5.0
    assert room.logged == []


def test_an_os_error_is_the_systems():
    """A disk or device that fails is -32400, without the file's name."""
    room = Room()

    def read():
        raise PermissionError(13, "Permission denied", "/etc/shadow")

    room.add("read", read)
    with pytest.raises(SystemFailed, match="Permission denied") as caught:
        room.call("lab.bench.read")
    assert "shadow" not in caught.value.text


def test_a_plugin_cannot_end_the_server():
    """sys.exit in a method is an exception like others, also inside a coroutine."""
    room = Room()

    async def leave_later():
        sys.exit(3)

    room.add("leave", lambda: sys.exit(3))
    room.add("later", leave_later)
    with pytest.raises(PluginRaised, match="SystemExit: 3"):
        room.call("lab.bench.leave")
    with pytest.raises(PluginRaised, match="SystemExit: 3"):
        outcome(room.call("lab.bench.later"))


def test_whoever_presses_control_c_is_obeyed():
    """KeyboardInterrupt is nobody's failure."""
    room = Room()

    def interrupt():
        raise KeyboardInterrupt

    room.add("go", interrupt)
    with pytest.raises(KeyboardInterrupt):
        room.call("lab.bench.go")


def test_a_foreign_loops_cancellation_stays_inside():
    """asyncio's CancelledError in a coroutine becomes a fault, too."""
    room = Room()

    async def cancelled():
        raise asyncio.CancelledError

    room.add("go", cancelled)
    with pytest.raises(PluginRaised):
        outcome(room.call("lab.bench.go"))


def test_cancelling_reaches_the_method():
    """A caller who leaves ends what runs for him; its finally runs."""
    room = Room()
    ended = []

    async def slow():
        try:
            await Deferred()
        finally:
            ended.append(1)

    room.add("slow", slow)
    pending = room.call("lab.bench.slow")
    pending.cancel()
    with pytest.raises(Gone):
        outcome(pending)
    assert ended == [1]
    assert room.logged == []


def test_a_method_that_keeps_the_server_is_named_in_the_log():
    """Over a second is noticed, with plugin and method; less is not."""
    room = Room()
    room.add("short", lambda: room.clock.advance(0.9))
    room.add("long", lambda: room.clock.advance(2.5))
    room.call("lab.bench.short")
    assert room.logged == []
    room.call("lab.bench.long")
    (event,) = room.logged
    assert (event["method"], event["plugin"], event["seconds"]) == (
        "lab.bench.long", "lab.bench", 2.5,
    )  # fmt: skip


def test_what_is_withdrawn_cannot_be_called():
    """A plugin that is taken out answers as if it had never been there."""
    room = Room()
    procedure = room.add("go", lambda: 1)
    room.registry.withdraw([procedure])
    with pytest.raises(MethodNotFound):
        room.dispatcher.call(Call("lab.bench.go", ()), a_caller())
