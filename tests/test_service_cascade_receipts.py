"""Receipts where relays have joined others: who joined, and who was joined, are told of too."""

from __future__ import annotations

import pytest

from co2.model.calls import Level
from co2.model.settings import Retention
from co2.testing.samples import result_of
from co2.testing.world import World

pytestmark = pytest.mark.usefixtures("logged_failures")

UPSTREAM = "10.0.0.1:2004"


def two_relays(retention=None, **settings):
    """r2 has joined r1; a is at r1, b at r2."""
    keeps = {} if retention is None else {"retention": retention}
    world = World()
    world.relay("r1", **keeps, **settings)
    world.relay("r2", "r1", **keeps, **settings)
    world.satellite("a", "r1", **settings)
    world.satellite("b", "r2", **settings)
    world.pass_time(3.0)
    return world


def asked(world, relay, id, after=0.1):
    """The receipt that an admin gets at a relay, by address."""
    answer = world.places[relay].server.call("relay.receipt", {"id": id}, level=Level.ADMIN)
    world.pass_time(after)
    return {one["host_id"].partition("@")[2]: one for one in result_of(answer)}


def told(world, sent):
    """What its author is told of the relay that was joined; None if it is not in the receipt."""
    receipts = sent.receipts()
    world.pass_time(1.0)
    found = {one["host_id"].partition("@")[2]: one for one in result_of(receipts)}
    return found.get(UPSTREAM)


def random_of(world, name):
    return world.places[name].server.base.identity.random


def test_what_the_joined_relay_has_is_delivered():
    """With its name, its address and the time; the author sees it beside the satellites."""
    world = two_relays()
    world.satellite("c", "r2")
    world.pass_time(3.0)
    sent = world.send("b", 1)
    begin = world.places["r2"].server.base.surroundings.now()
    world.pass_time(2.0)
    one = told(world, sent)
    assert set(one) == {"host_id", "nick", "state", "detail", "time", "tries"}
    assert one["host_id"] == f"{random_of(world, 'r1')}@{UPSTREAM}"
    assert one["nick"] == f"upstream {UPSTREAM}"
    assert (one["state"], one["detail"], one["tries"]) == ("delivered", "", 0)
    assert begin - 0.5 <= one["time"] <= begin + 2.0
    assert asked(world, "r2", sent.id).keys() == {UPSTREAM, str(world.places["c"].address)}


def test_a_joined_relay_that_is_cut_off_is_unreachable_until_it_heals():
    """The reason is said; and when the way is open again the same message is delivered."""
    world = two_relays(lease=5.0)
    world.cut("r1", "r2")
    sent = world.send("b", 1)
    world.pass_time(20.0)
    one = told(world, sent)
    assert one["state"] == "unreachable"
    assert one["detail"]
    assert one["tries"] > 0
    world.heal()
    world.pass_time(30.0)
    assert told(world, sent)["state"] == "delivered"
    assert world.places["a"].data == [1]


def test_a_relay_that_could_not_be_joined_yet_is_unreachable():
    """Nothing was ever posted there: registering is what fails, and the receipt says why."""
    world = two_relays()
    world.kill("r1")
    world.kill("r2")
    world.start("r2")
    world.pass_time(10.0)
    sent = world.send("b", 1)
    world.pass_time(10.0)
    one = told(world, sent)
    assert one["host_id"] == f"@{UPSTREAM}"
    assert (one["state"], one["tries"]) == ("unreachable", 0)
    assert one["detail"] == world.places["r2"].server.relay._uplinks[0]._enrolment.trouble != ""


def test_what_waits_for_the_joined_relay_is_queued():
    """In the moment before the courier leaves nothing is wrong yet."""
    world = two_relays()
    id = by_hand(world, hops=[])
    one = asked(world, "r2", id, after=0.0)[UPSTREAM]
    assert (one["state"], one["detail"]) == ("queued", "")


def by_hand(world, hops):
    """Give r2 a message of an author elsewhere, as a relay that has registered there; its id."""
    server = world.places["r2"].server
    request = {"port": 2099, "random": "other-relay", "secret": "s" * 20, "roles": ["relay"]}
    answer = server.call("relay.register", {**request, "callback": False}, level=Level.ADMIN)
    proof = result_of(answer)
    shown = {"via": proof["host_id"], "token": proof["token"], "host_id": "author@10.0.0.77:2004"}
    server.call("relay.relay", {**shown, "id": "by-hand", "data": 1, "hops": hops})
    return "by-hand"


def test_what_the_joined_relay_refuses_is_refused():
    """The reason is that relay's own, and it outlives a restart."""
    world = two_relays()
    id = by_hand(world, [f"relay{number}" for number in range(15)])
    world.pass_time(5.0)
    one = asked(world, "r2", id)[UPSTREAM]
    assert one["state"] == "refused"
    assert "16 relays" in one["detail"]
    assert one["time"] > 0
    world.kill("r2")
    world.start("r2")
    world.pass_time(5.0)
    assert asked(world, "r2", id)[UPSTREAM] == one


def test_what_left_before_the_joined_relay_had_it_is_expired():
    """Also once it is back and has what came later."""
    world = two_relays(retention=Retention(1e9, 5, 1 << 24))
    world.cut("r1", "r2")
    sent = [world.send("b", number) for number in range(8)]
    world.pass_time(60.0)
    assert told(world, sent[1])["state"] == "expired"
    world.heal()
    world.pass_time(60.0)
    # The first was on its way when the link was cut, and may have arrived without an answer.
    assert world.places["a"].data[-5:] == [3, 4, 5, 6, 7]
    assert not {1, 2} & set(world.places["a"].data)
    assert [told(world, one)["state"] for one in sent] == ["expired"] * 3 + ["delivered"] * 5


def test_what_came_from_the_joined_relay_is_not_told_of_it():
    """It had the message first; and a relay that has joined is a satellite like others."""
    world = two_relays()
    sent = world.send("a", 1)
    world.pass_time(3.0)
    assert UPSTREAM not in asked(world, "r2", sent.id)
    (one,) = asked(world, "r1", sent.id).values()
    assert one["host_id"] == f"{random_of(world, 'r2')}@10.0.0.2:2004"
    assert one["state"] == "delivered"


def test_what_came_from_the_joined_relay_is_not_told_of_it_after_a_restart_without_it():
    """Who it is cannot be asked then; how far it is was written."""
    world = two_relays()
    sent = world.send("a", 1)
    world.pass_time(15.0)
    world.kill("r1")
    world.kill("r2")
    world.start("r2")
    world.pass_time(5.0)
    found = asked(world, "r2", sent.id)
    assert found[UPSTREAM]["state"] == "delivered"


def test_a_relay_that_has_joined_and_is_cut_off_is_unreachable():
    """Its upstream's authors are told, as of any satellite."""
    world = two_relays(lease=5.0)
    world.cut("r1", "r2")
    sent = world.send("a", 1)
    world.pass_time(20.0)
    (one,) = asked(world, "r1", sent.id).values()
    assert (one["state"], bool(one["detail"])) == ("unreachable", True)
    world.heal()
    world.pass_time(60.0)
    (one,) = asked(world, "r1", sent.id).values()
    assert one["state"] == "delivered"


def test_messages_from_before_it_was_joined_are_not_told_of_it():
    """They were never for it, after a restart neither."""
    world = two_relays()
    world.relay("r3")
    world.satellite("d", "r3")
    world.pass_time(3.0)
    before = world.send("d", "before")
    world.pass_time(1.0)
    world.kill("r3")
    world.places["r3"].settings["upstream"] = world.places["r2"].settings["upstream"]
    world.start("r3")
    world.pass_time(20.0)
    after = world.send("d", "after")
    world.pass_time(3.0)
    assert told(world, before) is None
    world.kill("r3")
    world.start("r3")
    world.pass_time(20.0)
    assert told(world, before) is None
    assert told(world, after)["state"] == "delivered"
