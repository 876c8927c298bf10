"""co2.service.uplink and whole servers: relays of relays, over a network in memory."""

from __future__ import annotations

import pytest

from co2.model.hosts import Address
from co2.model.settings import PeerSetting
from co2.testing.samples import result_of
from co2.testing.world import World

pytestmark = pytest.mark.usefixtures("logged_failures")


def two_relays(**settings):
    """r2 has joined r1; a is at r1, b and c are at r2."""
    world = World()
    world.relay("r1", **settings)
    world.relay("r2", "r1", **settings)
    world.satellite("a", "r1", **settings)
    world.satellite("b", "r2", **settings)
    world.satellite("c", "r2", **settings)
    world.pass_time(3.0)
    return world


def test_messages_pass_from_relay_to_relay_both_ways():
    """Who is at another relay gets it once, with its author; and nobody his own."""
    world = two_relays()
    world.send("a", "from a")
    world.send("b", "from b")
    world.pass_time(3.0)
    assert world.places["a"].data == ["from b"]
    assert world.places["b"].data == ["from a"]
    assert sorted(world.places["c"].data) == ["from a", "from b"]
    assert world.complaints(["a", "b", "c"], ["a", "b"]) == []


def test_many_messages_keep_their_authors_order():
    """Batches, posts written ahead, and the way back do not change it."""
    world = two_relays()
    for number in range(300):
        world.send("a", number)
        world.send("b", number)
        if number % 50 == 0:
            world.pass_time(0.01)
    world.pass_time(20.0)
    assert world.complaints(["a", "b", "c"], ["a", "b"]) == []


def test_a_cut_between_relays_heals_with_nothing_lost():
    """Longer than a lease; both sides keep what the other has not got."""
    world = two_relays(lease=5.0)
    world.cut("r1", "r2")
    for number in range(20):
        world.send("a", number)
        world.send("b", number)
        world.pass_time(2.0)
    assert world.places["c"].data == list(range(20))
    world.heal()
    world.pass_time(60.0)
    assert world.complaints(["a", "b", "c"], ["a", "b"]) == []


@pytest.mark.parametrize("dies", ["r1", "r2"])
def test_a_relay_that_is_killed_loses_nothing(dies):
    """The other brings what it has not got, from where its cursor stands."""
    world = two_relays(lease=5.0)
    for number in range(10):
        world.send("a", number)
        world.send("b", number)
    world.pass_time(0.002)
    world.kill(dies)
    for number in range(10, 20):
        world.send("a", number)
        world.send("b", number)
    world.pass_time(20.0)
    world.start(dies)
    world.pass_time(60.0)
    assert world.complaints(["a", "b", "c"], ["a", "b"]) == []


def test_a_diamond_delivers_once_and_in_order():
    """Two ways between two relays; one of them is cut now and then."""
    world = World()
    world.relay("top")
    world.relay("left", "top")
    world.relay("right", "top")
    world.relay("low", "left", "right")
    world.satellite("a", "top")
    world.satellite("b", "low")
    world.pass_time(3.0)
    for number in range(40):
        world.send("a", number)
        world.send("b", number)
        if number == 10:
            world.cut("top", "left")
        if number == 20:
            world.heal()
            world.cut("right", "low")
        if number == 30:
            world.heal()
        world.pass_time(0.5)
    world.pass_time(60.0)
    assert world.complaints(["a", "b"], ["a", "b"]) == []
    assert len(world.places["a"].seen) == len(world.places["b"].seen) == 40


def test_a_loop_ends():
    """Three relays in a ring: each satellite has each message once, and then it is quiet."""
    world = World()
    world.relay("one")
    world.relay("two", "one")
    world.relay("three", "two", "one")
    for name, relay in (("a", "one"), ("b", "two"), ("c", "three")):
        world.satellite(name, relay)
    world.pass_time(3.0)
    for number in range(20):
        for name in "abc":
            world.send(name, f"{name}{number}")
    world.pass_time(30.0)
    assert world.complaints(["a", "b", "c"], ["a", "b", "c"]) == []
    assert all(len(world.places[name].seen) == 40 for name in "abc")
    relays = [world.places[name].state._journals["relay"] for name in ("one", "two", "three")]
    assert [journal.last_seq for journal in relays] == [60, 60, 60]


def test_a_relay_is_stopped_in_good_order():
    """Nothing of it runs any more."""
    world = two_relays()
    world.send("a", 1)
    world.pass_time(1.0)
    for name in ("b", "c", "a", "r2", "r1"):
        world.stop(name)
    world.pass_time(100.0)
    assert world.network.clock.getDelayedCalls() == []


def test_what_was_sent_while_the_relay_is_away_goes_later_in_order():
    """`send()` keeps it, and the next run of the satellite has it still."""
    world = two_relays()
    world.kill("r1")
    for number in range(5):
        world.send("a", number)
    world.pass_time(5.0)
    world.kill("a")
    world.start("a")
    world.send("a", 5)
    world.pass_time(5.0)
    world.start("r1")
    world.pass_time(40.0)
    assert world.places["b"].data == [0, 1, 2, 3, 4, 5]


def test_topics_and_retained_values_reach_who_comes_later():
    """The relay sends what is wanted, and the last values first."""
    world = two_relays()
    for number in range(3):
        world.send("a", number, topic="lights.stage", retain=True)
    world.send("a", "noise", topic="sound")
    world.pass_time(2.0)
    world.satellite("late", "r1", {"topics": ["lights.*"]})
    world.pass_time(3.0)
    world.send("a", 9, topic="lights.hall")
    world.send("a", "noise", topic="sound")
    world.pass_time(2.0)
    assert world.places["late"].data == [2, 9]
    assert "stale" not in world.places["late"].structs[0]


def test_a_backlog_of_the_newest_only():
    """A class that wants nothing older of each author and topic gets just that after a break."""
    world = two_relays()
    world.satellite("display", "r1", {"topics": ["t.>"], "backlog": "newest"})
    world.pass_time(3.0)
    world.kill("display")
    for number in range(30):
        world.send("a", number, topic=f"t.{number % 3}")
    world.pass_time(3.0)
    world.start("display")
    world.pass_time(90.0)
    assert world.places["display"].data == [27, 28, 29]


def test_receipts_tell_each_satellite():
    """The author asks its own relay."""
    world = two_relays()
    world.satellite("d", "r1")
    world.pass_time(3.0)
    world.kill("d")
    sent = world.send("a", 1)
    world.pass_time(3.0)
    receipts = sent.receipts()
    world.pass_time(1.0)
    states = {one["host_id"].partition("@")[2]: one["state"] for one in result_of(receipts)}
    assert states == {"10.0.0.6:2004": "unreachable", "10.0.0.2:2004": "delivered"}


def test_peers_without_a_relay_have_the_same_guarantees():
    """From the sender's outbox, over kills of both."""
    world = World()
    secret = "p" * 20
    world.satellite("a", None, peers=(PeerSetting(Address("10.0.0.2", 2004), secret),))
    world.satellite("b", None, peers=(PeerSetting(Address("10.0.0.1", 2004), secret),))
    world.pass_time(1.0)
    for number in range(30):
        world.send("a", number)
        if number in (10, 20):
            world.kill("b" if number == 10 else "a")
            world.pass_time(1.0)
            world.start("b" if number == 10 else "a")
        world.pass_time(0.01)
    world.pass_time(60.0)
    assert world.complaints(["b"], ["a"]) == []


def test_a_satellite_that_was_restarted_takes_what_its_relay_brings_at_once():
    """The relay shows the token that it knows, whether or not it has heard of the restart."""
    world = two_relays()
    world.kill("a")
    world.start("a")
    world.send("b", 1)
    world.kill("r1")
    world.start("r1")
    world.pass_time(60.0)
    assert world.places["a"].data == [1]


def test_who_has_another_token_by_now_loses_nothing():
    """A refused token is a matter of registering again, and not the message's end."""
    world = two_relays(ping_interval=1000.0)
    place = world.places["a"]
    world.kill("a")
    doors = "co2.service.satellite_part.notify_token"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doors, lambda identity, relay: "another token, " * 2)
        world.cut("a", "r1")
        world.start("a")
    world.send("b", 1)
    world.network.heal()
    world.pass_time(60.0)
    assert place.data == [1]
