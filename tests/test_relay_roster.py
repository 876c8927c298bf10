"""co2.relay.roster: leases, moves and displaced hosts."""

from __future__ import annotations

import pytest
from relay_room import RelayRoom, a_caller, random_of
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from co2.errors import AmbiguousNick, JournalFailed, NotRegistered
from co2.model.hosts import Address, HostState
from co2.relay.presence import Pings
from co2.relay.roster import Roster
from co2.testing.samples import a_registration, result_of
from co2.testing.state import MemoryState

ONLINE, AWAY, POLL, CHECKING, GONE = (
    HostState.ONLINE,
    HostState.AWAY,
    HostState.POLL,
    HostState.CHECKING,
    HostState.GONE,
)


class Book:
    """A roster with a lease of 60 s that forgets after 1000."""

    def __init__(self, store=None):
        self.store = store or MemoryState()
        self.told: list = []
        self.roster = Roster(
            self.store, 60.0, 1000.0, lambda one: self.told.append((one.random, one.state))
        )

    def enter(self, random="a", port=2005, now=0.0, **more):
        return self.roster.enter(a_registration(random, port, **more), now, 7)

    def stored(self):
        return {one.random: one.state for one in self.store.load()}


def test_a_new_one_has_a_lease_and_a_cursor():
    """It begins where the caller says, and is told and stored at once."""
    book = Book()
    presence = book.enter(now=100.0)
    assert (presence.lease_until, presence.cursor) == (160.0, 7)
    assert book.told == [("a", ONLINE)]
    assert book.stored() == {"a": ONLINE}


def test_one_that_comes_again_keeps_its_cursor():
    """Another epoch is not another satellite."""
    book = Book()
    first = book.enter()
    first.cursor = 99
    again = book.enter(port=3000, epoch=2, now=50.0)
    assert again is first
    assert (again.cursor, again.lease_until) == (99, 110.0)
    assert book.roster.at(Address("127.0.0.1", 2005)) is None
    assert book.roster.at(Address("127.0.0.1", 3000)) is first
    assert len(book.roster) == 1


def test_a_registration_is_answered_when_it_is_written():
    """Not before; one that cannot be written is a fault, and the host tries again."""
    room = RelayRoom()
    written = []

    def keep(registration):
        written.append(Deferred())
        return written[-1]

    room.store.keep = keep
    caller = a_caller()
    first = room.procedures.register(caller, {"port": 2004, "callback": False})
    assert not first.called
    written[0].callback(None)
    answer = result_of(first)
    proof = {"random": random_of(answer), "token": answer["token"]}
    again = room.procedures.register(caller, {"port": 2004, "callback": False, **proof})
    written[1].errback(JournalFailed("the disk is full", retry_after=5.0))
    with pytest.raises(JournalFailed, match="disk"):
        result_of(again)
    room.roster.update(room.presence(answer), state=AWAY)
    written[2].errback(JournalFailed("the disk is full", retry_after=5.0))


def test_a_new_registration_that_could_not_be_written_is_none():
    """The host was told so and tries again; nothing is kept for it meanwhile."""
    room = RelayRoom()
    written = []

    def keep(registration):
        written.append(Deferred())
        return written[-1]

    room.store.keep = keep
    refused = room.procedures.register(a_caller(), {"port": 2004, "callback": False})
    assert len(room.roster) == 1
    written[0].errback(JournalFailed("the disk is full", retry_after=5.0))
    with pytest.raises(JournalFailed, match="disk"):
        result_of(refused)
    assert len(room.roster) == 0


def test_one_that_is_no_relay_any_more_counts_as_none():
    """It registered again without that role: messages need no hops for it."""
    book = Book()
    book.enter(relays_others=True)
    assert book.roster.has_relays
    book.enter(relays_others=False, epoch=2)
    assert not book.roster.has_relays


@pytest.mark.parametrize("state", [ONLINE, POLL])
def test_a_lease_that_runs_out_makes_it_away(state):
    """Not at the end of the lease, but right after; hosts that poll too."""
    book = Book()
    presence = book.enter(state=state)
    book.roster.sweep(60.0)
    assert presence.state is state
    book.roster.sweep(60.5)
    assert presence.state is AWAY
    assert book.stored() == {"a": AWAY}


def test_one_that_is_heard_stays():
    """Every sign of life renews the lease."""
    book = Book()
    presence = book.enter()
    book.roster.hear(presence, 50.0)
    book.roster.sweep(100.0)
    assert presence.state is ONLINE


def test_one_that_was_away_is_checked_unless_it_was_reached():
    """That it called does not say that it can be called."""
    book = Book()
    presence = book.enter(state=AWAY)
    book.roster.hear(presence, 10.0)
    assert presence.state is CHECKING
    other = book.enter("b", 2006, state=AWAY)
    book.roster.hear(other, 10.0, reached=True)
    assert other.state is ONLINE


def test_one_that_leaves_is_away_at_once():
    """It said that it stops, and it is expected back."""
    book = Book()
    presence = book.enter()
    book.roster.leave(presence, 10.0)
    assert presence.state is AWAY
    book.roster.sweep(1000.0)
    assert book.roster.get("a") is presence


def test_one_that_is_away_for_long_is_forgotten():
    """forget_after counts from the end of its lease."""
    book = Book()
    presence = book.enter()
    book.roster.sweep(61.0)
    book.roster.sweep(1060.0)
    assert book.roster.get("a") is presence
    book.roster.sweep(1061.0)
    assert book.roster.get("a") is None
    assert presence.state is GONE
    assert book.stored() == {}


def test_what_happens_to_a_removed_one_does_not_bring_it_back():
    """A ping's late answer must not write a forgotten host into the store."""
    book = Book()
    presence = book.enter()
    book.roster.remove(presence)
    book.roster.remove(presence)
    book.roster.update(presence, state=POLL)
    book.roster.hear(presence, 1.0)
    assert book.stored() == {}
    assert presence.state is GONE


def test_a_foreign_host_at_the_same_address_is_replaced():
    """Two servers cannot listen on one address, and a host without a secret has only that."""
    book = Book()
    old = book.enter("old")
    new = book.enter("new")
    assert old.state is GONE
    assert book.roster.get("old") is None
    assert book.roster.at(Address("127.0.0.1", 2005)) is new


def test_a_co2_host_at_the_same_address_is_away_and_displaced():
    """It has an identity of its own, and will say where it is now."""
    book = Book()
    old = book.enter("old", proof=b"p")
    new = book.enter("new", proof=b"q")
    assert old.state is AWAY
    assert book.roster.is_displaced(old)
    assert not book.roster.is_displaced(new)


def test_a_displaced_host_that_moves_leaves_the_new_one_its_address():
    """The address belongs to who registered there last."""
    book = Book()
    old = book.enter("old", proof=b"p")
    new = book.enter("new", proof=b"q")
    book.enter("old", 3000, proof=b"p", epoch=2)
    assert book.roster.at(Address("127.0.0.1", 2005)) is new
    assert not book.roster.is_displaced(old)


def test_removing_a_displaced_host_leaves_the_new_one_its_address():
    """The same, when it is forgotten instead."""
    book = Book()
    old = book.enter("old", proof=b"p")
    new = book.enter("new", proof=b"q")
    book.roster.remove(old)
    assert book.roster.at(Address("127.0.0.1", 2005)) is new


def test_after_a_restart_everybody_has_one_lease_to_be_heard():
    """Registrations come from the store, states with them."""
    book = Book()
    book.enter("a")
    book.enter("b", 2006, state=AWAY)
    again = Book(book.store)
    again.roster.load(500.0, {}, 0)
    assert {one.random: one.state for one in again.roster} == {"a": ONLINE, "b": AWAY}
    assert all(one.lease_until == 560.0 for one in again.roster)
    assert sorted(again.told) == [("a", ONLINE), ("b", AWAY)]


@pytest.mark.parametrize(("one", "other"), [(1.0, 2.0), (2.0, 1.0)])
def test_after_a_restart_an_address_is_its_last_registrants(one, other):
    """Whatever order the store gives them in, the displaced one stays displaced."""
    store = MemoryState()
    store.keep(a_registration("one", proof=b"p", seen=one, created=5.0))
    store.keep(a_registration("other", proof=b"q", seen=other, created=6.0))
    book = Book(store)
    book.roster.load(0.0, {}, 0)
    last = "one" if one > other else "other"
    assert book.roster.at(Address("127.0.0.1", 2005)).random == last


def test_the_last_registrant_is_the_last_one_by_any_clock():
    """The wall clock was a year ahead when the first one registered at the address."""
    book = Book()
    book.enter("early", proof=b"p", seen=5000.0 + 365 * 86400)
    book.enter("late", proof=b"q", seen=5000.0)
    again = Book(book.store)
    again.roster.load(0.0, {}, 0)
    assert again.roster.at(Address("127.0.0.1", 2005)).random == "late"
    again.enter("latest", proof=b"r", seen=6000.0)
    once_more = Book(book.store)
    once_more.roster.load(0.0, {}, 0)
    assert once_more.roster.at(Address("127.0.0.1", 2005)).random == "latest"


@pytest.mark.parametrize("jump", [365 * 86400.0, -365 * 86400.0])
def test_times_of_delivery_follow_a_clock_that_is_set(jump):
    """A receipt tells the time that the clock showed, before and after."""
    presence = Book().enter()
    presence.progress.note(1, 1e9)
    presence.progress.note(2, 1e9 + jump)
    presence.progress.note(3, 1e9 + jump + 10.0)
    found = [presence.delivered_at(seq) for seq in (1, 2, 3)]
    assert found == [1e9, 1e9 + jump, 1e9 + jump + 10.0]


class FullStore(MemoryState):
    """Writes nothing while `full`."""

    full = False

    def keep(self, registration):
        if self.full:
            raise JournalFailed("the disk is full", retry_after=5.0)
        super().keep(registration)

    def forget(self, random):
        if self.full:
            raise JournalFailed("the disk is full", retry_after=5.0)
        super().forget(random)


def test_leases_go_on_with_a_full_disk():
    """What the relay finds out by itself counts, written or not, and it says so once."""
    book = Book(FullStore())
    there, gone = book.enter("there"), book.enter("gone", 2006)
    book.store.full = True
    with capturedLogs() as logged:
        book.roster.hear(there, 1000.0)
        book.roster.sweep(1030.0)
        assert (there.state, gone.state) == (ONLINE, AWAY)
        book.roster.sweep(1065.0)
        assert [one.random for one in book.roster] == ["there"]
        assert there.state is AWAY
    assert [event["why"] for event in logged] == ["the disk is full"]
    assert book.stored() == {"there": ONLINE, "gone": ONLINE}
    book.store.full = False
    book.roster.hear(there, 1070.0, reached=True)
    book.roster.sweep(1140.0)
    assert book.stored()["there"] is AWAY


def test_a_registration_that_cannot_be_written_changes_nothing():
    """Neither who is there, nor where: the host is told to try again."""
    book = Book(FullStore())
    former = book.enter("former", proof=b"p")
    book.store.full = True
    with pytest.raises(JournalFailed):
        book.enter("new", proof=b"q")
    assert len(book.roster) == 1
    assert former.state is ONLINE
    assert book.roster.at(Address("127.0.0.1", 2005)) is former


def test_an_update_that_changes_nothing_writes_nothing():
    """The file is not written for every ping."""
    book = Book()
    presence = book.enter()
    writes = book.store.writes
    book.roster.update(presence, state=ONLINE)
    assert book.store.writes == writes
    assert len(book.told) == 1


def test_finding_by_random_part_and_by_nick():
    """What is not there, or there twice, is an error that helps."""
    book = Book()
    presence = book.enter("a", nick="lamp")
    assert book.roster.find("a") is presence
    assert book.roster.find_nick("lamp") is presence
    with pytest.raises(NotRegistered, match="register"):
        book.roster.find("b")
    with pytest.raises(NotRegistered, match="nobody"):
        book.roster.find_nick("nobody")
    book.enter("b", 2006, nick="lamp")
    with pytest.raises(AmbiguousNick, match=r"a@127.0.0.1:2005, b@127.0.0.1:2006"):
        book.roster.find_nick("lamp")


def test_pings_are_counted_in_milliseconds():
    """-1 before the first answer; failures do not spoil the average."""
    pings = Pings()
    assert pings.as_struct()["ping_avg"] == -1.0
    pings.failed()
    for milliseconds in (4.0, 2.0, 6.0):
        pings.answered(milliseconds)
    assert pings.as_struct() == {
        "ping_current": 6.0,
        "ping_count": 4,
        "ping_min": 2.0,
        "ping_max": 6.0,
        "ping_avg": 4.0,
        "ping_fails": 1,
    }
