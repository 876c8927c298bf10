"""co2.relay.intake: what becomes of a message that a satellite hands in."""

from __future__ import annotations

import pytest
from relay_room import RelayRoom, random_of
from twisted.internet.defer import Deferred, fail

from co2.errors import (
    ConflictingDuplicate,
    Gone,
    HopLimit,
    InvalidParams,
    QueueFull,
    RateLimited,
    Spoofed,
)
from co2.model.calls import Level
from co2.testing.samples import result_of
from co2.testing.servers import BEGIN
from co2.wire.xmlrpc import decode_call, encode_value, wrap_members

pytestmark = pytest.mark.usefixtures("logged_failures")


class Desk:
    """A relay with one sender."""

    def __init__(self, **options):
        self.room = RelayRoom(**options)
        self.answer = self.room.register(callback=False)
        self.room.register("10.0.0.3", callback=False)

    def take(self, data=1, **more):
        return self.room.relay(self.answer, data, **more)

    def entries(self):
        return self.room.journal.read(0, 100)

    def structs(self):
        return [
            decode_call(b"".join(wrap_members("notify", (one.xml,)))).params[0]
            for one in self.entries()
        ]


def test_it_is_in_the_journal_before_it_is_answered():
    """The answer has the id, the relay's number, and how many it is for."""
    desk = Desk()
    assert result_of(desk.take(id="m1")) == {"id": "m1", "seq": 1, "recipients": 1}
    (struct,) = desk.structs()
    assert (struct["id"], struct["seq"], struct["data"]) == ("m1", 1, 1)
    assert struct["host_id"] == desk.answer["host_id"]


def test_a_2003_message_gets_id_and_time():
    """`host_id` and `data` are enough."""
    desk = Desk()
    result_of(desk.take())
    (struct,) = desk.structs()
    assert len(struct["id"]) == 26
    assert struct["time"] == BEGIN


def test_the_host_id_is_where_the_host_is():
    """The port that a message claims is rewritten to the registered one."""
    desk = Desk()
    random = random_of(desk.answer)
    result_of(desk.take(host_id=f"{random}@10.0.0.2:9"))
    assert desk.structs()[0]["host_id"] == f"{random}@10.0.0.2:2004"


def test_secrets_do_not_pass_and_unknown_keys_do():
    """What only server and receiver may set is taken out, whoever sets it."""
    desk = Desk()
    result_of(
        desk.take(
            secret=None,
            seq=99,
            redelivered=True,
            stale=True,
            client_address="x",
            colour=["red"],
            topic="a.b",
            retain=True,
        )
    )
    (struct,) = desk.structs()
    assert struct["colour"] == ["red"]
    assert (struct["topic"], struct["retain"], struct["seq"]) == ("a.b", True, 1)
    for name in ("token", "secret", "redelivered", "stale", "client_address"):
        assert name not in struct


def test_data_pass_as_the_bytes_that_they_came_in():
    """A relay does not write again what it need not look at."""
    desk = Desk()
    encoded = encode_value(5)._replace(xml=b"<value><int>+0005</int></value>")
    result_of(desk.take(encoded))
    assert encoded.xml in desk.entries()[0].xml


def test_a_duplicate_is_answered_the_same_and_kept_once():
    """Sending again is always safe."""
    desk = Desk()
    first = result_of(desk.take(id="m1"))
    assert result_of(desk.take(id="m1")) == first
    assert len(desk.entries()) == 1


@pytest.mark.parametrize("other", [{"data": 2}, {"topic": "t"}, {"retain": True}])
def test_the_same_id_with_another_content_is_a_fault(other):
    """Ids are made once for each message."""
    desk = Desk()
    result_of(desk.take(id="m1"))
    with pytest.raises(ConflictingDuplicate):
        result_of(desk.take(id="m1", **other))
    assert len(desk.entries()) == 1


def test_what_the_journal_refused_was_not_here():
    """The next try is a first one, and is kept."""
    desk = Desk()
    append, desk.room.journal.append = desk.room.journal.append, lambda m: fail(QueueFull("full"))
    with pytest.raises(QueueFull):
        result_of(desk.take(id="m1"))
    desk.room.journal.append = append
    assert result_of(desk.take(id="m1"))["seq"] == 1


def test_a_duplicate_waits_until_the_first_is_safe():
    """Nobody is answered for a message that is not in the journal yet."""
    desk = Desk()
    append, writing = desk.room.journal.append, []

    def slowly(message):
        deferred = Deferred()
        writing.append((deferred, message))
        return deferred

    desk.room.journal.append = slowly
    first, second = desk.take(id="m1"), desk.take(id="m1")
    assert len(writing) == 1
    assert not second.called
    first.cancel()
    with pytest.raises(Gone, match="was cancelled"):
        result_of(first)
    deferred, message = writing[0]
    deferred.callback(result_of(append(message)))
    assert result_of(second)["seq"] == 1
    desk.room.journal.append = append
    assert result_of(desk.take(id="m1"))["seq"] == 1


@pytest.mark.parametrize(
    ("struct", "where"),
    [
        ({"data": None, "x": 1}, "data"),
        ({"id": ""}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"id": 5}, "id"),
        ({"time": "now"}, "time"),
        ({"time": True}, "time"),
        ({"topic": ""}, "topic"),
        ({"topic": "x" * 256}, "topic"),
        ({"topic": 5}, "topic"),
    ],
)
def test_a_message_with_a_mistake_is_refused(struct, where):
    """The fault names the member, and nothing is kept."""
    desk = Desk()
    with pytest.raises(InvalidParams, match=where):
        result_of(desk.take(**struct))
    assert desk.entries() == []


def test_hops_count_from_relays_only():
    """What another host writes there is dropped; a relay's list is bounded."""
    desk = Desk()
    result_of(desk.take(hops=["a"]))
    assert "hops" not in desk.structs()[0]
    relay = desk.room.register("10.0.0.4", roles=["relay"], level=Level.ADMIN, callback=False)

    def pass_on(hops, **more):
        passed = {"via": relay["host_id"], "host_id": "far@10.9.9.9:2004", "ip": "10.0.0.4", **more}
        return result_of(desk.room.relay(relay, hops=hops, **passed))

    pass_on(["a", "b"])
    assert desk.structs()[1]["hops"] == ["a", "b", desk.room.relay_id]
    assert desk.structs()[1]["host_id"] == "far@10.9.9.9:2004"
    with pytest.raises(HopLimit):
        pass_on(["r"] * 16)
    with pytest.raises(InvalidParams, match="hops"):
        pass_on([5])
    with pytest.raises(Spoofed, match="roles"):
        pass_on(["a"], via=desk.answer["host_id"], token=desk.answer["token"], ip="10.0.0.2")


def test_one_that_has_come_round_is_answered_and_not_kept():
    """A relay knows its own mark among the hops."""
    desk = Desk()
    relay = desk.room.register("10.0.0.4", roles=["relay"], level=Level.ADMIN, callback=False)
    passed = {"via": relay["host_id"], "host_id": "far@10.9.9.9:2004", "ip": "10.0.0.4"}
    answer = result_of(desk.room.relay(relay, id="m1", hops=["a", desk.room.relay_id], **passed))
    assert answer == {"id": "m1", "seq": 0, "recipients": 0}
    assert desk.entries() == []


def test_the_first_relay_notes_which_message_was_before():
    """Only where there are other relays: `after` and `hops` are between those."""
    desk = Desk()
    result_of(desk.take(id="m0"))
    desk.room.register("10.0.0.4", roles=["relay"], level=Level.ADMIN, callback=False)
    for name in ("m1", "m2"):
        result_of(desk.take(id=name))
    assert [one.get("after") for one in desk.structs()] == [None, "m0", "m1"]
    assert [one.get("hops") for one in desk.structs()] == [None, *[[desk.room.relay_id]] * 2]
    result_of(desk.take(id="m0"))
    result_of(desk.take(id="m3"))
    assert desk.structs()[3]["after"] == "m2", "a repeated one was taken for the last"


def test_one_that_could_not_be_kept_keeps_its_place():
    """Its next try names the same message before it, and later ones name it."""
    desk = Desk()
    desk.room.register("10.0.0.4", roles=["relay"], level=Level.ADMIN, callback=False)
    result_of(desk.take(id="m1"))
    append, desk.room.journal.append = desk.room.journal.append, lambda m: fail(QueueFull("full"))
    with pytest.raises(QueueFull):
        result_of(desk.take(id="m2"))
    desk.room.journal.append = append
    for name in ("m2", "m3"):
        result_of(desk.take(id=name))
    assert [one.get("after") for one in desk.structs()] == [None, "m1", "m2"]
    assert desk.structs()[1]["hops"] == [desk.room.relay_id]


def test_one_that_sends_too_much_is_refused_and_others_are_not():
    """The limit is each host's own."""
    desk = Desk(message_rate=1.0, message_burst=2)
    for number in range(2):
        result_of(desk.take(number))
    with pytest.raises(RateLimited):
        result_of(desk.take(3))
    assert len(desk.entries()) == 2
    other = desk.room.register("10.0.0.3", callback=False)
    assert result_of(desk.room.relay(other))["seq"] == 3


def test_a_host_that_sends_is_there():
    """Every message renews its author's lease."""
    desk = Desk()
    presence = desk.room.presence(desk.answer)
    desk.room.clock.advance(30.0)
    result_of(desk.take())
    assert presence.lease_until == 90.0
