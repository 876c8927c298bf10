"""Two relays swap their addresses: journal and roster go along, satellites stay where they look.

What a satellite is then registered at has another journal, with other numbers. It registers anew,
and its number there is the new relay's matter. The relay that it had before still has what it
accepted for it, and brings it, since it knows where the satellite is.
"""

from __future__ import annotations

import pytest

from co2.errors import Gone
from co2.model.calls import Level
from co2.testing.samples import result_of
from co2.testing.world import World

pytestmark = pytest.mark.usefixtures("logged_failures")


class TwoNetworks(World):
    """Relays A and B, each with satellites 1 (sends), 2 and 3 (collects); A's numbers are ahead."""

    def __init__(self):
        super().__init__()
        self.relay("A", lease=30.0)
        self.relay("B", lease=30.0)
        for relay, letter in (("A", "a"), ("B", "b")):
            for number in (1, 2, 3):
                self.satellite(f"{letter}{number}", relay, deaf=number == 3)
        self.pass_time(15.0)
        self.say("a1", 80)
        self.say("b1", 5)
        self.pass_time(10.0)

    def say(self, name, count):
        for _ in range(count):
            self.send(name, f"{name}: {len(self.places[name].sent)}")

    def swap(self):
        here, there = self.places["A"].address, self.places["B"].address
        self.move("A", there)
        self.move("B", here)

    def name_of(self, record):
        random = record["host_id"].partition("@")[0]
        return next(
            place.name
            for place in self.places.values()
            if place.state.identity(None).random == random
        )

    def call(self, relay, method, *params):
        answer = self.places[relay].server.call(method, *params, level=Level.ADMIN)
        return result_of(answer)

    def states(self, relay):
        records = self.call(relay, "relay.get_satellites")
        return {self.name_of(record): record["state"] for record in records}

    def receipt(self, relay, sent):
        """Give for each satellite the state of a message, as that relay sees it."""
        try:
            found = self.call(relay, "relay.receipt", {"id": sent.id})
        except Gone:
            return {}  # it has not come there
        return {self.name_of(one): one["state"] for one in found}

    def receipts(self):
        """Give (data, satellite, state) of all that either relay knows."""
        return [
            (data, name, state)
            for author in ("a1", "b1")
            for data, sent in self.places[author].sent
            for relay in ("A", "B")
            for name, state in self.receipt(relay, sent).items()
        ]

    def doubled(self):
        return [
            place.name for place in self.places.values() if len(place.data) != len(set(place.data))
        ]


@pytest.fixture
def world():
    return TwoNetworks()


def swapped(world, kept=4, sent_meanwhile=3):
    """Keep something back for 2 and 3 at both relays, swap, and send while both are down."""
    for relay, letter in (("A", "a"), ("B", "b")):
        for number in (2, 3):
            world.cut(relay, f"{letter}{number}")
    for name in ("a1", "b1"):
        world.say(name, kept)
    world.pass_time(5.0)
    world.kill("A")
    world.kill("B")
    for name in ("a1", "b1"):
        world.say(name, sent_meanwhile)
    world.swap()
    world.heal()
    world.start("A")
    world.start("B")
    world.pass_time(60.0)


def test_everybody_registers_where_he_looks(world):
    """Within backoff and lease, with no help; who is called stays with both, who collects not."""
    swapped(world)
    assert world.states("B") == {
        **dict.fromkeys(["a1", "a2", "b1", "b2"], "online"),
        "a3": "poll",
        "b3": "away",
    }
    assert world.states("A") == {
        **dict.fromkeys(["a1", "a2", "b1", "b2"], "online"),
        "b3": "poll",
        "a3": "away",
    }


def test_nothing_is_lost_and_nothing_doubled(world):
    """Everybody has what was accepted while he was registered where it was accepted."""
    swapped(world)
    world.say("a1", 5)
    world.say("b1", 5)
    world.pass_time(30.0)
    assert world.doubled() == []
    for author, other in (("a1", "a2"), ("b1", "b2")):
        sent = [data for data, _ in world.places[author].sent]
        had = [data for data in world.places[other].data if data.startswith(author)]
        # Those of the time when nobody was registered anywhere are for whoever was there first.
        assert [data for data in had if data not in sent[-8:-5]] == sent[:-8] + sent[-5:]
        assert had == [data for data in sent if data in had]


@pytest.mark.parametrize("name", ["a", "b"])
def test_no_number_of_one_journal_counts_in_the_other(world, name):
    """Who collects and is at 84 here gets 6 there, and the other way round; in order, once."""
    swapped(world)
    author, collector = f"{name}1", f"{name}3"
    had = len(world.places[collector].data)
    world.say(author, 30)
    world.pass_time(30.0)
    came = [data for data in world.places[collector].data[had:] if data.startswith(author)]
    assert came == [data for data, _ in world.places[author].sent[-30:]]


def test_no_receipt_lies(world):
    """Delivered is who has it; who looks for it elsewhere now is said to be away."""
    swapped(world)
    world.say("a1", 5)
    world.say("b1", 5)
    world.pass_time(30.0)
    receipts = world.receipts()
    for data, name, state in receipts:
        # What was under way to somebody when his relay ended he may have, and nobody knows.
        assert state == "unreachable" or data in world.places[name].data, (data, name)
    assert {state for _, name, state in receipts if name[1] != "3"} == {"delivered"}
    assert {state for _, _, state in receipts} == {"delivered", "unreachable"}
    assert len(receipts) > 250


def test_swapped_back_the_rest_comes_too(world):
    """A relay keeps what nobody could collect, until he who was to have it finds it again."""
    swapped(world)
    assert "unreachable" in {state for _, _, state in world.receipts()}
    world.kill("A")
    world.kill("B")
    world.swap()
    world.start("A")
    world.start("B")
    world.pass_time(120.0)
    world.say("a1", 3)
    world.say("b1", 3)
    world.pass_time(10.0)
    assert world.doubled() == []
    for letter in "ab":
        sent = [data for data, _ in world.places[f"{letter}1"].sent]
        assert set(sent[:-6] + sent[-3:]) <= set(world.places[f"{letter}3"].data)
