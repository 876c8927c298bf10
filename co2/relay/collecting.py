"""`relay.collect` and `relay.answer`: for hosts that nobody can connect to.

Such a host asks, and the answer waits until there is something for it: messages after those that it
has acknowledged, and calls that others make to it (`call_box`). Its cursor moves by what it
acknowledges, so a lost answer is given again. One request waits at a time for a host; a newer one
sends the older one home empty.

A host whose plugins are slow asks for more before they are done: what it has in hand (`have`) is
not given again, and not acknowledged either. A desk remembers what was given at it and is not
acknowledged, without the messages' content, and gives no more than so many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from co2.errors import Fault as FaultValue
from co2.errors import Gone, ShuttingDown, remote_error
from co2.interfaces import IJournal
from co2.model.calls import Caller, Encoded
from co2.model.messages import Entry
from co2.relay.call_box import CallBox
from co2.relay.collect_request import CollectRequest, read_request
from co2.relay.desk import Desk
from co2.relay.errand import Errand
from co2.relay.presence import Presence
from co2.wire.xmlrpc import encode_members

_MOST_BYTES = 1024 * 1024
_MOST_IN_HAND = 1000
_LONGEST_WAIT = 60.0
_STRETCH = 512
"""Entries that are passed over until others have their turn: some milliseconds, from a file."""

_STRETCHES_BACK = 20
"""Of those, when a relay was started again: a tenth of a second, from a file."""

_REDELIVERED = encode_members({"redelivered": True})


class Collecting:
    """See the module.

    Args:
        journal: has the messages.
        clock: for waiting.
        make_id: names calls.
    """

    def __init__(self, journal: IJournal, clock: IReactorTime, make_id: Callable[[], str]) -> None:
        self._journal = journal
        self._clock = clock
        self._make_id = make_id
        self._desks: dict[str, Desk] = {}
        self._closed = False

    # -- collecting ----------------------------------------------------------------------------

    async def collect(
        self,
        presence: Presence,
        errand: Errand,
        request: Mapping[str, Any],
        longest: float = _LONGEST_WAIT,
    ) -> dict[str, Any]:
        """Give what has come for a host; see PROTOCOL section 4.

        Args:
            presence: the host, proven.
            errand: what is for it.
            request: `{'after', 'max'?, 'wait'?: seconds, 'receipts'?: [{'seq', 'plugins'}],
                'journal_id'?: of these numbers, 'heard'?: [number of a call]}`.
            longest: seconds that it may wait at most.
        """
        desk = self._desk(presence)
        asked = read_request(request, min(longest, _LONGEST_WAIT)).in_journal(
            self._journal.journal_id, self._journal.last_seq, desk.handed
        )
        desk.end_wait(False)
        desk.calls.begin_request(asked.heard)
        if desk.first:
            desk.first = False
            self._remember(presence, desk, errand, max(asked.after, asked.have))
        self._acknowledge(presence, desk, errand, asked)
        until = self._clock.seconds() + asked.wait
        begin = max(presence.cursor, asked.have)
        answer, more = self._gather(presence, desk, errand, asked, begin)
        while not answer["messages"] and not answer["calls"] and not self._closed:
            left = 0.0 if more else until - self._clock.seconds()
            if left <= 0 and not more:
                break
            if not await desk.wait(self._clock, left, more):
                break
            answer, more = self._gather(presence, desk, errand, asked, answer["after"])
        return answer

    def wake(self) -> None:
        """Notice that the journal has grown."""
        for desk in list(self._desks.values()):
            desk.end_wait(True)

    def close(self) -> None:
        """Send home everybody who waits; nobody waits from here on."""
        self._closed = True
        for desk in list(self._desks.values()):
            desk.end_wait(False)
            desk.calls.fail_all(ShuttingDown("this relay stops", retry_after=2.0))

    def drop(self, presence: Presence) -> None:
        """Forget a host that is gone; calls to it fail."""
        desk = self._desks.pop(presence.random, None)
        if desk is not None:
            desk.end_wait(False)
            desk.calls.fail_all(Gone("the satellite is not registered any more"))

    def _desk(self, presence: Presence) -> Desk:
        desk = self._desks.get(presence.random)
        if desk is None:
            desk = self._desks[presence.random] = Desk(CallBox(self._clock))
        return desk

    def _remember(self, presence: Presence, desk: Desk, errand: Errand, upto: int) -> None:
        """Note what an earlier run of this relay gave: the host will say what became of it.

        Of a stretch so long that others would notice the rest is left; it counts as taken.
        """
        last = presence.settled
        for _ in range(_STRETCHES_BACK):
            if last >= upto or desk.in_hand(upto) >= _MOST_IN_HAND:
                break
            entries = self._journal.read(last, _STRETCH)
            if not entries:
                break
            last = entries[-1].seq
            for entry in entries:
                if entry.seq <= upto and errand.wants(entry):
                    desk.note(entry, errand.refuses(entry))

    def _acknowledge(
        self, presence: Presence, desk: Desk, errand: Errand, asked: CollectRequest
    ) -> None:
        upto = asked.after
        for entry, refused in desk.take(upto):
            # While a host is called it may have had by the courier what it collected before.
            if entry.seq > presence.settled:
                errand.settled(entry, refused or asked.receipts.get(entry.seq, {}))
        if presence.courier is None:
            presence.cursor = max(presence.cursor, upto)
        if desk.greeting is not None and asked.after >= desk.greeted_with:
            desk.greeting = None
            errand.greeted()

    def _gather(
        self, presence: Presence, desk: Desk, errand: Errand, asked: CollectRequest, begin: int
    ) -> tuple[dict[str, Any], bool]:
        """Give an answer from behind `begin`, and whether more was not looked at yet."""
        messages: list[Encoded] = []
        last, more = max(begin, presence.settled), False
        # Whom a courier brings its messages, because it can be called after all, gets none here.
        if presence.courier is None:
            messages = self._greet(presence, desk, errand, asked)
            greets = bool(messages)
            last, more = self._read_on(presence, desk, errand, last, asked.most, messages)
            desk.handed = max(desk.handed, last)
            presence.reached = max(presence.reached, desk.handed)
            if greets:
                # The greeting has no numbers of its own: it is acknowledged with what goes with it.
                desk.greeted_with = last
            if not messages and desk.gave_nothing:
                self._pass_over(presence, desk, errand, last)
        calls = desk.calls.hand_out(asked.heard)
        answer = {"messages": messages, "calls": calls, "after": last}
        return {**answer, "journal_id": self._journal.journal_id}, more

    def _greet(
        self, presence: Presence, desk: Desk, errand: Errand, asked: CollectRequest
    ) -> list[Encoded]:
        in_hand = desk.greeting is not None and asked.have >= desk.greeted_with
        if presence.greeted or in_hand:
            return []
        desk.greeting = desk.greeting or list(errand.greeting())
        presence.greeted = not desk.greeting
        return [self._write(presence, errand, entry, False) for entry in desk.greeting]

    def _read_on(
        self,
        presence: Presence,
        desk: Desk,
        errand: Errand,
        last: int,
        most: int,
        messages: list[Encoded],
    ) -> tuple[int, bool]:
        """Add what is for the host, from behind number `last`, to `messages`.

        Returns:
            the number up to which was looked, and whether it was only for others' sake that no
            further.
        """
        size, looked = 0, 0
        most = min(most, _MOST_IN_HAND - desk.in_hand(last))
        while len(messages) < most and size < _MOST_BYTES and looked < _STRETCH:
            entries = self._journal.read(last, max(most - len(messages), looked))
            if not entries:
                break
            self._notice_gap(desk, errand, last, entries[0].seq - 1)
            looked += len(entries)
            for entry in entries:
                if size >= _MOST_BYTES or len(messages) >= most:
                    break
                last = entry.seq
                if not errand.wants(entry):
                    continue
                refused = errand.refuses(entry)
                desk.note(entry, refused)
                if refused is None:
                    again = entry.seq <= presence.reached
                    messages.append(self._write(presence, errand, entry, again))
                    size += entry.size
        return last, looked >= _STRETCH

    def _pass_over(self, presence: Presence, desk: Desk, errand: Errand, last: int) -> None:
        """Move on over a stretch of which nothing can be given."""
        for entry, refused in desk.take(last):
            if refused is not None and entry.seq > presence.cursor:
                errand.settled(entry, refused)
        presence.cursor = max(presence.cursor, last)

    def _notice_gap(self, desk: Desk, errand: Errand, last: int, upto: int) -> None:
        gap = upto - max(last, desk.told_missed)
        if gap > 0:
            desk.told_missed = upto
            errand.missed(gap)

    def _write(self, presence: Presence, errand: Errand, entry: Entry, again: bool) -> Encoded:
        members = entry.xml if presence.registration.co2 else entry.xml_plain
        more = errand.adds(entry) + (_REDELIVERED if again else b"")
        xml = b"<value><struct>" + members + more + b"</struct></value>"
        return Encoded(xml, None, entry.nil_at, False)

    # -- calls ---------------------------------------------------------------------------------

    def call(
        self, presence: Presence, method: str, params: list[Any], caller: Caller, timeout: float
    ) -> Deferred[Any]:
        """Let a host that collects run a method; `timeout` in seconds.

        Raises:
            QueueFull: too many calls wait for it already.
        """
        desk = self._desk(presence)
        host = str(presence.registration.host_id)
        answer = desk.calls.put(self._make_id(), host, method, params, caller, timeout)
        desk.end_wait(True)
        return answer

    def answer(self, presence: Presence, request: Mapping[str, Any]) -> bool:
        """Take the answer of a call that was handed out: `{'call', 'result' | 'fault'}`.

        Raises:
            Gone: nobody waits for it (any more).
        """
        calls, number = self._desk(presence).calls, str(request.get("call"))
        fault = request.get("fault")
        if isinstance(fault, Mapping):
            code, text = fault.get("faultCode"), fault.get("faultString")
            said = FaultValue(code if isinstance(code, int) else 0, str(text))
            calls.fail(number, remote_error(said))
        else:
            calls.settle(number, request.get("result"))
        return True
