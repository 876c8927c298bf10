"""co2.satellite.outbox: what plugins send is kept, brought in order, and its outcome told once."""

from __future__ import annotations

import threading

import pytest
from twisted.internet.defer import succeed

from co2.delivery.journal import MemoryJournal
from co2.errors import LocalError, PluginRaised, QueueFull, ShuttingDown, UnsupportedValue
from co2.model.sent import Sent
from co2.satellite.outbox import Outbox, struct_for_plugins
from co2.testing.bench import RecordingCourier
from co2.testing.clock import ClockReactor
from co2.testing.samples import result_of

pytestmark = pytest.mark.usefixtures("logged_failures")


class Office:
    """An outbox with couriers that bring when they are told to."""

    def __init__(self, destinations=("relay",), most=100, opened=True):
        self.reactor = ClockReactor()
        self.here: list = []
        self.journal = MemoryJournal("j", most, 1 << 20, outgoing=True)
        self.ids = iter(f"{number:026d}" for number in range(1, 1000))
        self.asked: list = []
        self.outbox = Outbox(
            "me",
            self.journal,
            self.reactor,
            self.ids.__next__,
            lambda: 99.5,
            self.here.append,
            self._ask,
        )
        self.couriers = {}
        for name in destinations:
            self.couriers[name] = RecordingCourier(self.journal, self._settled(name))
            self.outbox.add_courier(name, self.couriers[name])
        if opened:
            self.outbox.open()

    def _ask(self, sent):
        self.asked.append(sent.id)
        return succeed([{"state": "delivered"}])

    def _settled(self, name):
        return lambda entry, answer: self.outbox.settled(name, entry, answer)

    def send(self, data=1, topic=None, local=False, retain=False, **more):
        return self.outbox.send({"data": data, **more}, topic, local, retain)

    def hold(self):
        for courier in self.couriers.values():
            courier.pause()

    def brought(self, name="relay"):
        return [struct["data"] for struct in self.couriers[name].brought]


def test_a_message_is_what_the_author_said_and_what_the_server_knows():
    """Id and time are the server's; topic, retain and further members travel."""
    office = Office()
    office.send({"a": (1, 2)}, topic="x.y", retain=True, colour="red")
    (struct,) = office.couriers["relay"].brought
    assert struct["data"] == {"a": [1, 2]}
    assert (struct["topic"], struct["retain"], struct["colour"]) == ("x.y", True, "red")
    assert (struct["id"], struct["time"]) == ("0" * 25 + "1", 99.5)


@pytest.mark.parametrize("name", ["id", "host_id", "time", "seq", "hops", "token", "redelivered"])
def test_what_the_server_sets_a_plugin_cannot(name):
    """A plugin's own value for such a member does not travel."""
    office = Office()
    office.send(**{name: "forged"})
    assert office.couriers["relay"].brought[0].get(name) != "forged"


@pytest.mark.parametrize(
    "message", [{}, {"date": 1}, None, "text", [("data", 1)]], ids=["empty", "typo", "n", "s", "l"]
)
def test_a_message_is_a_dict_with_data(message):
    """Anything else is an error in the plugin, said where it is made."""
    with pytest.raises(UnsupportedValue, match="data"):
        Office().outbox.send(message, None, False, False)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"data": {"x": [1, object()]}}, r"data\.x\[1\]"),
        ({"data": "\x00"}, "data"),
        ({"note": 2**70}, "note"),
        ({"\x01": 1}, "U[+]0001"),
        ({"topic": ""}, "topic"),
        ({"topic": "a" * 256}, "topic"),
        ({"topic": "a\x00"}, "topic"),
        ({"topic": 5}, "topic"),
    ],
)
def test_what_cannot_travel_is_refused_where_it_is_sent(options, where):
    """The text names the path, and nothing was sent; later ones are not harmed."""
    office = Office()
    with pytest.raises(UnsupportedValue, match=where):
        office.send(**options)
    office.send(2)
    assert office.brought() == [2]


def test_a_name_that_is_no_text_is_refused():
    """A struct has names; a number is none."""
    with pytest.raises(UnsupportedValue):
        Office().outbox.send({"data": 1, 5: 2}, None, False, False)


def test_what_was_sent_early_goes_first():
    """Messages from a plugin's `__init__` are kept until the destinations are known."""
    office = Office(opened=False)
    early = [office.send(number) for number in (1, 2)]
    assert not early[0].settled
    office.outbox.open()
    office.send(3)
    assert office.brought() == [1, 2, 3]
    assert early[1].wait(0)["recipients"] == 1


def test_the_value_is_taken_when_it_is_sent():
    """What the plugin does to its dict afterwards changes nothing."""
    office = Office(opened=False)
    data = {"n": 1}
    office.send(data)
    data["n"] = 2
    office.outbox.open()
    assert office.brought() == [{"n": 1}]


def test_without_a_destination_it_is_settled_at_once():
    """A host without relay and peers sends to nobody, and says so."""
    office = Office(destinations=())
    assert office.send().wait(0) == {"id": "0" * 25 + "1", "recipients": 0}


def test_it_is_settled_when_every_destination_has_it():
    """Relay and peers are added up; the relay's number is told."""
    office = Office(destinations=("relay", "10.0.0.2:2004"))
    office.hold()
    sent = office.send()
    office.couriers["relay"].resume()
    assert not sent.settled
    assert len(office.outbox) == 1
    office.couriers["10.0.0.2:2004"].resume()
    assert sent.wait(0) == {"id": sent.id, "recipients": 2, "seq": 1}
    assert len(office.outbox) == 0


def test_what_is_settled_leaves_the_journal():
    """The slowest destination is the bound, and not more than that is kept."""
    office = Office(destinations=("relay", "peer"))
    office.couriers["peer"].pause()
    for number in range(5):
        office.send(number)
    assert len(office.journal) == 5
    office.couriers["peer"].resume()
    assert len(office.journal) == 0


def test_a_refusal_is_the_outcome():
    """What a destination refused for good is raised to whoever waits."""
    office = Office()
    office.couriers["relay"]._settled = lambda entry, answer: office.outbox.settled(
        "relay", entry, PluginRaised("no")
    )
    sent = office.send()
    with pytest.raises(PluginRaised):
        sent.wait(0)


def test_a_full_journal_refuses_the_message_and_keeps_the_others():
    """The `Sent` tells; `send` itself does not raise for it."""
    office = Office(most=2)
    office.hold()
    kept = [office.send(1), office.send(2)]
    with pytest.raises(QueueFull):
        office.send(3).wait(0)
    office.couriers["relay"].resume()
    assert office.brought() == [1, 2]
    assert all(sent.settled for sent in kept)


def test_who_waits_may_send_the_next_into_a_full_journal():
    """Room is made before the outcome is told."""
    office = Office(most=1)
    office.hold()
    sent = office.send(1)
    following: list[Sent] = []
    sent.as_deferred().addCallback(lambda _: following.append(office.send(2)))
    office.couriers["relay"].resume()
    assert office.brought() == [1, 2]
    assert following[0].settled


def test_threads_send_in_their_order():
    """`send` in another thread returns at once; the reactor's thread takes the message."""
    office = Office()
    sents: list[Sent] = []
    thread = threading.Thread(target=lambda: sents.extend(office.send(n) for n in range(5)))
    thread.start()
    thread.join()
    assert office.brought() == []
    office.reactor.advance(0)
    assert office.brought() == [0, 1, 2, 3, 4]
    assert all(sent.settled for sent in sents)


def test_local_messages_go_to_the_own_plugins_too():
    """With local=True they get what everybody gets, and not the sender's own object."""
    office = Office()
    data = {"t": (1, 2)}
    office.send(data, local=True)
    office.send("not here")
    (message,) = office.here
    struct = struct_for_plugins(message)
    assert struct["data"] == {"t": [1, 2]}
    assert struct["data"] is not data


def test_closing_tells_whoever_waits():
    """No `Sent` is left open: not of what is pending, early, or sent afterwards."""
    office = Office()
    office.hold()
    pending = office.send()
    early_office = Office(opened=False)
    early = early_office.send()
    result_of(office.outbox.close())
    result_of(early_office.outbox.close())
    for sent in (pending, early, office.send(), early_office.send()):
        with pytest.raises(ShuttingDown):
            sent.wait(0)


def test_what_a_courier_tells_after_the_end_is_ignored():
    """A late answer of a message that was given up harms nothing."""
    office = Office()
    office.hold()
    office.send()
    entry = office.journal.read(0, 1)[0]
    result_of(office.outbox.close())
    office.outbox.settled("relay", entry, {})


def test_waiting_in_the_reactors_thread_is_refused():
    """It would wait for itself."""
    office = Office()
    office.hold()
    with pytest.raises(LocalError, match="await"):
        office.send().wait(1)


def test_what_cannot_be_brought_is_not_waited_for():
    """At the end a destination counts that answers, or that has not failed a few times yet."""
    office = Office(["relay", "there", "away"])
    assert office.outbox.is_brought()
    office.hold()
    office.send()
    office.couriers["away"].tries = 2
    office.couriers["there"].resume()
    assert not office.outbox.is_brought(["relay"])
    office.couriers["away"].tries = 3
    assert not office.outbox.is_brought()
    assert office.outbox.is_brought(["relay"])
