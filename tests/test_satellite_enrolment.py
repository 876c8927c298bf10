"""co2.satellite.enrolment: registered, and staying so whatever happens to the relay."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from co2.delivery.backoff import Backoff
from co2.errors import Denied, NotRegistered
from co2.interfaces import IClockedWork
from co2.model.hosts import Address
from co2.satellite.enrolment import Enrolment, EnrolmentState
from co2.testing.network import MemoryNetwork
from co2.testing.samples import result_of
from co2.wire.xmlrpc import decode_call, encode_fault, encode_reply

pytestmark = pytest.mark.usefixtures("logged_failures")

RELAY = Address("10.0.0.1", 2004)
LEASE = 60.0


class Relay:
    """Answers registrations, and remembers what it was asked."""

    def __init__(self):
        self.network = MemoryNetwork()
        self.clock = self.network.clock
        self.asked: list[tuple[str, dict]] = []
        self.answers: list = []
        self.register = {"host_id": "me@10.0.0.2:2004", "token": "t" * 16, "lease": LEASE}
        self.enrolled: list[dict] = []
        self.start()
        self.enrolment = Enrolment(
            self.network.peer(RELAY),
            self.clock,
            Backoff(lambda: 0.999999, first=1.0, longest=8.0),
            lambda: {"port": 2004},
            self.enrolled.append,
            timeout=5.0,
        )

    def start(self):
        self.network.attach(RELAY, self.answer)

    def stop(self):
        self.network.detach(RELAY)

    def answer(self, body, claim):
        call = decode_call(body)
        self.asked.append((call.method, call.params[0]))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, bytes | Deferred):
            return answer
        if isinstance(answer, Exception):
            return encode_fault(answer.as_fault())
        return encode_reply(self.register if call.method == "relay.register" else True)

    def pass_time(self, seconds):
        self.clock.pass_time(seconds)

    def take(self):
        """Forget what was asked, and give the names."""
        asked, self.asked = self.asked, []
        return [method for method, _ in asked]

    def timers(self):
        return [call for call in self.clock.getDelayedCalls() if "Enrolment" in str(call)]


def enrolled():
    relay = Relay()
    relay.enrolment.start()
    relay.pass_time(0.1)
    assert relay.take() == ["relay.register"]
    return relay


def test_it_provides_the_interface():
    """It is work by the clock, started and stopped by a service."""
    verifyObject(IClockedWork, Relay().enrolment)


def test_it_registers_and_tells():
    """The relay's answer goes to whoever brings messages there."""
    relay = enrolled()
    assert relay.enrolment.state is EnrolmentState.ENROLLED
    assert relay.enrolled == [relay.register]
    assert relay.enrolment.host_id == "me@10.0.0.2:2004"


def test_it_renews_thrice_in_a_lease():
    """Two renewals may be lost before the lease ends."""
    relay = enrolled()
    relay.pass_time(LEASE)
    assert relay.take() == ["relay.renew"] * 3
    relay.pass_time(LEASE / 3)
    assert relay.asked[0][1] == {"host_id": "me@10.0.0.2:2004", "token": "t" * 16}


def test_a_relay_that_is_away_is_tried_with_backoff():
    """The waits double; when it is there again the host is registered within one of them."""
    relay = Relay()
    relay.stop()
    relay.enrolment.start()
    relay.pass_time(20.0)
    assert relay.enrolment.state is EnrolmentState.WAITING
    assert "nothing listens" in relay.enrolment.trouble
    relay.start()
    relay.pass_time(8.1)
    assert relay.take() == ["relay.register"]
    assert relay.enrolment.trouble == ""


def test_a_relay_that_does_not_answer_is_tried_again():
    """Its time for an answer is limited."""
    relay = Relay()
    relay.answers = [Deferred()]
    relay.enrolment.start()
    relay.pass_time(6.2)
    assert relay.take() == ["relay.register"] * 2
    assert relay.enrolment.state is EnrolmentState.ENROLLED


def test_a_relay_that_has_forgotten_the_host_gets_it_again_at_once():
    """NotRegistered at a renewal is answered by a registration."""
    relay = enrolled()
    relay.answers = [NotRegistered("who?")]
    relay.pass_time(LEASE / 3 + 0.1)
    assert relay.take() == ["relay.renew", "relay.register"]
    assert len(relay.enrolled) == 2


def test_a_renewal_without_an_answer_waits_and_registers():
    """A lost relay is not asked in a loop."""
    relay = enrolled()
    relay.stop()
    relay.pass_time(LEASE / 3 + 0.1)
    assert relay.enrolment.state is EnrolmentState.WAITING
    relay.start()
    relay.pass_time(1.1)
    assert relay.take() == ["relay.register"]


def test_a_renewal_that_times_out_waits_too():
    """No answer is no answer, whatever the reason."""
    relay = enrolled()
    relay.answers = [Deferred()]
    relay.pass_time(LEASE / 3 + 5.1)
    assert relay.take() == ["relay.renew"]
    assert relay.enrolment.state is EnrolmentState.WAITING
    relay.pass_time(1.0)
    assert relay.take() == ["relay.register"]


def test_a_refused_registration_is_tried_again_and_says_why():
    """The fault's text is the trouble that `system.get_properties` can show."""
    relay = Relay()
    relay.answers = [Denied("relay.register needs call"), None]
    relay.enrolment.start()
    relay.pass_time(0.1)
    assert "needs call" in relay.enrolment.trouble
    relay.pass_time(1.0)
    assert relay.enrolment.state is EnrolmentState.ENROLLED


@pytest.mark.parametrize(
    "answer",
    [
        encode_reply(True),
        encode_reply({}),
        encode_reply({"token": "t"}),
        encode_reply({"host_id": "x", "token": 5}),
        b"<html>",
        b"",
    ],
)
def test_what_is_no_relays_answer_is_tried_again_after_a_wait(answer):
    """Another server at that address is not asked in a loop, and harms nothing."""
    relay = Relay()
    relay.answers = [answer]
    relay.enrolment.start()
    relay.pass_time(0.5)
    assert relay.take() == ["relay.register"]
    assert relay.enrolment.state is EnrolmentState.WAITING
    relay.pass_time(1.0)
    assert relay.enrolment.state is EnrolmentState.ENROLLED


def test_a_mistake_in_who_is_told_is_logged_and_not_repeated_in_a_loop(logged_failures):
    """A bug of ours costs one registration a wait, not all of the machine."""
    relay = Relay()
    relay.enrolment._enrolled = lambda answer: 1 / 0
    relay.enrolment.start()
    relay.pass_time(3.5)
    assert len(relay.take()) <= 4
    assert logged_failures.take(ZeroDivisionError)


def test_whoever_doubts_may_ask_for_a_registration():
    """`register_again` registers at once, and only one request is under way."""
    relay = enrolled()
    relay.enrolment.register_again()
    relay.enrolment.register_again()
    relay.pass_time(0.1)
    assert relay.take() == ["relay.register"]
    assert len(relay.timers()) == 1


def test_a_renewal_under_way_does_not_disturb_a_registration():
    """Its late failure is nobody's business any more."""
    relay = enrolled()
    relay.answers = [Deferred()]
    relay.pass_time(LEASE / 3 + 0.1)
    relay.enrolment.register_again()
    relay.pass_time(0.1)
    assert relay.take() == ["relay.renew", "relay.register"]
    relay.pass_time(6.0)
    assert relay.enrolment.state is EnrolmentState.ENROLLED
    assert len(relay.timers()) == 1


def test_a_lease_of_nothing_does_not_make_a_loop():
    """A relay that says 0 is still asked only now and then."""
    relay = Relay()
    relay.register["lease"] = 0
    relay.enrolment.start()
    relay.pass_time(1.0)
    assert len(relay.take()) <= 12


def test_it_says_goodbye():
    """The relay need not find out by itself, and is not asked any more."""
    relay = enrolled()
    stopped = relay.enrolment.stop()
    relay.pass_time(0.1)
    assert relay.asked[0][1]["leaving"] is True
    assert result_of(stopped) is None
    relay.pass_time(LEASE)
    assert relay.take() == ["relay.renew"]
    assert relay.clock.getDelayedCalls() == []


def test_goodbye_does_not_wait_for_long():
    """A relay that does not answer cannot keep a host from stopping."""
    relay = enrolled()
    relay.answers = [Deferred()]
    stopped = relay.enrolment.stop()
    relay.pass_time(2.1)
    assert result_of(stopped) is None


@pytest.mark.parametrize("there", [True, False])
def test_stopping_while_it_registers_leaves_nothing(there):
    """Neither a timer nor a request is left."""
    relay = Relay()
    if not there:
        relay.stop()
    relay.answers = [Deferred()]
    relay.enrolment.start()
    relay.pass_time(0.5)
    stopped = relay.enrolment.stop()
    relay.pass_time(0.5)
    assert result_of(stopped) is None
    assert relay.enrolled == []
    assert relay.clock.getDelayedCalls() == []
