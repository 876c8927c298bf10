"""What a server tells of its methods, and the methods that call others."""

from __future__ import annotations

import pytest
from rpc_room import Room, a_caller, outcome
from twisted.internet.defer import Deferred

from co2.errors import (
    ApplicationFailed,
    Denied,
    InvalidParams,
    InvalidRequest,
    MethodNotFound,
    TooLarge,
)
from co2.model.calls import Level


def a_room() -> Room:
    room = Room()

    def fade(lamp: int, seconds: float = 1.0) -> bool:
        """Fade a lamp.

        Slowly.
        """
        return True

    room.add("fade", fade)
    return room


NAMES = [
    "co2.get_method_names", "web.get_method_names", "system.listMethods", "sys.listMethods",
    "co2.co2_get_method_names",
]  # fmt: skip
HELP = [
    "co2.get_method_help", "web.get_method_help", "system.methodHelp", "sys.methodHelp",
    "co2.co2_get_method_help",
]  # fmt: skip
SIGNATURE = [
    "co2.get_method_signature", "web.get_method_signature", "co2.co2_get_method_signature",
]  # fmt: skip


@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize("params", [(), ({},), ({"any": "thing"},)])
def test_the_names_are_listed_under_every_alias(method, params):
    """With nothing or with a struct, as in 2003: all names, sorted, plugins' too."""
    names = a_room().call(method, *params)
    assert names == sorted(names)
    assert {"lab.bench.fade", "system.multicall", "method_call", "web.test", *NAMES} <= set(names)


@pytest.mark.parametrize("method", HELP)
@pytest.mark.parametrize("given", ["lab.bench.fade", {"name": "lab.bench.fade"}])
def test_the_help_is_the_docstring(method, given):
    """By a string or in a struct; indentation is taken out."""
    assert a_room().call(method, given) == "Fade a lamp.\n\nSlowly."


@pytest.mark.parametrize("method", SIGNATURE)
@pytest.mark.parametrize("given", ["lab.bench.fade", {"method_name": "lab.bench.fade"}])
def test_the_signature_has_what_a_form_needs(method, given):
    """Names, defaults, types, the result and the level."""
    assert a_room().call(method, given) == {
        "args": ["lamp", "seconds"],
        "args_d": {"seconds": 1.0},
        "optional": ["seconds"],
        "args_v": [],
        "args_kw": [],
        "types": {"lamp": "int", "seconds": "float"},
        "returns": "bool",
        "level": "call",
    }


@pytest.mark.parametrize("method", ["system.methodSignature", "sys.methodSignature"])
def test_the_standard_signature_is_rows_of_types(method):
    """What clients of other makers understand."""
    rows = a_room().call(method, "lab.bench.fade")
    assert rows == [["boolean", "int", "double"], ["boolean", "int"]]


@pytest.mark.parametrize("method", [*HELP, *SIGNATURE, "system.methodSignature"])
def test_what_is_not_there_cannot_be_told_of(method):
    """An unknown name is method not found; something that is no name is invalid params."""
    room = a_room()
    with pytest.raises(MethodNotFound, match=r"'lab\.bench\.nothing'"):
        room.call(method, "lab.bench.nothing")
    for params in ((), (1,), ({"x": "y"},), ({"name": 1},), ("lab.bench.fade", 2)):
        with pytest.raises(InvalidParams, match="takes the name of a method"):
            room.call(method, *params)


def test_every_method_of_the_server_tells_of_itself():
    """Help, a signature and rows for each published name, without exception."""
    room = Room()
    for name in room.call("system.listMethods"):
        assert room.call("system.methodHelp", name)
        assert room.call("co2.get_method_signature", name)["level"] in ("open", "read", "call")
        rows = room.call("system.methodSignature", name)
        assert all(isinstance(word, str) for row in rows for word in row)


def test_strangers_are_told_only_what_a_server_can_do():
    """The capabilities are open; names, help and echo need read."""
    room = Room()
    stranger = a_caller(Level.OPEN, "stranger", "10.0.0.9")
    capabilities = room.call("system.getCapabilities", caller=stranger)
    assert set(capabilities) == {"introspect", "nil", "faults_interop", "co2"}
    assert capabilities["co2"]["specVersion"] == 1
    assert capabilities["co2"]["features"] == ["nil-aware"]
    assert all({"specUrl", "specVersion"} <= set(one) for one in capabilities.values())
    for method in ("system.listMethods", "system.methodHelp", "test", "web.test"):
        with pytest.raises(Denied):
            room.call(method, "x", caller=stranger)


@pytest.mark.parametrize("value", [1, "x", {"a": [1]}, [], {"value": 1}])
@pytest.mark.parametrize("method", ["test", "web.test"])
def test_test_gives_the_same_value_back(method, value):
    """Whatever it is, a struct that looks like arguments too."""
    assert Room().call(method, value) == value


# --- method_call ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["method_call", "web.method_call"])
@pytest.mark.parametrize(
    ("struct", "result"),
    [
        ({"data": {"a": 1}}, {"a": 1}),
        ({"data": [1]}, [1]),
        ({"data": "x", "more": 1}, "x"),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}),
    ],
)
def test_method_call_calls_with_one_argument(method, struct, result):
    """'data', or whatever else the struct of 2003 held."""
    assert Room().call(method, {"method_name": "test", **struct}) == result


def test_method_call_without_data_calls_without_argument():
    """The named method decides whether that will do."""
    room = Room()
    room.add("go", lambda: "went")
    assert room.call("method_call", {"method_name": "lab.bench.go"}) == "went"


@pytest.mark.parametrize(
    "name", ["method_call", "web.method_call", "system.multicall", "sys.multicall"]
)
def test_method_call_neither_calls_itself_nor_multicall(name):
    """One level of indirection is enough."""
    with pytest.raises(InvalidRequest, match=f"{name} cannot be called from inside another"):
        Room().call("method_call", {"method_name": name, "data": []})


@pytest.mark.parametrize("struct", [{}, {"method_name": 1}, {"data": 1}])
def test_method_call_needs_a_name(struct):
    """Anything else is invalid params."""
    with pytest.raises(InvalidParams, match="method_name"):
        Room().call("method_call", struct)


# --- multicall ------------------------------------------------------------------------------------


def test_multicall_gives_each_result_in_a_list_of_its_own():
    """In the calls' order; a fault is a struct and stops nothing."""
    room = a_room()

    def refuse():
        raise ApplicationFailed("not today")

    room.add("refuse", refuse)
    answers = room.call(
        "sys.multicall",
        [
            {"methodName": "test", "params": [1]},
            {"methodName": "lab.bench.refuse"},
            {"methodName": "nothing.there", "params": []},
            {"methodName": "lab.bench.fade", "params": ["x"]},
            {"methodName": "method_call", "params": [{"method_name": "test", "data": 2}]},
        ],
    )
    assert answers[0] == [1]
    assert answers[1] == {"faultCode": -32500, "faultString": "not today"}
    assert answers[2]["faultCode"] == -32601
    assert answers[3]["faultCode"] == -32602
    assert answers[4] == [2]


@pytest.mark.parametrize(
    "malformed",
    [1, "test", [], {}, {"methodName": 1}, {"methodName": "test", "params": {"a": 1}}, None],
)
def test_a_malformed_call_is_a_fault_of_its_own(malformed):
    """The others run."""
    answers = Room().call("system.multicall", [malformed, {"methodName": "test", "params": [1]}])
    assert answers[0]["faultCode"] == -32600
    assert answers[1] == [1]


@pytest.mark.parametrize("name", ["system.multicall", "sys.multicall"])
def test_multicall_does_not_call_itself(name):
    """Neither directly nor by method_call."""
    inner = {"methodName": name, "params": [[{"methodName": "test", "params": [1]}]]}
    by_method_call = {
        "methodName": "web.method_call",
        "params": [{"method_name": name, "data": [inner]}],
    }
    answers = Room().call("system.multicall", [inner, by_method_call])
    assert [answer["faultCode"] for answer in answers] == [-32600, -32600]


def test_multicall_waits_for_what_takes_time_and_keeps_the_order():
    """All begin at once; one that fails late is a fault struct like others."""
    room = Room()
    waiting = [Deferred(), Deferred()]
    room.add("wait", lambda number: waiting[number])
    pending = room.call(
        "system.multicall",
        [
            {"methodName": "lab.bench.wait", "params": [0]},
            {"methodName": "test", "params": ["between"]},
            {"methodName": "lab.bench.wait", "params": [1]},
        ],
    )
    waiting[1].errback(ApplicationFailed("late"))
    assert not pending.called
    waiting[0].callback("first")
    assert outcome(pending) == [
        ["first"],
        ["between"],
        {"faultCode": -32500, "faultString": "late"},
    ]


def test_cancelling_a_multicall_cancels_all_that_wait():
    """Nothing runs on for a caller who left."""
    room = Room()
    cancelled = []
    room.add("wait", lambda number: Deferred(lambda _: cancelled.append(number)))
    calls = [{"methodName": "lab.bench.wait", "params": [number]} for number in (0, 1)]
    pending = room.call("system.multicall", calls)
    pending.cancel()
    assert cancelled == [0, 1]
    assert pending.called
    assert room.logged == []


def test_multicall_is_bounded():
    """One request is not a thousand and one."""
    with pytest.raises(TooLarge, match="1000 is the most"):
        Room().call("system.multicall", [{"methodName": "test", "params": [1]}] * 1001)
