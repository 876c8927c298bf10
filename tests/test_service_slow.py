"""Whole servers: a plugin that is slow, and all the others."""

from __future__ import annotations

import pytest

from co2.model.hosts import Address
from co2.model.settings import PeerSetting
from co2.testing.plugins import RecordingPlugin
from co2.testing.samples import result_of
from co2.testing.world import World

pytestmark = pytest.mark.usefixtures("logged_failures")

SECRET = "p" * 32


def one_slow(seconds=20.0):
    """A relay, an author, and a host with a slow plugin beside a quick one."""
    world = World()
    world.relay("r")
    world.satellite("author", "r")
    world.satellite("host", "r")
    world.places["host"].slow = seconds
    quick = world.places["host"].server.add_plugin(RecordingPlugin, "bench", "quick")
    world.pass_time(3.0)
    return world, quick


def test_a_slow_plugin_keeps_nothing_from_the_other_plugins_of_its_host():
    """Each message is there half a second after it was sent, while the first takes twenty."""
    world, quick = one_slow()
    for number in range(40):
        world.send("author", number)
        world.pass_time(0.5)
        assert quick.data == list(range(number + 1))
    assert world.places["host"].data == list(range(40))


def test_its_receipts_wait_for_it():
    """Queued as long as it is at it, then what it said; the order of messages is kept."""
    world, _ = one_slow(seconds=10.0)
    first, second = world.send("author", 1), world.send("author", 2)
    world.pass_time(9.0)

    def states():
        asked = [sent.receipts() for sent in (first, second)]
        world.pass_time(0.1)
        return [one["state"] for told in asked for one in result_of(told)]

    assert states() == ["queued", "queued"]
    world.pass_time(3.0)
    assert states() == ["delivered", "delivered"]
    assert world.places["host"].data == [1, 2]


def test_a_host_that_dies_while_a_plugin_is_at_it_gets_that_once_more():
    """Marked; what its plugins were done with does not come again."""
    world, _ = one_slow()
    for number in range(5):
        world.send("author", number)
        world.pass_time(0.5)
    world.places["host"].slow = 0.0
    world.send("author", 5)
    world.pass_time(1.0)
    world.kill("host")
    world.start("host")
    world.pass_time(30.0)
    seen = world.places["host"].seen
    assert [data for _, data, again in seen if not again] == [0, 1, 2, 3, 4, 5]
    assert [data for _, data, again in seen if again] == [0, 1, 2, 3, 4]
    assert world.complaints(["host"], ["author"]) == []


def test_the_same_holds_between_peers():
    """With no relay between them."""
    world = World()
    places = [Address("10.0.0.1", 2004), Address("10.0.0.2", 2004)]
    world.satellite("a", None, peers=(PeerSetting(places[1], SECRET),))
    world.satellite("b", None, peers=(PeerSetting(places[0], SECRET),))
    world.places["b"].slow = 20.0
    quick = world.places["b"].server.add_plugin(RecordingPlugin, "bench", "quick")
    for number in range(10):
        world.send("a", number)
        world.pass_time(0.5)
    assert quick.data == list(range(10))
