"""A satellite's address changes while messages are on their way to it, and from it."""

from __future__ import annotations

import pytest

from co2.model.calls import Level
from co2.model.hosts import Address
from co2.service.relay_part import BATCH, WRITTEN_AHEAD
from co2.testing.fates import Fate
from co2.testing.samples import result_of
from co2.testing.world import World

pytestmark = pytest.mark.usefixtures("logged_failures")

ELSEWHERE = Address("10.9.9.9", 2004)


def a_world(slow=0.0):
    world = World()
    world.relay("relay")
    world.satellite("sender", "relay")
    world.satellite("mover", "relay")
    world.satellite("bystander", "relay")
    world.places["mover"].slow = slow
    world.pass_time(10.0)
    return world


def address_of(world, name):
    answer = world.places["relay"].server.call("relay.get_satellites", level=Level.ADMIN)
    random = world.places[name].state.identity(None).random
    records = [one for one in result_of(answer) if one["host_id"].startswith(random + "@")]
    assert len(records) == 1
    return Address(*records[0]["addr"]), records[0]["state"]


COUNT = 400
"""More than fit into what is written ahead to one satellite, several times over."""


def burst(world, names, count=COUNT):
    for number in range(count):
        for name in names:
            world.send(name, f"{name} {number}")


@pytest.mark.parametrize("moment", [0.0, 0.0005, 0.0015, 0.05, 0.35, 0.5])
def test_it_moves_while_it_runs(moment):
    """Requests, plugins and answers are under way: all comes once, in order, and none is doubled.

    Its plugin takes its time, so that some are in it, some written ahead, some in the journal.
    """
    world = a_world(slow=0.3)
    burst(world, ["sender", "mover"])
    world.pass_time(moment)
    had = len(world.places["mover"].data)
    assert had < COUNT, "nothing is under way any more"
    world.move("mover", ELSEWHERE)
    world.pass_time(120.0)
    assert not world.complaints(["mover", "bystander", "sender"], ["sender", "mover"])
    assert not any(struct.get("redelivered") for struct in world.places["mover"].structs)
    assert address_of(world, "mover") == (ELSEWHERE, "online")
    receipts = world.places["relay"].server.call(
        "relay.receipt", {"id": world.places["sender"].sent[-1][1].id}, level=Level.ADMIN
    )
    assert {one["state"] for one in result_of(receipts)} == {"delivered"}


@pytest.mark.parametrize("moment", [0.0005, 0.2, 0.35, 0.5])
def test_it_is_killed_and_comes_back_elsewhere(moment):
    """What its plugins were in the middle of comes again and says so; all else comes once."""
    world = a_world(slow=0.3)
    burst(world, ["sender"])
    world.pass_time(moment)
    had = len(world.places["mover"].data)
    assert had < COUNT
    world.kill("mover")
    world.move("mover", ELSEWHERE)
    world.start("mover")
    world.pass_time(120.0)
    assert not world.complaints(["mover", "bystander"], ["sender"])
    again = [one for one in world.places["mover"].structs if one.get("redelivered")]
    assert len(again) <= WRITTEN_AHEAD * BATCH
    assert address_of(world, "mover") == (ELSEWHERE, "online")


def test_another_takes_the_address_meanwhile():
    """It gets its own messages there, and none that were on their way to the one before it."""
    world = a_world(slow=0.3)
    former = world.places["mover"].address
    burst(world, ["sender"])
    world.pass_time(0.35)
    assert len(world.places["mover"].data) < COUNT
    world.move("mover", ELSEWHERE)
    world.satellite("squatter", "relay")
    world.move("squatter", former)
    had = len(world.places["sender"].sent)
    world.pass_time(60.0)
    assert world.places["squatter"].data == []
    world.send("sender", "to both")
    world.pass_time(60.0)
    assert world.places["squatter"].data == ["to both"]
    assert [data for data, _ in world.places["sender"].sent][:had] == world.places["mover"].data[
        :had
    ]
    assert not world.complaints(["mover", "bystander"], ["sender"])
    assert address_of(world, "mover") == (ELSEWHERE, "online")
    assert address_of(world, "squatter") == (former, "online")


def test_two_swap_their_addresses():
    """Each is known by its secret, not by where it is: nobody gets what was for the other."""
    world = a_world(slow=0.05)
    one, other = world.places["mover"].address, world.places["bystander"].address
    burst(world, ["mover", "bystander", "sender"])
    world.pass_time(0.05)
    assert len(world.places["mover"].data) < COUNT
    world.move("mover", ELSEWHERE)
    world.move("bystander", one)
    world.move("mover", other)
    world.pass_time(120.0)
    names = ["mover", "bystander", "sender"]
    assert not world.complaints(names, names)
    assert address_of(world, "mover") == (other, "online")
    assert address_of(world, "bystander") == (one, "online")


def test_what_it_sends_meanwhile_is_its_own():
    """A sender whose message was on its way when it moved: taken once, under its new address."""
    world = a_world()
    world.network.fates.add(Fate(there=0.5))
    world.send("mover", "on the way")
    world.pass_time(0.2)
    world.move("mover", ELSEWHERE)
    world.send("mover", "from there")
    world.pass_time(60.0)
    assert world.places["bystander"].data == ["on the way", "from there"]
    assert "@10.9.9.9:" in world.places["bystander"].structs[-1]["host_id"]
