"""A host that collects, against a relay that is killed and answers that are lost, as chance has it.

Whatever happens: it gets every message that was answered for since it registered, in order, what
it gets again says `redelivered`, and the receipts say in the end what it said of each.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from relay_room import RelayRoom, a_caller
from twisted.internet.defer import ensureDeferred

from co2.model.calls import Level
from co2.testing.samples import result_of
from co2.wire.xmlrpc import decode_call, wrap_members

WHO = {"random": "collector", "secret": "s" * 22, "callback": False}


class CollectMachine(RuleBasedStateMachine):
    """See the module."""

    def __init__(self):
        super().__init__()
        self.room = RelayRoom().start()
        self.sender = self.room.register("10.0.0.9", callback=False, nick="sender")
        self.answered: list[int] = []
        self.seen: list[int] = []
        self.proof: dict[str, str] = {}
        self.journal: dict[str, str] = {}
        self.plain = False
        self.after = self.have = self.given = 0
        self.receipts: list[dict[str, object]] = []
        self.register()

    # -- the host ------------------------------------------------------------------------------

    def register(self):
        """Begin anew, as a host does that has been told of no number yet."""
        answer = self.room.register("10.0.0.2", **WHO)
        self.proof = {"host_id": answer["host_id"], "token": answer["token"]}
        self.journal = {"journal_id": answer["journal_id"]}
        self.after = self.have = 0

    def ask(self, most):
        request = {**self.proof, "after": self.after, "max": most, "receipts": self.receipts}
        if not self.plain:
            request |= {"have": self.have, **self.journal}
        answer = ensureDeferred(self.room.procedures.collect(a_caller("10.0.0.2"), request))
        return result_of(answer)

    def take(self, answer):
        for one in answer["messages"]:
            xml = one.xml[len(b"<value><struct>") : -len(b"</struct></value>")]
            (message,) = decode_call(b"".join(wrap_members("m", (xml,)))).params
            number = message["data"]
            assert message.get("redelivered") or number not in self.seen
            if number not in self.seen:
                assert number == len(self.seen)
                self.seen.append(number)
            said = "raised: no" if number % 3 == 0 else "ok"
            self.receipts.append({"seq": message["seq"], "plugins": {"p": said}})
        self.have = answer["after"]
        self.given = len(answer["messages"])

    # -- what happens --------------------------------------------------------------------------

    @rule(count=st.sampled_from([1, 2, 30]))
    def send(self, count):
        for _ in range(count):
            number = len(self.answered)
            result_of(self.room.relay(self.sender, number, id=f"m{number}"))
            self.answered.append(number)

    @initialize(plain=st.booleans())
    def be(self, plain):
        """Be the loop of docs/poll.md, or a satellite, which asks for more while it is at work."""
        self.plain = plain

    @rule(most=st.sampled_from([1, 3, 100]), done=st.booleans())
    def collect(self, most, done):
        """Ask; what is in hand is done with by then, or not yet."""
        if done or self.plain:
            self.after = self.have
        answer = self.ask(most)
        self.receipts = [one for one in self.receipts if one["seq"] > self.after]
        self.take(answer)

    @precondition(lambda self: self.have > self.after)
    @rule(most=st.sampled_from([1, 100]))
    def lose_answer(self, most):
        """The relay has heard the host, which does not know it, and begins anew."""
        self.after = self.have
        self.ask(most)
        self.register()

    @rule()
    def start_anew(self):
        """The host's process is started again; what it had in hand is given again."""
        self.receipts = []
        self.register()

    @rule()
    def kill_relay(self):
        """kill -9, and another on the same state."""
        self.room.server.kill()
        self.room = RelayRoom(self.room.store, self.room.network, **self.room.settings).start()

    @rule(seconds=st.sampled_from([0.01, 1.0, 20.0]))
    def pass_time(self, seconds):
        self.room.pass_time(seconds)

    def teardown(self):
        self.given = 1
        while self.given:
            self.collect(100, True)
        assert self.seen == self.answered
        for number in self.answered:
            request = {"id": f"m{number}", "host_id": self.sender["host_id"]}
            admin = a_caller("10.0.0.9", Level.ADMIN)
            (receipt,) = self.room.procedures.receipt(admin, request)
            assert receipt["state"] == ("raised" if number % 3 == 0 else "delivered")


TestCollectMachine = CollectMachine.TestCase
TestCollectMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
