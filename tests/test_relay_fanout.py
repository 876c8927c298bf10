"""co2.relay.fanout, .lines and .calling: who gets a message, and how each is reached."""

from __future__ import annotations

import pytest
from relay_room import SECRET, RelayRoom, a_caller
from twisted.internet.defer import Deferred, maybeDeferred

from co2.errors import (
    AmbiguousNick,
    Denied,
    InvalidParams,
    NotRegistered,
    PluginRaised,
    TimedOut,
    TransportFailed,
)
from co2.model.calls import Level
from co2.model.hosts import HostState
from co2.testing.samples import result_of
from co2.wire.xmlrpc import encode_fault, encode_reply

pytestmark = pytest.mark.usefixtures("logged_failures")


class Net:
    """A relay and three satellites; the last one is foreign."""

    def __init__(self, **options):
        self.room = RelayRoom(**options).start()
        pairs = [self.room.satellite(2), self.room.satellite(3, notify_token="n" * 16)]
        pairs.append(self.room.satellite(4, co2=False))
        self.sats = [satellite for satellite, _ in pairs]
        self.answers = [answer for _, answer in pairs]

    def send(self, data=1, who=0, **more):
        answer = result_of(self.room.relay(self.answers[who], data, **more))
        self.room.pass_time(0.5)
        return answer

    def presence(self, number):
        return self.room.presence(self.answers[number])

    def received(self):
        return [satellite.received for satellite in self.sats]


# -- fanout ----------------------------------------------------------------------------------------


def test_everybody_but_the_sender_gets_it():
    """The echo rule; the answer counts the others."""
    net = Net()
    assert net.send("hi")["recipients"] == 2
    assert net.received() == [[], ["hi"], ["hi"]]
    net.send("yo", who=2)
    assert net.received() == [["yo"], ["hi", "yo"], ["hi"]]


def test_the_sender_has_its_answer_before_anybody_has_the_message():
    """Couriers are woken in the reactor's next turn, all messages of this one together."""
    net = Net()
    for number in range(3):
        result_of(net.room.relay(net.answers[0], number))
    assert net.received() == [[], [], []]
    net.room.pass_time(0.5)
    assert net.received()[1] == [0, 1, 2]


def test_each_satellite_is_shown_its_own_token():
    """And nobody else's."""
    net = Net()
    net.send()
    tokens = [
        [call.params[0].get("token") for call in satellite.calls if call.method == "notify"]
        for satellite in net.sats
    ]
    assert tokens == [[], ["n" * 16], [None]]


def test_a_slow_one_delays_nobody():
    """Everybody else has all messages while it has the first."""
    net = Net()
    net.sats[1].answers["notify"] = Deferred()
    for number in range(10):
        net.send(number)
    assert net.received()[2] == list(range(10))
    assert net.room.journal.last_seq - net.presence(1).courier.cursor == 10


def test_a_foreign_host_is_asked_one_thing_at_a_time():
    """Pings wait behind messages on its one line."""
    net = Net()
    net.sats[2].answers["notify"] = waiting = Deferred()
    for number in range(3):
        net.send(number)
    assert net.sats[2].received == [0]
    del net.sats[2].answers["notify"]
    waiting.callback(encode_reply(True))
    net.room.pass_time(0.5)
    assert net.sats[2].received == [0, 1, 2]


def test_one_that_is_away_gets_everything_when_it_is_back():
    """Its cursor stays where it was."""
    net = Net()
    net.send("before")
    net.sats[1].leave()
    net.send("lost?")
    net.room.pass_time(100.0)
    assert net.presence(1).state is HostState.AWAY
    net.send("meanwhile")
    net.sats[1].listen()
    net.room.pass_time(30.0)
    assert net.sats[1].received == ["before", "lost?", "meanwhile"]


def test_one_that_registers_again_gets_what_it_has_not():
    """At its new address, from its cursor on; what may have reached it says so."""
    net = Net()
    net.send(1)
    net.sats[0].answers["notify"] = Deferred()
    net.send(2, who=2)
    moved, _ = net.room.satellite(5)
    net.room.register("10.0.0.5", random="sat2", secret=SECRET)
    net.room.pass_time(0.5)
    (call,) = [call for call in moved.calls if call.method == "notify"]
    assert (call.params[0]["data"], call.params[0]["redelivered"]) == (2, True)


def test_a_new_one_gets_nothing_old():
    """It begins with what comes after its registration."""
    net = Net()
    net.send("old")
    late, _ = net.room.satellite(6)
    net.send("new")
    assert late.received == ["new"]


def test_nil_goes_to_those_who_read_it():
    """The others are skipped, and it is counted and logged; their lease is not renewed by it."""
    net = Net()
    lease = net.presence(2).lease_until
    net.send([None])
    assert net.received() == [[], [[None]], []]
    assert net.presence(2).refused == 1
    assert net.presence(2).lease_until == lease
    net.send("more")
    assert net.sats[2].received == ["more"]


def test_a_final_refusal_is_counted_and_the_next_goes_on():
    """A fault that names no time is what became of the message."""
    net = Net()
    net.sats[1].answers["notify"] = encode_fault(PluginRaised("no").as_fault())
    net.send(1)
    assert net.presence(1).refused == 1
    del net.sats[1].answers["notify"]
    net.send(2)
    assert net.sats[1].received == [1, 2]


def test_what_was_forgotten_before_it_had_it_is_told():
    """A relay's journal has an end; who lags too far is told how much it missed."""
    net = Net(most=5)
    net.sats[1].leave()
    net.room.pass_time(80.0)
    for number in range(20):
        net.send(number, who=2)
    net.sats[1].listen()
    net.room.pass_time(30.0)
    assert net.sats[1].received == [15, 16, 17, 18, 19]
    assert net.presence(1).missed == 15


def test_an_acknowledged_message_renews_the_lease():
    """No ping is needed of one that answers."""
    net = Net(ping_interval=1000.0)
    for number in range(8):
        net.room.pass_time(20.0)
        net.send(number, who=2)
    assert net.presence(1).state is HostState.ONLINE


def test_closed_it_leaves_no_timer():
    """Also if a message is taken afterwards."""
    net = Net()
    net.room.stop()
    result_of(net.room.relay(net.answers[0]))
    net.room.pass_time(10.0)
    assert net.room.clock.getDelayedCalls() == []


# -- relay.call ------------------------------------------------------------------------------------


def call(net, request, level=Level.CALL):
    request = {"method": "m", **request}
    caller = a_caller("10.0.0.99", level)
    deferred = maybeDeferred(net.room.procedures.call, caller, request)
    net.room.pass_time(0.1)
    return deferred


def test_a_co2_satellite_learns_who_called_and_at_which_level():
    """The relay lends nobody its own rights."""
    net = Net()
    net.sats[1].answers["co2.relayed"] = encode_reply(42)
    assert result_of(call(net, {"host_id": net.answers[1]["host_id"], "params": [1]})) == 42
    (relayed,) = [one.params[0] for one in net.sats[1].calls if one.method == "co2.relayed"]
    assert relayed["caller"] == {"who": "call", "ip": "10.0.0.99", "level": "call"}
    assert (relayed["method"], relayed["params"], relayed["token"]) == ("m", [1], "n" * 16)


def test_a_foreign_one_is_called_plainly_and_only_for_those_with_call():
    """It cannot tell the relay from the relay's callers."""
    net = Net()
    net.sats[2].answers["m"] = encode_reply("there")
    target = {"host_id": net.answers[2]["host_id"]}
    assert result_of(call(net, target)) == "there"
    with pytest.raises(Denied, match="needs call"):
        result_of(call(net, target, Level.READ))


def test_its_fault_comes_back_as_it_is():
    """The same class, whichever side it was raised on."""
    net = Net()
    net.sats[1].answers["co2.relayed"] = encode_fault(PluginRaised("by hand").as_fault())
    with pytest.raises(PluginRaised, match="by hand"):
        result_of(call(net, {"host_id": net.answers[1]["host_id"]}))


def test_what_is_no_answer_is_a_transport_failure():
    """Not a parse error of the caller's own document."""
    net = Net()
    net.sats[1].answers["co2.relayed"] = b"<html>"
    with pytest.raises(TransportFailed, match="does not answer XML-RPC"):
        result_of(call(net, {"host_id": net.answers[1]["host_id"]}))


def test_a_slow_method_holds_up_nothing_and_ends_at_its_time():
    """Messages, pings and other calls go on beside it."""
    net = Net()
    target = {"host_id": net.answers[1]["host_id"], "timeout": 3}
    net.sats[1].answers["co2.relayed"] = Deferred()
    slow = call(net, target)
    net.sats[1].answers["co2.relayed"] = encode_reply("quick")
    assert result_of(call(net, target)) == "quick"
    net.send("message")
    assert net.sats[1].received == ["message"]
    net.room.pass_time(3.0)
    with pytest.raises(TimedOut):
        result_of(slow)


def test_lines_are_kept_for_the_next_call_and_closed_when_the_host_goes():
    """Few stay open, and none is left of a host that is gone, one in use included."""
    net = Net()
    target = {"host_id": net.answers[1]["host_id"]}
    waiting = [Deferred() for _ in range(4)]
    calls = []
    for deferred in waiting:
        net.sats[1].answers["co2.relayed"] = deferred
        calls.append(call(net, target))
    presence = net.presence(1)
    for deferred in waiting[:3]:
        deferred.callback(encode_reply(1))
    net.room.pass_time(0.1)
    assert len(presence.idle_lines) == 2
    net.room.roster.remove(presence)
    waiting[3].callback(encode_reply(1))
    net.room.pass_time(0.1)
    assert presence.idle_lines == []
    calls[3].addErrback(lambda _: None)
    lines = [line for line in net.room.opened if line.address == net.sats[1].address]
    assert all(line._closed for line in lines)


def test_a_caller_that_leaves_frees_the_line():
    """Its call is cancelled at the satellite, and the line is good for the next."""
    net = Net()
    target = {"host_id": net.answers[1]["host_id"]}
    net.sats[1].answers["co2.relayed"] = Deferred()
    gone = call(net, target)
    gone.cancel()
    gone.addErrback(lambda _: None)
    net.sats[1].answers["co2.relayed"] = encode_reply("next")
    assert result_of(call(net, target)) == "next"


def test_targets_are_found_by_nick():
    """One that two bear is a fault, and so is one that nobody bears."""
    net = Net()
    net.room.register("10.0.0.7", nick="lamp", callback=False)
    found = call(net, {"nick": "lamp", "timeout": 5})
    net.room.pass_time(5.0)
    with pytest.raises(TimedOut, match=r"10\.0\.0\.7"):
        result_of(found)
    net.room.register("10.0.0.8", nick="lamp", callback=False)
    with pytest.raises(AmbiguousNick):
        result_of(call(net, {"nick": "lamp"}))
    with pytest.raises(NotRegistered):
        result_of(call(net, {"nick": "nobody"}))


@pytest.mark.parametrize(
    "request_",
    [{}, {"method": ""}, {"method": 5}, {"params": {}}, {"timeout": 0}, {"timeout": True}],
)
def test_what_is_no_call_is_refused(request_):
    """The fault names the member."""
    net = Net()
    target = {"host_id": net.answers[1]["host_id"]} if request_ else {}
    with pytest.raises(InvalidParams):
        result_of(call(net, {**target, **request_}))


# -- what the roster tells -------------------------------------------------------------------------


def test_records_tell_the_relays_view():
    """The keys of PROTOCOL section 4."""
    net = Net()
    net.sats[1].answers["notify"] = Deferred()
    net.send()
    assert net.room.procedures.get_num_satellites() == 3
    records = {one["host_id"]: one for one in net.room.procedures.get_satellites()}
    record = records[net.answers[1]["host_id"]]
    assert record["addr"] == ["10.0.0.3", 2004]
    assert (record["state"], record["queued"], record["delivered_seq"]) == ("online", 1, 0)
    assert record["ping_current"] > 0
    assert records[net.answers[2]["host_id"]]["queued"] == 0
