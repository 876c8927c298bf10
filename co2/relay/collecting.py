"""`relay.collect` and `relay.answer`: for hosts that nobody can connect to.

Such a host asks, and the answer waits until there is something for it: messages after those that it
has acknowledged, and calls that others make to it. Its cursor moves by what it acknowledges, so a
lost answer is given again. One request waits at a time for a host; a newer one sends the older one
home empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from co2.errors import Fault as FaultValue
from co2.errors import Gone, InvalidParams, QueueFull, ShuttingDown, TimedOut, remote_error
from co2.interfaces import IJournal
from co2.model.calls import Caller, Encoded
from co2.model.messages import Entry
from co2.relay.presence import Presence
from co2.wire.xmlrpc import encode_members

_MOST = 1000
_MOST_BYTES = 1024 * 1024
_LONGEST_WAIT = 60.0
_MOST_CALLS = 100
_REDELIVERED = encode_members({"redelivered": True})


@define(eq=False)
class _Call:
    """A call on its way to a host that collects."""

    number: str
    method: str
    params: list[Any]
    caller: Caller
    answer: Deferred[Any]
    handed: bool = False


@define(eq=False)
class _Desk:
    """What waits for one host, and the request that waits for it."""

    calls: dict[str, _Call] = field(factory=dict)
    waiting: Deferred[bool] | None = None
    timer: IDelayedCall | None = None
    greeting: list[Entry] | None = None
    greeted_with: int = 0
    handed: int = 0

    def forget(self, number: str) -> None:
        """Drop a call that nobody waits for any more."""
        self.calls.pop(number, None)


class Collecting:
    """See the module.

    Args:
        journal: has the messages.
        clock: for waiting.
        make_id: names calls.
        wants: tells whether an entry is for a satellite.
        extra: gives further members of an entry for a satellite, written.
        settled: told what a satellite says of a message that it has collected.
        greeting: gives the last values that a new satellite is to have first.
        greeted: told that it has them.
    """

    def __init__(
        self,
        journal: IJournal,
        clock: IReactorTime,
        make_id: Callable[[], str],
        wants: Callable[[Presence, Entry], bool],
        extra: Callable[[Presence, Entry], bytes],
        settled: Callable[[Presence, Entry, Any], None],
        greeting: Callable[[Presence], list[Entry]],
        greeted: Callable[[Presence], None],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._make_id = make_id
        self._wants = wants
        self._extra = extra
        self._settled = settled
        self._greeting = greeting
        self._greeted = greeted
        self._desks: dict[str, _Desk] = {}
        self._closed = False

    # -- collecting ----------------------------------------------------------------------------

    async def collect(
        self, presence: Presence, request: Mapping[str, Any], longest: float = _LONGEST_WAIT
    ) -> dict[str, Any]:
        """Give what has come for a host; see PROTOCOL section 4.

        Args:
            presence: the host, proven.
            request: `{'after', 'max'?, 'wait'?: seconds, 'receipts'?: [{'seq', 'plugins'}]}`.
            longest: seconds that it may wait at most.
        """
        most, wait = _read_bounds(request, longest)
        desk = self._desks.setdefault(presence.random, _Desk())
        self._end_wait(desk, False)
        self._acknowledge(presence, desk, request)
        until = self._clock.seconds() + wait
        answer = self._gather(presence, desk, most)
        while not answer["messages"] and not answer["calls"] and not self._closed:
            left = until - self._clock.seconds()
            if left <= 0 or not await self._wait(desk, left):
                break
            answer = self._gather(presence, desk, most)
        return answer

    def wake(self) -> None:
        """Notice that the journal has grown."""
        for desk in list(self._desks.values()):
            self._end_wait(desk, True)

    def close(self) -> None:
        """Send home everybody who waits; nobody waits from here on."""
        self._closed = True
        for desk in list(self._desks.values()):
            self._end_wait(desk, False)
            for call in list(desk.calls.values()):
                self._end(desk, call, ShuttingDown("this relay stops", retry_after=2.0))

    def drop(self, presence: Presence) -> None:
        """Forget a host that is gone; calls to it fail."""
        desk = self._desks.pop(presence.random, None)
        if desk is not None:
            self._end_wait(desk, False)
            for call in list(desk.calls.values()):
                self._end(desk, call, Gone("the satellite is not registered any more"))

    def _acknowledge(self, presence: Presence, desk: _Desk, request: Mapping[str, Any]) -> None:
        after = request.get("after", 0)
        if isinstance(after, bool) or not isinstance(after, int):
            raise InvalidParams("relay.collect: 'after' is not the number of the last message")
        receipts = {}
        for one in request.get("receipts") or ():
            if isinstance(one, Mapping) and isinstance(one.get("seq"), int):
                receipts[one["seq"]] = _read_receipt(one)
        # Only what was handed out by this relay can be acknowledged: numbers of another journal,
        # or of the time before a restart, say nothing here.
        upto = min(after, desk.handed)
        while presence.cursor < upto:
            entries = self._journal.read(presence.cursor, _MOST)
            entries = [entry for entry in entries if entry.seq <= upto]
            if not entries:
                presence.cursor = upto
                break
            for entry in entries:
                presence.cursor = entry.seq
                if self._wants(presence, entry):
                    self._settled(presence, entry, receipts.get(entry.seq, {}))
        if desk.greeting is not None and after >= desk.greeted_with:
            desk.greeting = None
            presence.greeted = True
            self._greeted(presence)

    def _gather(self, presence: Presence, desk: _Desk, most: int) -> dict[str, Any]:
        messages: list[Encoded] = []
        size = 0
        if not presence.greeted:
            desk.greeting = desk.greeting or self._greeting(presence)
            messages = [self._write(presence, entry, False) for entry in desk.greeting]
            presence.greeted = not messages
        greets = bool(messages)
        last = presence.cursor
        while len(messages) < most and size < _MOST_BYTES:
            entries = self._journal.read(last, most - len(messages))
            if not entries:
                break
            for entry in entries:
                if size >= _MOST_BYTES:
                    break
                last = entry.seq
                if self._wants(presence, entry):
                    messages.append(self._write(presence, entry, entry.seq <= presence.reached))
                    size += entry.size
        desk.handed = max(desk.handed, last)
        presence.reached = max(presence.reached, desk.handed)
        if greets:
            # The greeting has no numbers of its own: it is acknowledged with what goes with it.
            desk.greeted_with = last
        if not messages:
            presence.cursor = last
        calls = [_as_struct(call) for call in desk.calls.values() if not call.handed]
        for call in desk.calls.values():
            call.handed = True
        return {"messages": messages, "calls": calls, "after": last}

    def _write(self, presence: Presence, entry: Entry, again: bool) -> Encoded:
        members = entry.xml if presence.registration.co2 else entry.xml_plain
        more = self._extra(presence, entry) + (_REDELIVERED if again else b"")
        xml = b"<value><struct>" + members + more + b"</struct></value>"
        return Encoded(xml, None, entry.nil_at, False)

    async def _wait(self, desk: _Desk, seconds: float) -> bool:
        """Wait for a reason to look again; False if there is none: it goes home empty."""
        waiting: Deferred[bool] = Deferred()
        desk.waiting = waiting
        desk.timer = self._clock.callLater(seconds, self._end_wait, desk, False)
        try:
            return await waiting
        except CancelledError:
            if desk.waiting is waiting:
                self._end_wait(desk, False)
            raise

    def _end_wait(self, desk: _Desk, look: bool) -> None:
        waiting, desk.waiting = desk.waiting, None
        if desk.timer is not None and desk.timer.active():
            desk.timer.cancel()
        desk.timer = None
        if waiting is not None and not waiting.called:
            waiting.callback(look)

    # -- calls ---------------------------------------------------------------------------------

    def call(
        self, presence: Presence, method: str, params: list[Any], caller: Caller, timeout: float
    ) -> Deferred[Any]:
        """Let a host that collects run a method; `timeout` in seconds.

        Raises:
            QueueFull: too many calls wait for it already.
        """
        desk = self._desks.setdefault(presence.random, _Desk())
        if len(desk.calls) >= _MOST_CALLS:
            raise QueueFull(f"{_MOST_CALLS} calls wait for {presence.registration.host_id} already")
        number = self._make_id()
        answer: Deferred[Any] = Deferred(lambda _: desk.forget(number))
        call = _Call(number, method, params, caller, answer)
        desk.calls[call.number] = call
        late = TimedOut(f"{presence.registration.host_id} has not answered within {timeout:g} s")
        timer = self._clock.callLater(timeout, self._end, desk, call, late)

        def stop(result: Any) -> Any:
            if timer.active():
                timer.cancel()
            return result

        self._end_wait(desk, True)
        return answer.addBoth(stop)

    def answer(self, presence: Presence, request: Mapping[str, Any]) -> bool:
        """Take the answer of a call that was handed out: `{'call', 'result' | 'fault'}`.

        Raises:
            Gone: nobody waits for it (any more).
        """
        desk = self._desks.get(presence.random, _Desk())
        call = desk.calls.get(str(request.get("call")))
        if call is None:
            raise Gone("nobody waits for the answer of that call (any more)")
        fault = request.get("fault")
        if isinstance(fault, Mapping):
            code, text = fault.get("faultCode"), fault.get("faultString")
            error = remote_error(FaultValue(code if isinstance(code, int) else 0, str(text)))
            self._end(desk, call, error)
        else:
            desk.calls.pop(call.number, None)
            call.answer.callback(request.get("result"))
        return True

    def _end(self, desk: _Desk, call: _Call, error: Exception) -> None:
        if desk.calls.pop(call.number, None) is not None and not call.answer.called:
            call.answer.errback(error)


def _read_bounds(request: Mapping[str, Any], longest: float) -> tuple[int, float]:
    most, wait = request.get("max", 100), request.get("wait", 0)
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise InvalidParams("relay.collect: 'max' is not a number of messages above 0")
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not wait >= 0:
        raise InvalidParams("relay.collect: 'wait' is not a number of seconds")
    return min(most, _MOST), min(float(wait), longest, _LONGEST_WAIT)


def _read_receipt(one: Mapping[str, Any]) -> Any:
    """Give what `settled` is told: what the plugins said, or why the host refused the message."""
    refused = one.get("refused")
    if isinstance(refused, str) and refused:
        return remote_error(FaultValue(0, refused))
    return {"plugins": one.get("plugins") or {}}


def _as_struct(call: _Call) -> dict[str, Any]:
    return {
        "call": call.number,
        "method": call.method,
        "params": call.params,
        "caller": call.caller.as_struct(),
    }
