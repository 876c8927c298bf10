"""relay.collect, relay.answer and relay.receipt: for hosts that nobody can connect to."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from relay_room import RelayRoom, a_caller
from twisted.internet.defer import ensureDeferred

from co2.errors import Denied, Gone, InvalidParams, PluginRaised, QueueFull, ShuttingDown, TimedOut
from co2.model.calls import Level
from co2.model.hosts import HostState
from co2.testing.samples import result_of
from co2.testing.servers import BEGIN
from co2.wire.xmlrpc import decode_call, encode_fault, encode_reply, wrap_members

pytestmark = pytest.mark.usefixtures("logged_failures")


class Post:
    """A relay, a sender, and a host that collects, which says that it is co2's."""

    def __init__(self, capabilities=("co2", "nil"), **options):
        self.room = RelayRoom(**options).start()
        self.sender = self.room.register("10.0.0.9", callback=False)
        properties = {"capabilities": list(capabilities)}
        self.host = self.room.register("10.0.0.2", callback=False, properties=properties)
        self.room.pass_time(0.1)

    def send(self, data, **more):
        return result_of(self.room.relay(self.sender, data, **more))

    def ask(self, after=0, **more):
        request = {"host_id": self.host["host_id"], "token": self.host["token"], "after": after}
        caller = a_caller("10.0.0.2")
        return ensureDeferred(self.room.procedures.collect(caller, {**request, **more}))

    def collect(self, after=0, **more):
        return opened(result_of(self.ask(after, **more)))

    def call(self, method="m", timeout=30, level=Level.READ):
        request = {"host_id": self.host["host_id"], "method": method, "timeout": timeout}
        return ensureDeferred(
            self.room.procedures.call(a_caller("10.0.0.77", level), {**request, "params": [1]})
        )

    def answer(self, call, **answer):
        request = {"host_id": self.host["host_id"], "token": self.host["token"], "call": call}
        return self.room.procedures.answer(a_caller("10.0.0.2"), {**request, **answer})

    def receipt(self, id, **more):
        request = {"id": id, "host_id": self.sender["host_id"], "token": self.sender["token"]}
        return self.room.procedures.receipt(a_caller("10.0.0.9"), {**request, **more})

    @property
    def presence(self):
        return self.room.presence(self.host)


def opened(answer):
    """Read the messages of an answer, as they travel."""
    begin, end = len(b"<value><struct>"), len(b"</struct></value>")
    structs = [
        decode_call(b"".join(wrap_members("m", (one.xml[begin:-end],)))).params[0]
        for one in answer["messages"]
    ]
    return {**answer, "messages": structs, "data": [one["data"] for one in structs]}


@pytest.mark.parametrize(
    ("after", "journal_id"), [(3, "of another relay"), (1000, "of another relay"), (1000, None)]
)
def test_numbers_of_another_journal_acknowledge_nothing(after, journal_id):
    """The host had another relay, and this one's first answer is lost: it is given again."""
    post = Post()
    for number in range(5):
        post.send(number)
    shown = {"after": after, "have": after, "receipts": [{"seq": 2, "plugins": {"p": "raised: x"}}]}
    if journal_id is not None:
        shown["journal_id"] = journal_id
    assert post.collect(**shown)["data"] == [0, 1, 2, 3, 4]
    again = post.collect(**shown)
    assert again["data"] == [0, 1, 2, 3, 4]
    assert post.presence.cursor == 0
    post.collect(again["after"], journal_id=again["journal_id"])
    assert post.presence.cursor == 5


def test_what_has_come_is_given_and_acknowledged_by_its_number():
    """Until it is acknowledged it is given again, and says so."""
    post = Post()
    post.send("one")
    post.send("two")
    first = post.collect()
    assert (first["data"], first["calls"], first["after"]) == (["one", "two"], [], 2)
    assert not any("redelivered" in one for one in first["messages"])
    again = post.collect()
    assert again["data"] == ["one", "two"]
    assert all(one["redelivered"] for one in again["messages"])
    assert post.collect(1)["data"] == ["two"]
    assert post.collect(2)["data"] == []
    assert post.presence.cursor == 2


def test_it_waits_until_something_has_come():
    """No longer than it was asked to, and not at all if there is something."""
    post = Post()
    waiting = post.ask(wait=20)
    post.room.pass_time(5.0)
    assert not waiting.called
    post.send("now")
    post.room.pass_time(0.01)
    assert opened(result_of(waiting))["data"] == ["now"]
    waiting = post.ask(1, wait=20)
    post.room.pass_time(20.0)
    answer = result_of(waiting)
    assert (answer["messages"], answer["calls"], answer["after"]) == ([], [], 1)


def test_what_is_not_for_it_does_not_send_it_home():
    """Its own messages, and topics that it does not want."""
    post = Post()
    post.room.register(
        "10.0.0.2",
        callback=False,
        topics=["t"],
        token=post.host["token"],
        random=post.host["host_id"].partition("@")[0],
    )
    waiting = post.ask(wait=20)
    post.send("other", topic="u")
    result_of(post.room.relay(post.host, "own"))
    post.room.pass_time(1.0)
    assert not waiting.called
    post.send("mine", topic="t")
    post.room.pass_time(0.01)
    assert opened(result_of(waiting))["data"] == ["mine"]


def test_the_newest_request_wins():
    """The older one goes home empty, and takes nothing with it."""
    post = Post()
    older = post.ask(wait=20)
    post.send("x")
    newer = post.ask(wait=20)
    answer = result_of(older)
    assert (answer["messages"], answer["calls"], answer["after"]) == ([], [], 0)
    answer = opened(result_of(newer))
    assert answer["data"] == ["x"]
    assert "redelivered" not in answer["messages"][0]


def test_one_that_leaves_while_it_waits_leaves_nothing():
    """No timer of it runs on."""
    post = Post()
    waiting = post.ask(wait=20)
    before = len(post.room.clock.getDelayedCalls())
    waiting.cancel()
    waiting.addErrback(lambda _: None)
    assert len(post.room.clock.getDelayedCalls()) == before - 1
    post.send("x")
    assert post.collect()["data"] == ["x"]


def test_a_host_may_say_when_it_registers_how_far_it_is():
    """By a number of this journal, forward, and only a host that was here before."""
    post = Post()
    for number in range(4):
        post.send(number)
    mine = {"random": post.presence.random, "token": post.host["token"], "callback": False}
    journal = {"journal_id": post.host["journal_id"]}

    def register(**more):
        return post.room.register("10.0.0.2", **mine, **more)["after"]

    assert register(after=3) == 0
    assert register(after=3, journal_id="another") == 0
    assert register(after=3, **journal) == 3
    assert register(after=1, **journal) == 3
    assert post.collect()["data"] == [3]
    assert register(after=99, **journal) == 4
    assert post.room.journal.cursors()[post.presence.random].seq == 4
    stranger = post.room.register("10.0.0.5", callback=False, after=1, **journal)
    assert stranger["after"] == 4


def test_its_cursor_is_written_as_far_as_it_has_acknowledged():
    """Not one short: a restart of the relay gives nothing again."""
    post = Post()
    for number in range(3):
        post.send(number)
    post.collect()
    post.collect(3)
    name = post.presence.random
    assert post.room.journal.cursors()[name].seq == 3


def test_only_what_was_given_can_be_acknowledged():
    """Numbers of another journal say nothing here."""
    post = Post()
    post.send("x")
    assert post.collect(999)["data"] == ["x"]


def test_only_a_co2_host_gets_fractions_of_seconds():
    """One that nobody can ask says so when it registers; strict parsers break on them."""
    when = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    for capabilities, expected in (("co2",), when), ((), when.replace(microsecond=0)):
        post = Post(capabilities=capabilities)
        post.send(when)
        assert post.collect()["data"] == [expected]


def test_a_host_that_does_not_read_nil_is_not_given_it():
    """The receipt says where it stands; what is before and behind it comes, and nothing stalls."""
    post = Post(capabilities=("co2",))
    for number, data in enumerate([1, {"deep": [None]}, 3, [None]]):
        post.send(data, id=f"m{number}")
    assert post.collect()["data"] == [1, 3]
    post.collect(post.room.journal.last_seq)
    states = [post.receipt(f"m{number}")[0] for number in range(4)]
    assert [one["state"] for one in states] == ["delivered", "refused", "delivered", "refused"]
    assert "nil at data" in states[1]["detail"]
    post.send([None], id="alone")
    assert post.collect(4)["data"] == []
    assert post.receipt("alone")[0]["state"] == "refused"


def test_a_long_unwanted_backlog_leaves_others_their_turns():
    """A request looks through it in stretches, and has what is wanted at its end."""
    post = Post(most=5000, message_burst=5000)
    random = post.host["host_id"].partition("@")[0]
    secret = {"random": random, "token": post.host["token"]}
    post.room.register("10.0.0.2", callback=False, topics=["wanted"], **secret)
    for number in range(4000):
        post.send(number, topic="other")
    post.send("here", topic="wanted")
    waiting, seen = post.ask(wait=20), [0]

    def other_work():
        seen.append(post.presence.cursor)
        if not waiting.called:
            post.room.clock.callLater(0, other_work)

    other_work()
    post.room.clock.advance(0)
    assert opened(result_of(waiting))["data"] == ["here"]
    assert max(after - before for before, after in pairwise(seen)) < 1200


def test_what_was_forgotten_before_it_was_collected_is_counted():
    """Once, however often it asks; an hour's absence is not silent."""
    post = Post(most=5)
    for number in range(8):
        post.send(number)
    assert post.collect()["data"] == [3, 4, 5, 6, 7]
    assert post.collect()["data"] == [3, 4, 5, 6, 7]
    assert post.presence.missed == 3


def test_a_host_that_is_called_is_not_given_the_same_by_collecting():
    """What is brought to it goes one way, so that nothing is accounted for twice."""
    post = Post()
    satellite, answer = post.room.satellite(4)
    post.host = answer
    post.send("pushed")
    post.room.pass_time(1.0)
    asked = {"host_id": answer["host_id"], "token": answer["token"], "after": 0}
    collecting = post.room.procedures.collect(a_caller("10.0.0.4"), asked)
    assert result_of(ensureDeferred(collecting))["messages"] == []
    assert satellite.received == ["pushed"]


def test_max_and_bytes_bound_an_answer():
    """The rest comes with the next."""
    post = Post()
    for number in range(10):
        post.send(number)
    assert post.collect(max=4)["data"] == [0, 1, 2, 3]
    assert post.collect(4, max=4)["data"] == [4, 5, 6, 7]
    for _ in range(3):
        post.send("x" * 700_000)
    assert len(post.collect(8, max=100)["data"]) == 4


def test_what_plugins_said_is_in_the_receipt():
    """Raised and refused by a host that collects, as by one that is pushed to."""
    post = Post()
    for name in ("fine", "raises", "refuses", "waits"):
        post.send(1, id=name)
    post.collect()
    receipts = [
        {"seq": 1, "plugins": {"p": "ok"}},
        {"seq": 2, "plugins": {"p": "raised: no"}},
        {"seq": 3, "refused": "what is this"},
    ]
    post.collect(3, receipts=receipts)
    states = {}
    for name in ("fine", "raises", "refuses", "waits"):
        (one,) = post.receipt(name)
        states[name] = (one["state"], one["detail"])
    assert states["fine"] == ("delivered", "")
    assert states["raises"] == ("raised", "p: raised: no")
    assert states["refuses"] == ("refused", "what is this")
    assert states["waits"][0] == "queued"


def test_a_lost_greeting_is_given_again():
    """Last values count as given when what went with them is acknowledged."""
    post = Post()
    post.send("last", topic="t", retain=True)
    new = post.room.register("10.0.0.3", callback=False)
    post.host = new
    request = {"host_id": new["host_id"], "token": new["token"]}

    def ask(after):
        caller = a_caller("10.0.0.3")
        asked = post.room.procedures.collect(caller, {**request, "after": after})
        return opened(result_of(ensureDeferred(asked)))

    first = ask(0)
    assert first["data"] == ["last"]
    assert ask(0)["data"] == ["last"]
    assert ask(first["after"])["data"] == []
    assert post.room.journal.cursors()[post.presence.random].greeted
    assert ask(0)["data"] == []


def test_a_call_is_handed_out_and_answered():
    """With who called and at which level, once."""
    post = Post()
    waiting = post.ask(wait=20)
    result = post.call()
    (call,) = result_of(waiting)["calls"]
    assert (call["method"], call["params"]) == ("m", [1])
    assert call["caller"] == {"who": "read", "ip": "10.0.0.77", "level": "read"}
    assert post.collect()["calls"] == []
    assert post.answer(call["call"], result=42) is True
    assert result_of(result) == 42
    with pytest.raises(Gone):
        post.answer(call["call"], result=43)


def numbers(answer):
    return [call["call"] for call in answer["calls"]]


def test_a_call_whose_handing_out_was_lost_is_handed_out_again():
    """Under the same number, until the host says that it has heard it; then it does not come."""
    post = Post()
    result = post.call()
    (lost,) = numbers(post.collect())
    assert numbers(post.collect(heard=[])) == [lost]
    waiting = post.ask(heard=[lost], wait=20)
    post.room.pass_time(1.0)
    assert not waiting.called
    post.answer(lost, result=42)
    assert result_of(result) == 42
    assert numbers(post.collect(heard=[])) == []


def test_a_call_that_another_process_may_have_run_is_not_handed_out_again():
    """The first request of a process says nothing of calls, and the ones before it are not its."""
    post = Post()
    post.call()
    (first,) = numbers(post.collect(heard=[]))
    assert numbers(post.collect()) == []
    post.call()
    (second,) = numbers(post.collect(heard=[]))
    assert second != first
    assert numbers(post.collect(heard=[])) == [second]


def test_a_host_that_says_nothing_of_calls_gets_each_once():
    """It may be at work on it, and there is no way to tell."""
    post = Post()
    post.call()
    assert len(post.collect()["calls"]) == 1
    assert [post.collect()["calls"] for _ in range(3)] == [[], [], []]


def test_a_host_that_does_not_judge_callers_is_called_by_those_who_may():
    """As one that can be connected to: co2's decides by itself, for others it takes `call`."""
    foreign = Post(capabilities=())
    with pytest.raises(Denied, match="needs call; you are read"):
        result_of(foreign.call(level=Level.READ))
    assert foreign.collect()["calls"] == []
    foreign.call(level=Level.CALL)
    assert len(foreign.collect()["calls"]) == 1
    post = Post()
    post.call(level=Level.READ)
    assert len(post.collect()["calls"]) == 1


def test_a_fault_comes_back_as_it_is():
    """The same class as on the host."""
    post = Post()
    result = post.call()
    (call,) = post.collect()["calls"]
    fault = PluginRaised("by hand").as_fault()
    post.answer(call["call"], fault={"faultCode": fault.code, "faultString": fault.text})
    with pytest.raises(PluginRaised, match="by hand"):
        result_of(result)


def test_a_call_that_nobody_answers_ends_at_its_time():
    """And an answer that comes later is told that nobody waits."""
    post = Post()
    result = post.call(timeout=3)
    (call,) = post.collect()["calls"]
    post.room.pass_time(3.0)
    with pytest.raises(TimedOut):
        result_of(result)
    with pytest.raises(Gone):
        post.answer(call["call"], result=1)


def test_a_caller_that_leaves_is_forgotten():
    """Its call is not handed out."""
    post = Post()
    result = post.call()
    result.cancel()
    result.addErrback(lambda _: None)
    assert post.collect()["calls"] == []


def test_calls_are_bounded_and_end_with_the_host():
    """Nobody can fill the relay with them."""
    post = Post()
    results = [post.call() for _ in range(100)]
    with pytest.raises(QueueFull):
        result_of(post.call())
    post.room.roster.remove(post.presence)
    for one in results:
        with pytest.raises(Gone):
            result_of(one)


def test_a_relay_that_stops_sends_everybody_home():
    """Calls fail with when to come again, and no timer is left."""
    post = Post()
    waiting, result = post.ask(wait=20), post.call()
    post.room.pass_time(0.1)
    again = post.ask(wait=20)
    post.room.stop()
    assert len(result_of(waiting)["calls"]) == 1
    assert result_of(again)["messages"] == []
    with pytest.raises(ShuttingDown):
        result_of(result)
    post.room.pass_time(60.0)
    assert post.room.clock.getDelayedCalls() == []


MISTAKES = [
    {"journal_id": 5},
    {"after": "1"},
    {"after": True},
    {"max": 0},
    {"wait": -1},
    {"have": "1"},
    {"receipts": 5},
    {"heard": "c1"},
    {"heard": [1]},
]


@pytest.mark.parametrize("more", MISTAKES)
def test_a_request_with_a_mistake_is_refused(more):
    """The fault names the member."""
    post = Post()
    with pytest.raises(InvalidParams, match=next(iter(more))):
        post.collect(**more)


# -- receipts --------------------------------------------------------------------------------------


def states(post, id):
    return {one["host_id"].partition("@")[2]: one["state"] for one in post.receipt(id)}


def test_a_receipt_tells_every_state():
    """Delivered, refused, raised, timeout, unreachable, queued."""
    post = Post()
    said = {"4": {"p": "ok"}, "5": {"p": "raised: x"}, "6": {"p": "timeout"}}
    for number, plugins in said.items():
        satellite, _ = post.room.satellite(int(number))
        satellite.answers["notify"] = encode_reply({"id": "m", "plugins": plugins})
    refuses, _ = post.room.satellite(7)
    refuses.answers["notify"] = encode_fault(PluginRaised("no").as_fault())
    away, _ = post.room.satellite(8)
    away.leave()
    post.send(1, id="m")
    post.room.pass_time(3.0)
    assert states(post, "m") == {
        "10.0.0.2:2004": "queued",
        "10.0.0.4:2004": "delivered",
        "10.0.0.5:2004": "raised",
        "10.0.0.6:2004": "timeout",
        "10.0.0.7:2004": "refused",
        "10.0.0.8:2004": "unreachable",
    }
    (one,) = [one for one in post.receipt("m") if one["state"] == "unreachable"]
    assert one["detail"]
    assert one["tries"] > 0
    (one,) = [one for one in post.receipt("m") if one["state"] == "delivered"]
    assert BEGIN < one["time"] < BEGIN + 10.0


def test_what_left_undelivered_is_expired_and_not_delivered():
    """Also once the satellite is back and has what came later."""
    post = Post(most=5)
    satellite, _ = post.room.satellite(4)
    satellite.leave()
    for number in range(8):
        post.send(number, id=f"m{number}")
    post.room.pass_time(3.0)
    assert states(post, "m1")["10.0.0.4:2004"] == "expired"
    satellite.listen()
    post.room.pass_time(60.0)
    assert satellite.received == [3, 4, 5, 6, 7]
    assert states(post, "m1")["10.0.0.4:2004"] == "expired"
    assert states(post, "m5")["10.0.0.4:2004"] == "delivered"


def test_a_receipt_is_for_the_author_and_admins():
    """Others learn nothing, and an unknown message is told as such."""
    post = Post()
    post.send(1, id="m")
    caller = a_caller("10.0.0.2")
    with pytest.raises(Denied):
        post.room.procedures.receipt(caller, {"id": "m"})
    with pytest.raises(Gone):
        post.receipt("n")
    admin = a_caller("10.0.0.50", Level.ADMIN)
    assert len(post.room.procedures.receipt(admin, {"id": "m"})) == 1
    with pytest.raises(InvalidParams):
        post.room.procedures.receipt(admin, {"id": 5})


def test_who_came_later_is_not_in_it():
    """The message was never for it."""
    post = Post()
    post.send(1, id="m")
    post.room.satellite(4)
    assert set(states(post, "m")) == {"10.0.0.2:2004"}


def test_history_is_read_in_stretches():
    """Oldest first, from a number on."""
    post = Post()
    for number in range(5):
        post.send(number)
    answer = post.room.procedures.get_history({"after": 1, "max": 2})
    assert (opened(answer)["data"], answer["after"]) == ([1, 2], 3)
    assert opened(post.room.procedures.get_history())["data"] == [0, 1, 2, 3, 4]
    with pytest.raises(InvalidParams):
        post.room.procedures.get_history({"max": 0})
    assert post.presence.state is HostState.POLL


# -- what is in hand -------------------------------------------------------------------------------


def test_what_a_host_has_in_hand_is_neither_given_again_nor_acknowledged():
    """Its plugins are at it; what is behind comes, and all of it again if the host dies."""
    post = Post()
    for number in range(4):
        post.send(number)
    assert post.collect(max=2)["data"] == [0, 1]
    assert post.collect(0, have=2)["data"] == [2, 3]
    assert post.presence.cursor == 0
    waiting = post.ask(0, have=4, wait=20)
    post.send("new")
    post.room.pass_time(0.01)
    assert opened(result_of(waiting))["data"] == ["new"]
    post.collect(2, have=5, receipts=[{"seq": 1, "plugins": {"p": "raised: x"}}])
    assert post.presence.cursor == 2
    again = post.collect()
    assert again["data"] == [2, 3, "new"]
    assert all(one["redelivered"] for one in again["messages"])


def test_a_host_has_no_more_in_hand_than_so_many():
    """The relay remembers what it has given and was not told of."""
    post = Post(most=5000, message_burst=5000)
    for number in range(1200):
        post.send(number)
    have = 0
    for _ in range(4):
        answer = post.collect(0, have=have, max=400)
        have = answer["after"]
    assert have == 1000
    assert answer["data"] == []
    assert post.collect(10, have=have, max=400)["data"] == list(range(1000, 1010))


def test_what_is_in_hand_is_looked_behind_once():
    """A backlog that the host does not want is not read over and over while a plugin is slow."""
    post = Post(most=5000, message_burst=5000)
    secret = {"random": post.presence.random, "token": post.host["token"]}
    post.room.register("10.0.0.2", callback=False, topics=["wanted"], **secret)
    post.send("first", topic="wanted")
    assert post.collect()["data"] == ["first"]
    for number in range(3000):
        post.send(number, topic="other")
    waiting = post.ask(0, have=1, wait=20)
    post.room.pass_time(1.0)
    assert not waiting.called
    post.send("last", topic="wanted")
    post.room.pass_time(0.1)
    assert opened(result_of(waiting))["data"] == ["last"]
    assert post.presence.cursor == 0


def test_a_greeting_in_hand_is_not_given_again():
    """Last values are messages like others to the plugins that have them."""
    post = Post()
    post.send("last", topic="t", retain=True)
    post.host = post.room.register("10.0.0.2", port=3000, callback=False)
    first = post.collect()
    assert first["data"] == ["last"]
    assert post.collect(0, have=first["after"])["data"] == []
    assert not post.presence.greeted
    assert post.collect(0)["data"] == ["last"]


def test_a_restarted_relay_believes_a_host_that_names_its_journal():
    """It has handed out nothing yet, and the host, which has not noticed, goes on where it was."""
    post = Post()
    for number in range(4):
        post.send(number)
    journal = {"journal_id": post.host["journal_id"]}
    assert post.collect(3, have=3, **journal)["data"] == [3]
    assert post.presence.cursor == 3
    assert post.collect(1000, have=1000, **journal)["data"] == [3]  # no number of its own


def test_what_came_since_it_registered_outlives_a_restart_of_the_relay():
    """A host that has not collected yet when the relay is killed gets everything afterwards."""
    post = Post()
    for number in range(5):
        post.send(number, id=f"m{number}")
    post.room = post.room.restart()
    assert post.receipt("m0")[0]["state"] == "queued"
    assert post.collect()["data"] == [0, 1, 2, 3, 4]


def test_receipts_outlive_a_restart_of_the_relay():
    """What a host was given before, and says now: raised, refused, and what it could not have."""
    post = Post(capabilities=("co2",))
    for name, data in (("raises", 1), ("nil", [None]), ("refuses", 2), ("fine", 3), ("last", 4)):
        post.send(data, id=name)
    journal = {"journal_id": post.host["journal_id"]}
    have = post.collect(**journal)["after"]
    post.room = post.room.restart()
    assert post.collect(0, have=have, **journal)["data"] == []
    receipts = [{"seq": 1, "plugins": {"p": "raised: no"}}, {"seq": 3, "refused": "what is this"}]
    post.collect(4, have=have, receipts=receipts, **journal)
    states = [post.receipt(name)[0] for name in ("raises", "nil", "refuses", "fine", "last")]
    expected = ["raised", "refused", "refused", "delivered", "queued"]
    assert [one["state"] for one in states] == expected
    assert "nil at data" in states[1]["detail"]
