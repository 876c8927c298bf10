"""Which names may be claimed, and by whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpc_room import Room
from zope.interface import implementer

from co2.errors import LocalError, MethodNotFound, NameTaken
from co2.interfaces import IProcedureSource
from co2.model.calls import Level
from co2.model.procedure import Procedure
from co2.rpc.registry import Registry


def nothing() -> None:
    return None


@implementer(IProcedureSource)
class Source:
    def __init__(self, *procedures: Procedure) -> None:
        self._procedures = procedures

    def procedures(self):
        return self._procedures


def test_every_name_leads_to_the_same_entry():
    """Aliases are names like the first one."""
    registry = Registry()
    procedure = Procedure("co2.a", nothing, Level.READ, ("web.a", "sys.a"))
    entry = registry.enter(procedure)
    assert registry.names() == ["co2.a", "sys.a", "web.a"]
    assert all(registry.find(name) is entry for name in registry.names())
    assert entry.procedure is procedure
    assert registry.find("co2") is None


def test_the_second_claim_is_refused_and_names_the_holder():
    """The first keeps the name, and none of the second one's other names is entered."""
    registry = Registry()
    first = registry.enter(Procedure("lab.a.go", nothing, owner="lab.a"))
    with pytest.raises(NameTaken, match=r"lab\.a\.go is held by the plugin lab\.a; .*lab\.b"):
        registry.enter(Procedure("lab.b.go", nothing, aliases=("lab.a.go",), owner="lab.b"))
    assert registry.names() == ["lab.a.go"]
    assert registry.find("lab.a.go") is first


def test_a_source_loses_only_what_clashes():
    """The rest is entered, and the refusals are given back with their reasons."""
    registry = Registry()
    registry.enter(Procedure("lab.taken", nothing, owner="lab.old"))
    good = Procedure("lab.good", nothing, owner="lab.new")
    clashing = Procedure("lab.other", nothing, aliases=("lab.taken",), owner="lab.new")
    twice = Procedure("lab.good", nothing, owner="lab.new")
    refusals = registry.enter_source(Source(good, clashing, twice))
    assert [refusal.procedure for refusal in refusals] == [clashing, twice]
    assert all(isinstance(refusal.reason, NameTaken) for refusal in refusals)
    assert registry.names() == ["lab.good", "lab.taken"]


def test_a_source_that_fails_half_way_enters_nothing():
    """Names are checked before any is entered, so no half of a plugin stays behind."""

    class Broken(Source):
        def procedures(self):
            yield Procedure("lab.good", nothing, owner="lab.new")
            raise RuntimeError("no more")

    registry = Registry()
    with pytest.raises(RuntimeError):
        registry.enter_source(Broken())
    assert registry.names() == []


@pytest.mark.parametrize(
    "name", ["co2.x", "system.x", "sys.x", "relay.x", "web.x", "ping", "notify", "mine"]
)
def test_a_plugin_may_not_claim_the_servers_names(name):
    """Prefixes and bare names of the server stay the server's, taken or not."""
    with pytest.raises(NameTaken, match="is the server's own"):
        Registry().enter(Procedure(name, nothing, owner="co2x.plugin"))
    Registry().enter(Procedure(name, nothing))


def test_a_plugins_names_begin_with_its_package():
    """One plugin cannot pretend to be another."""
    with pytest.raises(NameTaken, match=r"does not begin with the package"):
        Registry().enter(Procedure("bank.pay", nothing, owner="lab.bench"))


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a b",
        "_a",
        "a._b",
        "a.__class__",
        "ä.b",
        "a/b",
        "a\n",
        "x" * 256,
    ],
)
def test_malformed_names_are_refused(name):
    """A name is words of letters, digits and underscores with dots between."""
    with pytest.raises(LocalError, match="cannot be a method name"):
        Registry().enter(Procedure(name, nothing))


def test_what_is_withdrawn_is_gone_and_the_name_is_free():
    """A plugin that is swapped leaves its names to its successor."""
    registry = Registry()
    old, new = (Procedure("lab.a", nothing, aliases=("lab.b",), owner="lab.x") for _ in "12")
    registry.enter(old)
    registry.withdraw([old])
    assert registry.names() == []
    registry.enter(new)
    assert registry.names() == ["lab.a", "lab.b"]


def test_withdrawing_leaves_what_is_anothers_by_now():
    """A late withdrawal of an old version does not take the new one out."""
    registry = Registry()
    old = Procedure("lab.a", nothing, owner="lab.x")
    new = Procedure("lab.a", lambda: 1, owner="lab.x")
    registry.enter(old)
    registry.withdraw([old])
    registry.enter(new)
    registry.withdraw([old])
    assert registry.names() == ["lab.a"]


class Treasure:
    """Has much that a walk along dots would reach."""

    secret = "treasure"

    def dig(self) -> str:
        return self.secret


_TEMPTING = ["__class__", "__globals__", "__init__", "dig", "secret", "__self__", "im_func", "_x"]
_PARTS = st.one_of(st.sampled_from(_TEMPTING), st.text(max_size=20))


@given(
    st.one_of(
        st.text(),
        st.lists(_PARTS, max_size=4).map(lambda parts: ".".join(["lab.bench.dig", *parts])),
        st.text("x.", min_size=1000, max_size=5000),
    )
)
def test_no_wire_name_reaches_what_was_not_entered(name):
    """Dots, dunders, unicode and endless names find exactly what was entered, and nothing else."""
    room = Room()
    room.add("dig", Treasure().dig)
    if name in room.registry.names():
        return
    with pytest.raises(MethodNotFound) as caught:
        room.call(name)
    assert "treasure" not in caught.value.text
    assert len(caught.value.text) < 2000
    caught.value.text.encode("ascii")


def test_a_source_is_renewed_as_a_whole():
    """What its owner had and does not bring any more is gone, what is new is there at once."""
    registry = Registry()
    registry.enter_source(
        Source(
            Procedure("lab.stays", nothing, owner="lab.x"),
            Procedure("lab.goes", nothing, aliases=("lab.alias",), owner="lab.x"),
        )
    )
    registry.enter(Procedure("lab.others", nothing, owner="lab.y"))
    stays = Procedure("lab.stays", lambda: 1, owner="lab.x")
    registry.renew(Source(stays, Procedure("lab.alias", nothing, owner="lab.x")), "lab.x")
    assert registry.names() == ["lab.alias", "lab.others", "lab.stays"]
    assert registry.find("lab.stays").procedure is stays


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("lab.others", r"lab\.others is held by the plugin lab\.y; the plugin lab\.x must"),
        ("lab.new", r"lab\.new is held by the plugin lab\.x"),
        ("co2.open", "is the server's own"),
        ("lab._x", "cannot be a method name"),
    ],
)
def test_a_renewal_that_clashes_costs_that_one_method(name, fault):
    """Another's name, the same twice, the server's, a malformed one: the rest is renewed."""
    registry = Registry()
    registry.enter_source(Source(Procedure("lab.old", nothing, owner="lab.x")))
    others = registry.enter(Procedure("lab.others", nothing, owner="lab.y"))
    new, clashing = (Procedure(one, nothing, owner="lab.x") for one in ("lab.new", name))
    (refusal,) = registry.renew(Source(new, clashing), "lab.x")
    assert refusal.procedure is clashing
    with pytest.raises(LocalError, match=fault):
        raise refusal.reason
    assert registry.names() == ["lab.new", "lab.others"]
    assert registry.find("lab.new").procedure is new
    assert registry.find("lab.others") is others


def test_a_renewal_whose_source_raises_changes_nothing():
    """What its owner had stays, as long as the source has not said what comes instead."""

    class Broken:
        def procedures(self):
            yield Procedure("lab.new", nothing, owner="lab.x")
            raise ValueError("no items")

    registry = Registry()
    registry.enter_source(Source(Procedure("lab.old", nothing, owner="lab.x")))
    with pytest.raises(ValueError, match="no items"):
        registry.renew(Broken(), "lab.x")
    assert registry.names() == ["lab.old"]
