"""co2.delivery.courier: one peer, in order, at its own pace; and everything that can go wrong."""

from __future__ import annotations

from itertools import pairwise

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface.verify import verifyObject

from co2.delivery.backoff import Backoff
from co2.delivery.courier import Courier, CourierState
from co2.delivery.journal import MemoryJournal
from co2.errors import (
    Co2Error,
    Fault,
    PluginRaised,
    QueueFull,
    RateLimited,
    TooManyValues,
    TransportFailed,
    UnsupportedValue,
)
from co2.interfaces import ICourier
from co2.model.hosts import Address
from co2.testing.clock import ClockReactor
from co2.testing.samples import a_message, result_of
from co2.wire.xmlrpc import decode_call, encode_fault, encode_members, encode_reply

pytestmark = pytest.mark.usefixtures("logged_failures")

ADDRESS = Address("10.0.0.2", 2004)
OK = encode_reply({"plugins": {}})


class HandPeer:
    """A peer whose answers a test gives by hand; it does not even keep order by itself."""

    address = ADDRESS

    def __init__(self):
        self.structs: list[dict] = []
        self.answers: list[Deferred[bytes]] = []
        self.cancelled: list[int] = []
        self.at_once: list[object] = []
        self.closed = 0

    def post(self, parts, timeout):
        call = decode_call(b"".join(parts))
        self.structs.append(call.params[0])
        number = len(self.answers)
        deferred = Deferred(lambda _: self.cancelled.append(number))
        self.answers.append(deferred)
        if self.at_once:
            what = self.at_once.pop(0)
            if callable(what):
                what()
            else:
                deferred.callback(what) if isinstance(what, bytes) else deferred.errback(what)
        return deferred

    def close(self):
        self.closed += 1
        return succeed(None)

    @property
    def numbers(self):
        return [struct["data"] for struct in self.structs]

    def take(self):
        """Forget what was posted, and give its numbers."""
        numbers, self.structs = self.numbers, []
        return numbers


class Route:
    """A courier, its journal and its peer."""

    def __init__(self, messages=0, window=4, most=1000, **options):
        self.clock = ClockReactor()
        self.journal = MemoryJournal("j", most, 10_000_000)
        self.peer = HandPeer()
        self.told: list[tuple[int, object]] = []
        self.missed: list[int] = []
        self.append(messages)
        self.courier = Courier(
            self.journal,
            self.peer,
            self.clock,
            Backoff(lambda: 0.999999, first=1.0, longest=8.0),
            method="notify",
            settled=options.pop("settled", self.settle),
            missed=self.missed.append,
            window=window,
            after=0,
            **options,
        )

    def settle(self, entry, outcome):
        self.told.append((entry.seq, outcome))

    def append(self, count, data=None, author="author"):
        for _ in range(count):
            number = self.journal.last_seq + 1
            result_of(self.journal.append(a_message(number, author, data)))

    def answer(self, index, body=OK):
        self.peer.answers[index].callback(body)

    def fault(self, index, error):
        self.answer(index, encode_fault(error.as_fault()))

    def lose(self, index):
        self.peer.answers[index].errback(TransportFailed("lost"))

    @property
    def settled(self):
        return [seq for seq, _ in self.told]


def test_it_provides_the_interface():
    """It has every name of ICourier, with the same arguments."""
    verifyObject(ICourier, Route().courier)


def test_nothing_is_posted_before_it_is_resumed():
    """A courier begins paused: whoever made it knows when the peer can be asked."""
    route = Route(messages=3)
    route.courier.wake()
    assert route.peer.structs == []
    route.courier.resume()
    assert route.peer.numbers == [1, 2, 3]


def test_it_writes_ahead_as_far_as_its_window():
    """At most `window` messages are in flight, and each answer lets one more go."""
    route = Route(messages=6, window=3)
    route.courier.resume()
    assert route.peer.take() == [1, 2, 3]
    route.answer(0)
    assert route.peer.take() == [4]
    route.answer(1)
    route.answer(2)
    assert route.peer.take() == [5, 6]
    assert route.settled == [1, 2, 3]
    assert (route.courier.cursor, route.courier.queued) == (3, 3)


def test_what_comes_later_goes_when_it_is_woken():
    """`wake` is how a courier learns that its journal has grown."""
    route = Route(messages=1)
    route.courier.resume()
    route.answer(0)
    route.append(2)
    assert route.peer.take() == [1]
    route.courier.wake()
    assert route.peer.take() == [2, 3]


def test_what_is_not_wanted_is_passed_over():
    """Unwanted entries are never posted, told of to nobody, and settled with those around them."""
    route = Route(messages=6, wants=lambda entry: entry.seq % 2 == 0)
    route.courier.resume()
    assert route.courier.cursor == 1
    assert route.peer.numbers == [2, 4, 6]
    route.answer(0)
    assert route.courier.cursor == 3
    route.answer(1)
    route.answer(2)
    assert route.settled == [2, 4, 6]
    assert (route.courier.cursor, route.courier.queued) == (6, 0)


def test_a_refused_entry_is_settled_in_its_turn_and_once():
    """What cannot be sent is told between its neighbours, also when the way fails meanwhile."""
    why = UnsupportedValue("nil")
    route = Route(messages=3, refuses=lambda entry: why if entry.seq == 2 else None)
    route.courier.resume()
    assert route.peer.take() == [1, 3]
    assert route.settled == []
    route.lose(0)
    route.clock.pass_time(1.0)
    assert route.peer.take() == [1]
    route.answer(2)
    assert route.told[-1] == (2, why)
    assert route.peer.take() == [3]
    route.answer(3)
    assert route.settled == [1, 2, 3]


def test_refused_entries_alone_are_settled_at_once():
    """Nothing is in front of them."""
    route = Route(messages=5, window=1, refuses=lambda entry: UnsupportedValue("nil"))
    route.courier.resume()
    assert route.settled == [1, 2, 3, 4, 5]
    assert route.courier.cursor == 5
    assert route.peer.structs == []


def test_after_a_failure_it_goes_back_to_the_cursor():
    """What was in flight is written again from the first unsettled on, and says so."""
    route = Route(messages=3)
    route.courier.resume()
    route.answer(0)
    route.peer.take()
    route.lose(1)
    assert route.courier.state is CourierState.WAITING
    assert (route.courier.tries, route.courier.trouble) == (1, "lost")
    route.clock.pass_time(0.9)
    assert route.peer.structs == []
    route.clock.pass_time(0.1)
    assert [struct["redelivered"] for struct in route.peer.structs] == [True]
    assert route.peer.take() == [2]


def test_after_a_failure_one_goes_ahead_alone():
    """The window opens again when a message is settled: a refusal must not let others overtake."""
    route = Route(messages=5)
    route.courier.resume()
    route.lose(0)
    route.peer.take()
    route.clock.pass_time(1.0)
    assert route.peer.take() == [1]
    route.answer(4)
    assert route.peer.take() == [2, 3, 4, 5]
    assert route.courier.tries == 0


def test_only_what_was_posted_before_is_marked_redelivered():
    """A message that never left is not marked."""
    route = Route(messages=3, window=2)
    route.courier.resume()
    route.lose(0)
    route.peer.take()
    route.clock.pass_time(1.0)
    route.answer(2)
    route.answer(3)
    marked = {struct["data"]: struct.get("redelivered", False) for struct in route.peer.structs}
    assert marked == {1: True, 2: True, 3: False}


def test_a_later_courier_knows_what_an_earlier_one_may_have_brought():
    """`reached` is handed on, so that a host that died while receiving sees `redelivered`."""
    first = Route(messages=2)
    first.courier.resume()
    assert first.courier.reached == 2
    route = Route(messages=3, reached=first.courier.reached)
    route.courier.resume()
    assert [struct.get("redelivered", False) for struct in route.peer.structs] == [
        True,
        True,
        False,
    ]


def test_an_answer_of_an_earlier_try_settles_nothing():
    """After a failure the answers that still come are not taken for the new posts'."""
    route = Route(messages=2)
    route.courier.resume()
    late = route.peer.answers[1]
    late._canceller = lambda _: None
    route.lose(0)
    route.clock.pass_time(1.0)
    assert route.settled == []
    route.answer(2)
    assert route.settled == [1]


def test_what_is_in_flight_is_cancelled_when_the_way_fails():
    """Otherwise a message that waits in the peer could arrive before the ones in front of it."""
    route = Route(messages=3)
    route.courier.resume()
    route.lose(0)
    assert route.peer.cancelled == [1, 2]


def test_a_post_that_breaks_the_connection_belongs_to_the_run_that_ended():
    """A peer may notice a lost connection while it is posted to, and go another way with that
    post: it is taken back, and does not settle what is posted next."""
    route = Route(messages=1)
    route.courier.resume()
    route.peer.at_once.append(lambda: route.lose(0))
    route.append(1)
    route.courier.wake()
    assert route.courier.state is CourierState.WAITING
    assert route.peer.take() == [1, 2]
    assert route.peer.cancelled == [1]
    route.clock.pass_time(1.0)
    assert route.peer.take() == [1]
    route.answer(2)
    assert route.peer.take() == [2]
    route.answer(3)
    assert route.settled == [1, 2]


def test_answers_that_come_at_once_do_no_harm():
    """A peer that answers while it is posted to gets every message once, in order."""
    route = Route(messages=10, window=3)
    route.peer.at_once = [OK] * 10
    route.courier.resume()
    assert route.peer.numbers == list(range(1, 11))
    assert route.settled == list(range(1, 11))


def test_posts_that_fail_at_once_wait():
    """A peer that fails in `post` itself is tried again after a wait, not in a loop."""
    route = Route(messages=3)
    route.peer.at_once = [TransportFailed("closed")]
    route.courier.resume()
    assert route.peer.take() == [1]
    assert route.courier.state is CourierState.WAITING
    route.clock.pass_time(1.0)
    assert route.peer.take() == [1]


def test_a_final_fault_settles():
    """A fault that names no time is what became of the message; the next ones go on."""
    route = Route(messages=2)
    route.courier.resume()
    route.fault(0, PluginRaised("it raised"))
    route.answer(1)
    assert isinstance(route.told[0][1], PluginRaised)
    assert route.settled == [1, 2]


def test_a_fault_about_the_document_is_final_too():
    """The peer has refused these bytes, and would again: the queue must not stop for good."""
    route = Route(messages=2)
    route.courier.resume()
    route.fault(0, TooManyValues("more than 100000"))
    assert isinstance(route.told[0][1], TooManyValues)
    assert route.courier.state is CourierState.SENDING


def test_a_fault_of_another_program_is_final():
    """A code that co2 does not know is told as it came."""
    route = Route(messages=1)
    route.courier.resume()
    route.answer(0, encode_fault(Fault(77, "no")))
    assert isinstance(route.told[0][1], Co2Error)
    assert route.told[0][1].as_fault() == Fault(77, "no")


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"\xff\xfe", OK[:-30]])
def test_what_is_no_answer_is_a_failure_of_the_way(body):
    """Half an answer, or a proxy's page, says nothing about the message: it is tried again."""
    route = Route(messages=1)
    route.courier.resume()
    route.answer(0, body)
    assert route.told == []
    assert route.courier.state is CourierState.WAITING
    assert "no XML-RPC" in route.courier.trouble


@pytest.mark.parametrize("error", [RateLimited("slow", 3.0), QueueFull("full", 3.0)])
def test_a_fault_that_says_when_is_tried_again_then(error):
    """It waits the time that the fault names, not its own."""
    route = Route(messages=1)
    route.courier.resume()
    route.fault(0, error)
    assert route.told == []
    route.clock.pass_time(2.9)
    assert route.peer.take() == [1]
    route.clock.pass_time(0.2)
    assert route.peer.take() == [1]


def test_waits_grow_and_begin_anew_after_a_success():
    """Backoff belongs to the run of failures."""
    route = Route(messages=2, window=1)
    route.courier.resume()
    for index, wait in enumerate((1, 2, 4, 8, 8)):
        route.lose(index)
        route.clock.pass_time(wait - 0.01)
        assert len(route.peer.answers) == index + 1
        route.clock.pass_time(0.01)
    assert route.courier.tries == 5
    route.answer(5)
    route.lose(6)
    route.clock.pass_time(1.0)
    assert len(route.peer.answers) == 8


def test_paused_it_posts_nothing_and_resumed_it_posts_again():
    """What was in flight is taken back, and goes again from the cursor on."""
    route = Route(messages=2)
    route.courier.resume()
    route.peer.take()
    route.courier.pause()
    assert route.peer.cancelled == [0, 1]
    route.append(1)
    route.courier.wake()
    route.clock.pass_time(60.0)
    assert route.peer.structs == []
    route.courier.resume()
    assert route.peer.take() == [1, 2, 3]


def test_resume_cuts_a_wait_short():
    """Whoever knows that the peer is back need not wait; no timer stays behind."""
    route = Route(messages=1)
    route.courier.resume()
    route.lose(0)
    route.peer.take()
    route.courier.resume()
    assert route.peer.take() == [1]
    assert route.clock.getDelayedCalls() == []


def test_resuming_what_is_under_way_changes_nothing():
    """A second `resume` posts nothing twice."""
    route = Route(messages=2)
    route.courier.resume()
    route.courier.resume()
    assert route.peer.numbers == [1, 2]


PENDING = encode_reply({"id": "1", "pending": True})


def test_what_a_peer_is_still_at_holds_up_nothing_behind_it():
    """It is asked about again, and settled first; the others' answers are kept until then."""
    route = Route(messages=3, window=1)
    route.courier.resume()
    route.answer(0, PENDING)
    assert route.peer.numbers == [1, 2]
    route.answer(1)
    assert (route.settled, route.courier.cursor) == ([], 0)
    route.clock.pass_time(1.1)
    assert route.peer.numbers == [1, 2, 3, 1]
    assert route.peer.structs[-1]["redelivered"]
    route.answer(2)
    route.answer(3)
    assert route.settled == [1, 2, 3]
    assert route.courier.cursor == 3
    assert route.clock.getDelayedCalls() == []


def test_what_is_pending_is_asked_about_until_it_is_told():
    """Once a second, and a refusal is an answer too."""
    route = Route(messages=1)
    route.courier.resume()
    route.answer(0, PENDING)
    for index in range(1, 4):
        route.clock.pass_time(1.0)
        assert len(route.peer.answers) == index + 1
        if index < 3:
            route.answer(index, PENDING)
    route.fault(3, PluginRaised("no"))
    assert [(seq, type(outcome)) for seq, outcome in route.told] == [(1, PluginRaised)]


def test_all_that_is_pending_is_asked_about():
    """However many there are: where an answer has come, the next are asked about at once."""
    route = Route(messages=3)
    route.courier.resume()
    for index in range(3):
        route.answer(index, PENDING)
    route.clock.pass_time(1.0)
    for index in range(3, 6):
        assert len(route.peer.answers) == index + 1
        route.answer(index)
        route.clock.pass_time(0.0)
    assert route.settled == [1, 2, 3]
    assert route.clock.getDelayedCalls() == []


def test_a_failure_takes_back_what_is_pending():
    """Also what was answered behind it: all comes again, in order, and nothing is settled twice."""
    route = Route(messages=3)
    route.courier.resume()
    route.answer(0, PENDING)
    route.answer(1)
    route.lose(2)
    assert route.courier.cursor == 0
    route.peer.take()
    route.clock.pass_time(10.0)
    for index in range(3, 6):
        route.answer(index)
    assert route.peer.numbers == [1, 2, 3]
    assert route.settled == [1, 2, 3]
    assert route.clock.getDelayedCalls() == []


def test_a_peer_has_no_more_in_hand_than_so_many():
    """One that is at everything and settles nothing does not fill this host."""
    route = Route(messages=1_200, most=2_000, window=1)
    route.courier.resume()
    for index in range(1_000):
        route.answer(index, PENDING)
    assert len(route.peer.answers) == 1_000
    route.clock.pass_time(1.0)
    route.answer(1_000)
    assert route.peer.numbers[-2:] == [1, 1_001]


@pytest.mark.parametrize("batch", [1, 64])
def test_a_long_unwanted_backlog_leaves_others_their_turns(batch):
    """It is passed over in stretches; what is wanted at its end is brought, after other work."""
    route = Route(messages=9_000, most=10_000, wants=lambda entry: entry.seq == 9_000, batch=batch)
    seen = [0]

    def other_work():
        seen.append(route.courier.cursor)
        if not route.peer.structs:
            route.clock.callLater(0, other_work)

    route.courier.resume()
    other_work()
    route.clock.advance(0)
    assert route.peer.numbers == [9_000]
    assert max(after - before for before, after in pairwise(seen)) < 1_200
    assert route.courier.cursor == 8_999
    route.answer(0)
    assert (route.settled, route.clock.getDelayedCalls()) == ([9_000], [])


def test_passing_over_stops_with_the_courier():
    """No timer of it is left; resumed it goes on from where it was."""
    route = Route(messages=3_000, most=10_000, wants=lambda entry: entry.seq == 3_000)
    route.courier.resume()
    reached = route.courier.cursor
    route.courier.pause()
    assert route.clock.getDelayedCalls() == []
    route.courier.wake()
    assert 0 < reached == route.courier.cursor < 3_000
    route.courier.resume()
    route.clock.pass_time(1.0)
    assert route.peer.numbers == [3_000]


def test_there_are_never_two_timers():
    """Whatever is called in whatever order, at most one wait is under way."""
    route = Route(messages=3)
    for step in (route.courier.resume, route.courier.pause) * 3:
        step()
        for answer in route.peer.answers:
            if not answer.called:
                answer.errback(TransportFailed("lost"))
        assert len(route.clock.getDelayedCalls()) <= 1


def test_closed_it_is_over():
    """Nothing is posted, no timer runs, the connection is closed, and nothing wakes it."""
    route = Route(messages=2)
    route.courier.resume()
    route.lose(0)
    result_of(route.courier.close())
    route.courier.resume()
    route.courier.wake()
    route.courier.pause()
    route.clock.pass_time(60.0)
    assert route.courier.state is CourierState.CLOSED
    assert route.peer.closed == 1
    assert route.peer.numbers == [1, 2]
    assert route.clock.getDelayedCalls() == []


def test_what_the_journal_has_forgotten_is_told():
    """A courier that lags too far says how many messages were forgotten, once."""
    route = Route(messages=25, most=10)
    route.courier.resume()
    assert route.missed == [15]
    assert route.courier.cursor == 15
    assert route.peer.numbers == [16, 17, 18, 19]
    route.lose(0)
    route.clock.pass_time(1.0)
    assert route.missed == [15]


def test_what_is_forgotten_while_it_waits_is_told_too():
    """The journal may move on while the peer is away."""
    route = Route(messages=3, most=10)
    route.courier.resume()
    route.courier.pause()
    route.append(17)
    route.courier.resume()
    assert route.missed == [10]
    assert route.peer.numbers[-4:] == [11, 12, 13, 14]


def test_members_are_written_with_every_message():
    """A token stands beside the message, and `readdress` changes it for the next ones."""
    route = Route(messages=1, members=encode_members({"token": "t1"}))
    route.courier.resume()
    route.courier.readdress(encode_members({"token": "t2"}))
    route.append(1)
    route.courier.wake()
    assert [struct["token"] for struct in route.peer.structs] == ["t1", "t2"]


def test_the_bytes_are_the_journals_own():
    """Nothing is written anew for a peer: the entry's bytes stand in the document."""
    route = Route()
    entry = result_of(route.journal.append(a_message(1)))
    posted: list[bytes] = []
    route.peer.post = lambda parts, timeout: posted.extend(parts) or fail(TransportFailed("x"))
    route.courier.resume()
    assert any(part is entry.xml for part in posted)


def test_who_is_told_may_raise_and_nothing_stops(logged_failures):
    """A mistake in what listens is logged, and the next messages go on."""
    heard = []

    def settled(entry, outcome):
        heard.append(entry.seq)
        raise ValueError("a bug")

    route = Route(messages=3, window=1, settled=settled)
    route.courier.resume()
    route.answer(0)
    route.answer(1)
    route.answer(2)
    assert heard == [1, 2, 3]
    assert len(logged_failures.take(ValueError)) == 3


def test_who_is_told_may_close_it():
    """Closing while an answer is handed out posts nothing more."""
    route = Route(messages=5, window=2, settled=lambda entry, outcome: route.courier.close())
    route.courier.resume()
    route.answer(0)
    assert route.peer.numbers == [1, 2]
    assert route.courier.cursor == 1


def test_an_own_rule_may_try_final_faults_again():
    """`retry` decides; one that closes the courier meanwhile is heard."""
    route = Route(messages=1, retry=lambda error: 2.0)
    route.courier.resume()
    route.fault(0, PluginRaised("x"))
    route.clock.pass_time(2.0)
    assert route.peer.take() == [1, 1]
