"""co2.delivery.courier: several messages in one post, and last values ahead of everything."""

from __future__ import annotations

import pytest
from test_delivery_courier import HandPeer, Route
from twisted.internet.defer import Deferred

from co2.delivery.journal import MemoryJournal
from co2.errors import Co2Error, Fault, JournalFailed, PluginRaised, RateLimited
from co2.testing.samples import a_message, result_of
from co2.wire.xmlrpc import decode_call, encode_fault, encode_members, encode_reply

pytestmark = pytest.mark.usefixtures("logged_failures")


class Batches(Route):
    """A courier that sends up to four messages in a post; two posts in flight."""

    def __init__(self, messages=0, **options):
        super().__init__(messages, **{"window": 2, "batch": 4, **options})
        self.peer = BatchPeer()
        self.courier._peer = self.peer
        self.peer_answers = self.peer.answers

    def reply(self, index, *replies):
        structs = [
            {"faultCode": one.as_fault().code, "faultString": one.as_fault().text}
            if isinstance(one, Co2Error)
            else [one]
            for one in replies
        ]
        self.peer.answers[index].callback(encode_reply(structs))


class BatchPeer(HandPeer):
    """Keeps the numbers of each post, and which of them were marked."""

    def __init__(self):
        super().__init__()
        self.posts: list[list[object]] = []
        self.marked: list[list[object]] = []

    def post(self, parts, timeout):
        call = decode_call(b"".join(parts))
        structs = [call.params[0]]
        if call.method == "system.multicall":
            assert all(one["methodName"] == "notify" for one in call.params[0])
            structs = [one["params"][0] for one in call.params[0]]
        self.posts.append([one["data"] for one in structs])
        self.marked.append([one["data"] for one in structs if one.get("redelivered")])
        deferred = Deferred(lambda _: None)
        self.answers.append(deferred)
        return deferred


def test_what_waits_goes_together():
    """Up to the batch in a post, the window's posts in flight, and answers settle one by one."""
    route = Batches(10)
    route.courier.resume()
    assert route.peer.posts == [[1, 2, 3, 4]], "one, until the peer is known to take batches"
    route.reply(0, "a", "b", "c", "d")
    assert route.told == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert route.courier.cursor == 4
    assert route.peer.posts[1:] == [[5, 6, 7, 8], [9, 10]]


def test_a_single_message_goes_plainly():
    """Whoever has one message needs no multicall."""
    route = Batches(1)
    route.courier.resume()
    route.answer(0)
    assert (route.peer.posts, route.told) == ([[1]], [(1, {"plugins": {}})])


def test_a_refusal_for_good_in_a_batch_is_that_messages_own():
    """The others of the batch are settled as they were answered."""
    route = Batches(3)
    route.courier.resume()
    route.reply(0, "a", PluginRaised("no"), "c")
    assert [seq for seq, _ in route.told] == [1, 2, 3]
    assert isinstance(route.told[1][1], PluginRaised)


def test_a_message_that_must_wait_stops_the_rest_of_its_batch():
    """What came behind it is sent again, marked, after it."""
    route = Batches(4)
    route.courier.resume()
    route.reply(0, "a", RateLimited("later", 2.0), "c", "d")
    assert (route.told, route.courier.cursor) == ([(1, "a")], 1)
    route.clock.pass_time(1.9)
    assert len(route.peer.posts) == 1
    route.clock.pass_time(0.2)
    assert route.peer.posts[1:] == [[2]], "it goes ahead alone"
    route.answer(1)
    assert route.peer.posts[2:] == [[3, 4]]
    assert route.peer.marked[1:] == [[2], [3, 4]]


@pytest.mark.parametrize(
    "body", [encode_fault(Fault(-32601, "no such method")), encode_reply(5), encode_reply([[1]])]
)
def test_a_peer_that_takes_no_batch_gets_its_messages_one_by_one(body):
    """A fault of the batch is no message's; nothing is settled by it, nothing left out."""
    route = Batches(6, window=1)
    route.courier.resume()
    route.answer(0, body)
    assert (route.told, route.peer.posts[1:]) == ([], [[1]])
    for index in range(1, 5):
        route.answer(index)
    assert route.peer.posts == [[1, 2, 3, 4], [1], [2], [3], [4], [5, 6]]
    assert [seq for seq, _ in route.told] == [1, 2, 3, 4]


def test_an_answer_that_is_lost_brings_the_whole_batch_again():
    """Marked, and alone at first."""
    route = Batches(3)
    route.courier.resume()
    route.lose(0)
    route.clock.pass_time(2.0)
    assert route.peer.posts[1:] == [[1]]
    route.answer(1)
    assert route.peer.posts[2:] == [[2, 3]]
    assert route.peer.marked == [[], [1], [2, 3]]


def test_bytes_bound_a_batch():
    """A large message waits for no other, and memory stays bounded."""
    route = Batches(0, batch=64)
    route.append(5, "x" * 200_000)
    route.courier.resume()
    route.reply(0, "a", "b")
    assert [len(one) for one in route.peer.posts] == [2, 2, 1]


def test_a_greeting_goes_first_and_moves_no_cursor():
    """It is told when all of it is settled, and the journal's own follow."""
    greeted = []
    old = [result_of(MemoryJournal("k", 10, 10**6).append(a_message(n))) for n in (70, 71)]
    route = Batches(0, greeting=old, greeted=lambda: greeted.append(route.courier.cursor))
    route.append(2)
    route.courier.resume()
    assert route.peer.posts == [[70, 71]]
    route.reply(0, "x", "y")
    assert route.peer.posts == [[70, 71], [1, 2]]
    assert (greeted, route.told) == ([0], [])
    route.reply(1, "a", "b")
    assert [seq for seq, _ in route.told] == [1, 2]
    assert route.courier.cursor == 2


def test_a_greeting_whose_answer_is_lost_is_given_again():
    """In its order, and before everything else."""
    greeted = []
    old = [result_of(MemoryJournal("k", 10, 10**6).append(a_message(n))) for n in (70, 71)]
    route = Batches(1, greeting=old, greeted=lambda: greeted.append(1))
    route.courier.resume()
    route.lose(0)
    route.clock.pass_time(2.0)
    assert route.peer.posts[1:] == [[70]]
    route.answer(1)
    assert greeted == []
    route.answer(2)
    assert route.peer.posts[1:] == [[70], [71], [1]]
    assert greeted == [1]


def test_a_greeting_that_is_refused_as_a_batch_goes_one_by_one():
    """And not again and again as a batch."""
    old = [result_of(MemoryJournal("k", 10, 10**6).append(a_message(n))) for n in (70, 71)]
    route = Batches(0, window=1, greeting=old)
    route.courier.resume()
    route.fault(0, PluginRaised("no batches"))
    assert route.peer.posts == [[70, 71], [70]]
    route.answer(1)
    assert route.peer.posts[2:] == [[71]]


def test_a_journal_that_cannot_be_read_is_tried_again():
    """Nothing is lost, and nobody else is disturbed."""
    route = Batches(2)
    read = route.journal.read

    def fails(after, most):
        raise JournalFailed("the disk is away", retry_after=5.0)

    route.journal.read = fails
    route.courier.resume()
    assert (route.peer.posts, route.courier.trouble) == ([], "the disk is away")
    route.journal.read = read
    route.clock.pass_time(2.0)
    assert route.peer.posts == [[1]]


def test_extra_members_are_written_for_each():
    """What only one message says of itself to this peer."""
    route = Route(
        2, extra=lambda entry: encode_members({"superseded": True}) if entry.seq == 1 else b""
    )
    route.courier.resume()
    assert [one.get("superseded") for one in route.peer.structs] == [True, None]
