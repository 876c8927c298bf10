"""co2.testing.servers: whole networks in memory, and what holds in them whatever goes wrong.

A relay and three satellites with the real rooms inside. Connections break before and after a
request was handled, ways are cut, hosts are killed and come back. In the end everybody has every
message of every other host once, in its author's order; nobody has one of his own.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from co2.errors import Denied, ShuttingDown
from co2.model.calls import Level
from co2.model.hosts import Address
from co2.model.settings import PeerSetting
from co2.testing.fates import Fate, Loss, ScriptedFates
from co2.testing.network import MemoryNetwork
from co2.testing.plugins import RecordingPlugin
from co2.testing.samples import result_of
from co2.testing.servers import ADMIN_TOKEN, MemoryServer

pytestmark = pytest.mark.usefixtures("logged_failures")

RELAY = Address("10.0.0.1", 2004)


def place(number: int) -> Address:
    return Address(f"10.0.0.{number}", 2004)


class World:
    """A relay, and satellites with a recording plugin each."""

    def __init__(self, count: int = 3, **options):
        self.network = MemoryNetwork()
        self.relay = MemoryServer(self.network, RELAY, role="relay", **options)
        self.relay.start()
        self.satellites: list[MemoryServer] = []
        self.plugins: list[RecordingPlugin] = []
        for number in range(2, 2 + count):
            self.add(place(number))
        self.pass_time(1.0)

    def add(self, address, state=None, **options):
        satellite = MemoryServer(self.network, address, state, **{"relay": RELAY, **options})
        self.plugins.append(satellite.add_plugin(RecordingPlugin))
        self.satellites.append(satellite)
        satellite.start()
        return satellite

    def pass_time(self, seconds):
        self.network.clock.pass_time(seconds)

    def data(self):
        return [plugin.data for plugin in self.plugins]

    def call(self, server, method, *params, level=Level.CALL):
        answer = server.call(method, *params, level=level)
        self.pass_time(1.0)
        return result_of(answer)


def test_what_one_sends_all_others_get():
    """With host_id and client_address as the seed has them; the sender does not."""
    world = World()
    sent = world.plugins[0].send({"data": {"a": (1, 2)}})
    world.pass_time(1.0)
    assert world.data() == [[], [{"a": [1, 2]}], [{"a": [1, 2]}]]
    struct = world.plugins[1].received[0]
    random = world.satellites[0].base.identity.random
    assert struct["host_id"] == f"{random}@10.0.0.2:2004"
    assert struct["client_address"][0] == "10.0.0.1"
    assert sent.wait(0)["recipients"] == 2


def test_a_message_may_go_to_the_own_plugins_too():
    """local=True."""
    world = World()
    world.plugins[0].send({"data": 1}, local=True)
    world.pass_time(1.0)
    assert world.data() == [[1], [1], [1]]


def test_a_relay_that_is_killed_and_comes_back_needs_no_help():
    """Satellites are back within their backoff, once each, and messages sent meanwhile arrive."""
    world = World()
    world.relay.kill()
    world.plugins[0].send({"data": "meanwhile"})
    world.pass_time(30.0)
    world.relay = MemoryServer(world.network, RELAY, world.relay.state, role="relay")
    world.relay.start()
    world.pass_time(30.0)
    assert world.data() == [[], ["meanwhile"], ["meanwhile"]]
    records = world.call(world.relay, "relay.get_satellites")
    assert sorted(one["state"] for one in records) == ["online"] * 3


def test_a_relay_that_lost_its_state_gets_everybody_back():
    """They are told that they are not registered, and do it again."""
    world = World()
    world.relay.kill()
    world.relay = MemoryServer(world.network, RELAY, role="relay")
    world.relay.start()
    world.pass_time(60.0)
    assert world.call(world.relay, "relay.get_num_satellites") == 3
    world.plugins[2].send({"data": "hello again"})
    world.pass_time(5.0)
    assert world.data()[:2] == [["hello again"], ["hello again"]]


def test_a_satellite_that_moves_is_still_itself():
    """Identity is kept; its messages follow it, and the old address is forgotten."""
    world = World()
    old = world.satellites[1]
    old.kill()
    world.plugins[0].send({"data": "where are you"})
    world.pass_time(5.0)
    world.add(place(9), old.state)
    world.pass_time(5.0)
    assert world.plugins[-1].data == ["where are you"]
    assert world.call(world.relay, "relay.get_num_satellites") == 3


def test_one_connection_lost_while_it_is_checked_does_not_cut_a_host_off():
    """The relay takes it for unreachable, and hears within a lease that it should try again."""
    world = World()
    world.network.fates.add(Fate(), Fate(loss=Loss.ANSWER))
    world.satellites[2].satellite.enrolment.register_again()
    world.pass_time(0.5)
    assert "poll" in [one["state"] for one in world.call(world.relay, "relay.get_satellites")]
    world.plugins[0].send({"data": 1})
    world.pass_time(60.0)
    assert world.plugins[2].data == [1]


def test_peers_need_no_relay():
    """Listed peers send straight to one another, by the secret that both know."""
    network, secret = MemoryNetwork(), "p" * 24
    here, there = place(2), place(3)
    servers = [
        MemoryServer(network, one, relay=None, peers=(PeerSetting(other, secret),))
        for one, other in ((here, there), (there, here))
    ]
    plugins = [server.add_plugin(RecordingPlugin) for server in servers]
    for server in servers:
        server.start()
    plugins[0].send({"data": "straight"})
    plugins[1].send({"data": "back"})
    network.clock.pass_time(2.0)
    assert [plugin.data for plugin in plugins] == [["back"], ["straight"]]


def test_an_embedded_relay_is_a_network_of_its_own():
    """One process is enough; others may join it."""
    network = MemoryNetwork()
    here = MemoryServer(network, place(2))
    other = MemoryServer(network, place(3), relay=place(2))
    plugins = [server.add_plugin(RecordingPlugin) for server in (here, other)]
    here.start()
    other.start()
    network.clock.pass_time(2.0)
    plugins[0].send({"data": 1})
    plugins[1].send({"data": 2})
    network.clock.pass_time(2.0)
    assert [plugin.data for plugin in plugins] == [[2], [1]]


def test_a_call_through_the_relay_has_its_callers_rights():
    """An admin of the relay is none at the satellite, and nobody gains anything by the way."""
    world = World()
    world.satellites[1].add_plugin(AdminOnly, module="admin")
    target = {"host_id": world.satellites[1].base.host_id(), "method": "bench.admin.burn"}
    for level in (Level.READ, Level.CALL, Level.ADMIN):
        with pytest.raises(Denied):
            world.call(world.relay, "relay.call", target, level=level)
    allowed = {**target, "method": "bench.admin.touch"}
    assert world.call(world.relay, "relay.call", allowed) == "touched"
    with pytest.raises(Denied):
        world.call(world.relay, "relay.call", allowed, level=Level.READ)


class AdminOnly(RecordingPlugin):
    """Has a method for admins, and one for anybody who may call."""

    def x_burn(self):
        return "burnt"

    x_burn.__co2_level__ = Level.ADMIN

    def x_touch(self):
        return "touched"


def test_stopping_says_goodbye_and_calls_exit():
    """The relay knows at once; nothing of the host is left on the clock."""
    world = World(count=2)
    stopping = world.satellites[0].stop()
    world.pass_time(5.0)
    assert stopping.called
    assert world.plugins[0].exits == 1
    states = [one["state"] for one in world.call(world.relay, "relay.get_satellites")]
    assert sorted(states) == ["away", "online"]
    assert world.satellites[0].host.reactor.getDelayedCalls() == []
    with pytest.raises(ShuttingDown):
        world.plugins[0].send({"data": 1}).wait(0)


def test_the_admin_token_is_one_hosts_own():
    """It is what the embedded relay's satellite shows, and no other."""
    server = MemoryServer(MemoryNetwork(), place(2))
    assert server.base.surroundings.admin_token == ADMIN_TOKEN


fates = st.builds(
    Fate,
    there=st.sampled_from([0.001, 0.05, 0.4]),
    back=st.sampled_from([0.001, 0.3]),
    loss=st.sampled_from([Loss.NOTHING, Loss.REQUEST, Loss.ANSWER]),
)


class WorldMachine(RuleBasedStateMachine):
    """See the module."""

    def __init__(self):
        super().__init__()
        self.world = World()
        self.sent: list[list[str]] = [[], [], []]

    @rule(who=st.integers(0, 2), count=st.integers(1, 6))
    def send(self, who, count):
        for _ in range(count):
            data = f"{who}.{len(self.sent[who])}"
            self.sent[who].append(data)
            self.world.plugins[who].send({"data": data})

    @rule(more=st.lists(fates, max_size=6))
    def script(self, more):
        assert isinstance(self.world.network.fates, ScriptedFates)
        self.world.network.fates.add(*more)

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.2, 2.0, 20.0, 90.0]))
    def pass_time(self, seconds):
        self.world.pass_time(seconds)

    @rule(who=st.integers(0, 2), both=st.booleans(), outwards=st.booleans())
    def cut(self, who, both, outwards):
        ends = (RELAY, place(2 + who)) if outwards else (place(2 + who), RELAY)
        self.world.network.cut(*ends, both=both)

    @rule(who=st.integers(0, 2))
    def heal(self, who):
        self.world.network.heal(RELAY, place(2 + who))

    @rule(who=st.integers(0, 2))
    def break_connections(self, who):
        self.world.network.break_connections(RELAY, place(2 + who))

    @invariant()
    def nobody_has_one_twice_or_out_of_order_or_his_own(self):
        for who, received in enumerate(self.world.data()):
            for author in range(3):
                of_author = [data for data in received if data.startswith(f"{author}.")]
                expected = [] if author == who else self.sent[author]
                assert of_author == expected[: len(of_author)]

    def teardown(self):
        network = self.world.network
        network.fates = ScriptedFates()
        network.heal()
        self.world.pass_time(300.0)
        for who, received in enumerate(self.world.data()):
            everybody_else = [data for i, sent in enumerate(self.sent) if i != who for data in sent]
            assert sorted(received) == sorted(everybody_else)
        assert all(len(one.satellite.outbox) == 0 for one in self.world.satellites)
        for server in (*self.world.satellites, self.world.relay):
            server.stop()
        self.world.pass_time(60.0)
        assert network.clock.getDelayedCalls() == []


TestWorld = WorldMachine.TestCase
TestWorld.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
