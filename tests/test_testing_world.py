"""Whole relays and satellites, and a network and processes that fail as Hypothesis chooses.

Two relays and four satellites, one of which nobody can connect to; or three satellites that are
each other's peers, without a relay. Whatever is cut, lost, killed and started again: afterwards
every satellite has received every message of every other one, in its author's order, and what came
twice says `redelivered`.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from co2.model.hosts import Address
from co2.model.settings import PeerSetting
from co2.testing.fates import Fate, Loss, ScriptedFates
from co2.testing.world import PORT, World

SECRET = "p" * 22

fates = st.builds(
    Fate,
    there=st.sampled_from([0.001, 0.01, 0.3, 2.0]),
    back=st.sampled_from([0.001, 0.2, 6.0]),
    loss=st.sampled_from([Loss.NOTHING, Loss.REQUEST, Loss.ANSWER]),
)


def machine(satellites, relays, links, found):
    """Make a machine of a world that `found` fills with these servers."""
    names = (*relays, *satellites)

    class WorldMachine(RuleBasedStateMachine):
        """See the module."""

        def __init__(self):
            super().__init__()
            self.world = World()
            found(self.world)
            self.world.pass_time(5.0)
            self.count = 0

        @rule(name=st.sampled_from(satellites), count=st.sampled_from([1, 1, 3, 100]))
        def send(self, name, count):
            if self.world.places[name].server is not None:
                for _ in range(count):
                    self.count += 1
                    self.world.send(name, self.count)

        @rule(seconds=st.sampled_from([0.0, 0.0015, 0.003, 0.01, 0.5, 3.0, 20.0]))
        def pass_time(self, seconds):
            self.world.pass_time(seconds)

        @rule(more=st.lists(fates, min_size=1, max_size=5))
        def script(self, more):
            assert isinstance(self.world.network.fates, ScriptedFates)
            self.world.network.fates.add(*more)

        @rule(link=st.sampled_from(links), back=st.booleans(), both=st.booleans())
        def cut(self, link, back, both):
            self.world.cut(*(reversed(link) if back else link), both=both)

        @rule()
        def heal(self):
            self.world.heal()

        @rule(name=st.sampled_from(names))
        def kill(self, name):
            self.world.kill(name)

        @rule(name=st.sampled_from(names))
        def start(self, name):
            self.world.start(name)

        @rule(name=st.sampled_from(names))
        def restart(self, name):
            self.world.kill(name)
            self.world.start(name)

        @rule(name=st.sampled_from(satellites), seconds=st.sampled_from([0.0, 0.002, 1.0]))
        def slow_down(self, name, seconds):
            self.world.places[name].slow = seconds

        @invariant()
        def nothing_is_out_of_order_or_repeated_unmarked(self):
            assert self.world.complaints(list(satellites), list(satellites), so_far=True) == []

        def teardown(self):
            self.world.network.fates = ScriptedFates()
            self.world.heal()
            for name in names:
                self.world.places[name].slow = 0.0
                self.world.start(name)
            self.world.pass_time(90.0)
            assert self.world.complaints(list(satellites), list(satellites)) == []
            for name in reversed(names):
                self.world.stop(name)
            self.world.pass_time(100.0)
            assert self.world.network.clock.getDelayedCalls() == []

    case = WorldMachine.TestCase
    case.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
    return case


def found_relays(world):
    """Two relays, of which one has joined the other, and two satellites of each."""
    world.relay("r1", lease=8.0, ping_interval=3.0)
    world.relay("r2", "r1", lease=8.0, ping_interval=3.0)
    for name, relay in (("a", "r1"), ("b", "r2"), ("c", "r2"), ("d", "r1")):
        world.satellite(name, relay, deaf=name == "d")


def found_peers(world):
    """Three satellites that know each other."""
    places = [Address(f"10.0.0.{number}", PORT) for number in (1, 2, 3)]
    for name, place in zip("abc", places, strict=True):
        others = tuple(PeerSetting(one, SECRET) for one in places if one != place)
        world.satellite(name, None, peers=others)


TestRelays = machine(
    ("a", "b", "c", "d"),
    ("r1", "r2"),
    (("r1", "r2"), ("r1", "a"), ("r1", "d"), ("r2", "b"), ("r2", "c")),
    found_relays,
)
TestPeers = machine(("a", "b", "c"), (), (("a", "b"), ("a", "c"), ("b", "c")), found_peers)
