"""A host's wall clock is set by a year: leases, receipts, order and retention do not notice.

Whole relays and satellites in memory. Time goes on steadily for all of them; the wall clock of one
is moved ahead or back while messages are under way, and again over a restart.
"""

from __future__ import annotations

import pytest

from co2.model.calls import Level
from co2.testing.samples import result_of
from co2.testing.servers import BEGIN
from co2.testing.world import World

pytestmark = pytest.mark.usefixtures("logged_failures")

YEAR = 365 * 86400.0
BOTH_WAYS = pytest.mark.parametrize("jump", [YEAR, -YEAR])
EACH = pytest.mark.parametrize("who", ["relay", "sender", "receiver", "collector"])


def a_world(lease=30.0):
    world = World()
    world.relay("relay", lease=lease)
    world.satellite("sender", "relay")
    world.satellite("receiver", "relay")
    world.satellite("collector", "relay", deaf=True)
    world.pass_time(15.0)
    return world


def call(world, method, *params):
    answer = world.places["relay"].server.call(method, *params, level=Level.ADMIN)
    world.pass_time(0.5)
    return result_of(answer)


def by_name(world, records):
    randoms = {place.state.identity(None).random: place.name for place in world.places.values()}
    return {randoms[record["host_id"].partition("@")[0]]: record for record in records}


def states(world):
    records = by_name(world, call(world, "relay.get_satellites"))
    return {name: record["state"] for name, record in records.items()}


def receipts(world, sent):
    records = by_name(world, call(world, "relay.receipt", {"id": sent.id}))
    return {name: (record["state"], record["time"]) for name, record in records.items()}


ALL_THERE = {"sender": "online", "receiver": "online", "collector": "poll"}


@BOTH_WAYS
@EACH
def test_leases_stay(who, jump):
    """Nobody goes away, nobody registers again, and who is cut off does go in time."""
    world = a_world()
    before = {one["host_id"]: one["lease"] for one in call(world, "relay.get_satellites")}
    assert states(world) == ALL_THERE
    world.set_wall(who, jump)
    world.pass_time(0.5)
    records = call(world, "relay.get_satellites")
    assert states(world) == ALL_THERE
    assert all(one["lease"] > before[one["host_id"]] - 15.0 for one in records)
    world.pass_time(300.0)
    assert states(world) == ALL_THERE
    world.cut("relay", "receiver")
    world.pass_time(20.0)
    assert states(world)["receiver"] == "online"
    world.pass_time(15.0)
    assert states(world)["receiver"] == "away"
    world.heal()
    world.pass_time(30.0)
    assert states(world) == ALL_THERE


@BOTH_WAYS
@EACH
def test_receipts_stay_right(who, jump):
    """Delivered is delivered and queued is queued, with the time that the relay's clock shows."""
    world = a_world()
    sent = world.send("sender", "before")
    world.pass_time(2.0)
    world.set_wall(who, jump)
    world.cut("relay", "receiver")
    later = world.send("sender", "after")
    world.pass_time(2.0)
    for state, time in receipts(world, sent).values():
        assert state == "delivered"
        assert BEGIN <= time <= BEGIN + 60.0
    found = receipts(world, later)
    assert (found["receiver"][0], found["collector"][0]) == ("queued", "delivered")
    world.heal()
    world.pass_time(60.0)
    found = receipts(world, later)
    assert set(found) == {"receiver", "collector"}
    ahead = jump if who == "relay" else 0.0
    for state, time in found.values():
        assert state == "delivered"
        assert BEGIN + ahead <= time <= BEGIN + ahead + 120.0
    assert later.wait(0)["recipients"] == 2


@BOTH_WAYS
@EACH
def test_nothing_is_lost_doubled_or_out_of_order(who, jump):
    """Messages go on while the clock is set, and set right again, also by their own times."""
    world = a_world()
    for number in range(30):
        world.send("sender", number)
        world.send("receiver", number)
        if number == 10:
            world.set_wall(who, jump)
        if number == 20:
            world.set_wall(who, 0.0)
        world.pass_time(0.2)
    world.pass_time(30.0)
    assert not world.complaints(["sender", "receiver", "collector"], ["sender", "receiver"])
    ids = [one["id"] for one in world.places["receiver"].structs]
    assert len(set(ids)) == len(ids) == 30
    assert ids == sorted(ids)


@BOTH_WAYS
@EACH
def test_a_restart_with_the_clock_set_loses_nothing(who, jump):
    """What one had kept is delivered once, and who sends it again is known."""
    world = a_world()
    world.cut("relay", "receiver")
    for number in range(10):
        world.send("sender", number)
    world.pass_time(5.0)
    world.kill(who)
    world.set_wall(who, jump)
    world.pass_time(5.0)
    world.start(who)
    world.heal()
    world.pass_time(60.0)
    world.send("sender", "more")
    world.pass_time(10.0)
    assert not world.complaints(["receiver", "collector"], ["sender"])
    assert states(world) == ALL_THERE


@BOTH_WAYS
def test_what_was_kept_for_who_comes_later_is_stale_by_its_authors_lease(jump):
    """Not by any time that is written in it."""
    world = a_world()
    world.send("sender", "value", topic="t", retain=True)
    world.pass_time(2.0)
    world.set_wall("relay", jump)
    world.satellite("late", "relay")
    world.pass_time(5.0)
    world.kill("sender")
    world.pass_time(60.0)
    world.satellite("later", "relay")
    world.pass_time(5.0)
    (early,), (late,) = world.places["late"].structs, world.places["later"].structs
    assert ("stale" in early, late["stale"]) == (False, True)
