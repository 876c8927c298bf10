"""Whole relays and satellites, and a network and processes that fail as Hypothesis chooses.

Two relays, four satellites, one of which nobody can connect to. Whatever is cut, lost, killed and
started again: afterwards every satellite has received every message of every other one, in its
author's order, and what came twice says `redelivered`.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from co2.testing.fates import Fate, Loss, ScriptedFates
from co2.testing.world import World

RELAYS = ("r1", "r2")
SATELLITES = ("a", "b", "c", "d")
NAMES = RELAYS + SATELLITES
LINKS = (("r1", "r2"), ("r1", "a"), ("r1", "d"), ("r2", "b"), ("r2", "c"))

fates = st.builds(
    Fate,
    there=st.sampled_from([0.001, 0.01, 0.3, 2.0]),
    back=st.sampled_from([0.001, 0.2, 6.0]),
    loss=st.sampled_from([Loss.NOTHING, Loss.REQUEST, Loss.ANSWER]),
)


class WorldMachine(RuleBasedStateMachine):
    """See the module."""

    def __init__(self):
        super().__init__()
        self.world = World()
        self.world.relay("r1", lease=8.0, ping_interval=3.0)
        self.world.relay("r2", "r1", lease=8.0, ping_interval=3.0)
        for name, relay in (("a", "r1"), ("b", "r2"), ("c", "r2"), ("d", "r1")):
            self.world.satellite(name, relay, deaf=name == "d")
        self.world.pass_time(5.0)
        self.count = 0

    @rule(name=st.sampled_from(SATELLITES), count=st.sampled_from([1, 1, 3, 100]))
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

    @rule(link=st.sampled_from(LINKS), back=st.booleans(), both=st.booleans())
    def cut(self, link, back, both):
        self.world.cut(*(reversed(link) if back else link), both=both)

    @rule()
    def heal(self):
        self.world.heal()

    @rule(name=st.sampled_from(NAMES))
    def kill(self, name):
        self.world.kill(name)

    @rule(name=st.sampled_from(NAMES))
    def start(self, name):
        self.world.start(name)

    @rule(name=st.sampled_from(NAMES))
    def restart(self, name):
        self.world.kill(name)
        self.world.start(name)

    @rule(name=st.sampled_from(SATELLITES), seconds=st.sampled_from([0.0, 0.002, 1.0]))
    def slow_down(self, name, seconds):
        self.world.places[name].slow = seconds

    @invariant()
    def nothing_is_out_of_order_or_repeated_unmarked(self):
        assert self.world.complaints(list(SATELLITES), list(SATELLITES), so_far=True) == []

    def teardown(self):
        self.world.network.fates = ScriptedFates()
        self.world.heal()
        for name in NAMES:
            self.world.places[name].slow = 0.0
            self.world.start(name)
        self.world.pass_time(90.0)
        assert self.world.complaints(list(SATELLITES), list(SATELLITES)) == []
        for name in reversed(NAMES):
            self.world.stop(name)
        self.world.pass_time(100.0)
        assert self.world.network.clock.getDelayedCalls() == []


TestWorldMachine = WorldMachine.TestCase
TestWorldMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
