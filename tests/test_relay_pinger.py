"""co2.relay.pinger: asking satellites whether they are there, one ping at a time."""

from __future__ import annotations

import pytest
from relay_room import SECRET, RelayRoom, Satellite, a_caller
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from co2.errors import InternalError, TransportFailed
from co2.interfaces import IClockedWork
from co2.model.hosts import Address, HostState
from co2.testing.samples import result_of
from co2.wire.xmlrpc import encode_fault, encode_reply

pytestmark = pytest.mark.usefixtures("logged_failures")

ONLINE, AWAY, POLL, CHECKING = (
    HostState.ONLINE,
    HostState.AWAY,
    HostState.POLL,
    HostState.CHECKING,
)


def a_room(**options):
    return RelayRoom(**options).start()


def test_it_provides_the_interface():
    """It is work by the clock."""
    verifyObject(IClockedWork, RelayRoom().pinger)


def test_a_co2_host_that_answers_is_online():
    """Its capabilities are asked for once, and remembered over a restart."""
    room = a_room()
    satellite, answer = room.satellite(2)
    presence = room.presence(answer)
    assert presence.state is ONLINE
    assert (presence.registration.co2, presence.registration.nil) == (True, True)
    assert presence.pings.count == 1
    assert satellite.count("ping") == 1
    assert room.store.load()[0].co2


def test_the_answer_to_register_goes_first():
    """A host with one thread cannot be asked while it waits for the answer to its call."""
    room = a_room()
    satellite = Satellite(room.network, Address("10.0.0.2", 2004))
    assert room.register()["state"] == "checking"
    assert satellite.calls == []
    assert room.opened == []


@pytest.mark.parametrize(
    "answer",
    [
        encode_reply(True),
        encode_fault(InternalError("x").as_fault()),
        encode_fault(TransportFailed("x").as_fault()),
        encode_reply({"host_id": 5}),
    ],
)
def test_any_answer_is_one(answer):
    """A fault too, whatever its code: somebody is there and speaks XML-RPC."""
    room = a_room()
    satellite = Satellite(room.network, Address("10.0.0.2", 2004), co2=False)
    satellite.answers["ping"] = answer
    presence = room.presence(room.register())
    room.pass_time(0.1)
    assert presence.state is ONLINE
    assert not presence.registration.co2


def test_an_answer_of_another_host_is_none():
    """Behind a NAT the port may lead to somebody else, who says so: this one must collect."""
    room = a_room()
    satellite = Satellite(room.network, Address("10.0.0.2", 2004))
    satellite.answers["ping"] = encode_reply({"host_id": "another@10.0.0.2:2004"})
    presence = room.presence(room.register(secret=SECRET, random="me"))
    room.pass_time(0.1)
    assert presence.state is POLL


@pytest.mark.parametrize("answer", [b"<html>hello</html>", Deferred()])
def test_none_that_is_well_formed_makes_it_poll(answer):
    """A page, or silence: nobody can call this host."""
    room = a_room()
    satellite = Satellite(room.network, Address("10.0.0.2", 2004))
    satellite.answers["ping"] = answer
    presence = room.presence(room.register())
    room.pass_time(6.0)
    assert presence.state is POLL
    assert room.lines.shared(presence) is not None
    room.pinger.stop()


def test_nobody_there_makes_it_poll():
    """Only the registering address is tried."""
    room = a_room()
    other = Satellite(room.network, Address("10.0.0.3", 2004))
    presence = room.presence(room.register())
    room.pass_time(1.0)
    assert presence.state is POLL
    assert other.calls == []


def test_every_satellite_is_pinged_once_in_an_interval():
    """Not all at the same moment."""
    room = a_room()
    satellites = [room.satellite(number)[0] for number in (2, 3, 4)]
    room.pass_time(15.0)
    before = [satellite.count("ping") for satellite in satellites]
    room.pass_time(150.0)
    after = [satellite.count("ping") for satellite in satellites]
    assert all(9 <= b - a <= 11 for a, b in zip(before, after, strict=True))


def test_there_are_never_two_pings_at_once():
    """One that does not answer is not asked again until its time is up."""
    room = a_room(ping_interval=1.0)
    satellite, _ = room.satellite(2)
    before = satellite.count("ping")
    satellite.answers["ping"] = Deferred()
    room.pass_time(4.0)
    assert satellite.count("ping") == before + 1


def test_one_that_does_not_answer_is_away_after_its_lease():
    """Failures are counted; the answer of a later ping brings it back."""
    room = a_room()
    satellite, answer = room.satellite(2)
    presence = room.presence(answer)
    satellite.leave()
    room.pass_time(80.0)
    assert presence.state is AWAY
    assert presence.pings.fails >= 3
    satellite.listen()
    room.pass_time(16.0)
    assert presence.state is ONLINE


def test_a_late_answer_of_an_older_epoch_is_ignored():
    """What was asked before the host registered again says nothing about where it is now."""
    room = a_room()
    old = Satellite(room.network, Address("10.0.0.2", 2004))
    old.answers["ping"] = Deferred()
    answer = room.register(random="me", secret=SECRET)
    room.pass_time(0.1)
    room.register("10.0.0.9", random="me", secret=SECRET)
    old.answers["ping"].callback(encode_reply(True))
    room.pass_time(1.0)
    presence = room.presence(answer)
    assert presence.state is POLL
    assert presence.pings.count == 0


def test_one_that_registers_often_is_checked_once_at_a_time():
    """The newest registration counts."""
    room = a_room()
    satellite = Satellite(room.network, Address("10.0.0.2", 2004))
    for _ in range(5):
        answer = room.register(random="me", secret=SECRET)
    room.pass_time(0.5)
    assert satellite.count("ping") == 1
    assert room.presence(answer).state is ONLINE


def test_one_that_was_removed_meanwhile_is_not_written_back():
    """A check that ends late must not bring it back into the store."""
    room = a_room()
    presence = room.presence(room.register(random="me", secret=SECRET))
    room.roster.remove(presence)
    room.pass_time(10.0)
    assert room.store.load() == []
    assert presence.state is HostState.GONE


def test_one_that_was_being_checked_when_the_relay_died_is_checked_again():
    """Its state is in the store, and it will not register again by itself."""
    room = a_room()
    satellite = Satellite(room.network, Address("10.0.0.2", 2004))
    satellite.answers["ping"] = Deferred()
    answer = room.register(random="me", secret=SECRET)
    room.pass_time(0.1)
    satellite.answers.clear()
    again = room.restart()
    again.pass_time(1.0)
    assert again.presence(answer).state is ONLINE


def test_a_displaced_host_is_not_taken_for_the_one_at_its_address():
    """The one that answers there now is another, and must not keep this one's lease alive."""
    room = a_room()
    _, first = room.satellite(2)
    room.register("10.0.0.2", random="new", secret="n" * 22)
    room.pass_time(70.0)
    assert room.presence(first).state is AWAY
    assert room.roster.get("new").state is ONLINE
    again = room.restart()
    again.pass_time(70.0)
    assert again.presence(first).state is AWAY


def test_one_that_comes_back_by_itself_is_checked():
    """It renews its lease, and is pushed to when its callback has been tried."""
    room = a_room()
    satellite, answer = room.satellite(2)
    satellite.leave()
    room.pass_time(80.0)
    satellite.listen()
    proof = {"host_id": answer["host_id"], "token": answer["token"]}
    assert room.procedures.renew(a_caller(), proof)["state"] == "checking"
    room.pass_time(0.1)
    assert room.presence(answer).state is ONLINE


def test_who_says_goodbye_while_a_ping_is_under_way_is_away():
    """The answer is older than the goodbye; an answer to a ping after it brings the host back."""
    room = a_room()
    satellite, answer = room.satellite(2)
    satellite.answers["ping"] = asked = Deferred()
    room.pass_time(16.0)
    assert not asked.called
    proof = {"host_id": answer["host_id"], "token": answer["token"]}
    room.procedures.renew(a_caller(), {**proof, "leaving": True})
    asked.callback(encode_reply({"host_id": "sat2@10.0.0.2:2004"}))
    room.pass_time(0.1)
    assert room.presence(answer).state is AWAY
    del satellite.answers["ping"]
    room.pass_time(16.0)
    assert room.presence(answer).state is ONLINE


def test_a_store_that_fails_is_logged_and_tried_again(logged_failures):
    """A check that broke off does not leave the satellite in between for good."""
    room = a_room()
    Satellite(room.network, Address("10.0.0.2", 2004))
    answer = room.register(random="me", secret=SECRET)
    keep, room.store.keep = room.store.keep, lambda registration: 1 / 0
    room.pass_time(0.4)
    assert room.presence(answer).state is not CHECKING or logged_failures.events
    room.store.keep = keep
    logged_failures.take(ZeroDivisionError)
    room.pass_time(2.0)
    assert room.presence(answer).state is ONLINE


def test_stopped_it_leaves_nothing():
    """No timer, no request, and nothing is begun any more."""
    room = a_room()
    satellite, _ = room.satellite(2)
    satellite.answers["ping"] = Deferred()
    room.pass_time(16.0)
    room.register("10.0.0.3")
    result_of(room.pinger.stop())
    room.register("10.0.0.4")
    room.stop()
    room.pass_time(10.0)
    assert room.clock.getDelayedCalls() == []
