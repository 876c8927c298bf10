"""A courier brings the messages of a journal to one peer, in order, at the peer's own pace.

How it works. The courier remembers two numbers: `cursor`, the last message that is settled (the
peer answered for it, or it was not meant for the peer), and how far it has written ahead. It keeps
at most `window` messages in flight. Answers come in the order of the posts, so settling moves the
cursor by one message at a time. A message that is refused before it is sent takes its place in the
flight too, and is settled when its turn has come.

When the way fails, everything in flight is unsettled: the courier goes back to the cursor, waits
(backoff), and writes again from there. The peer drops by id what it had already taken, and what is
written a second time says `redelivered`. An answer that belongs to an earlier try is ignored, and
its post is cancelled, lest it arrive after all and overtake. After a failure one message goes ahead
alone, until one is settled: a peer that refuses it for now might take the ones behind it.

Invariants: no message is posted before an earlier one that is neither settled nor in flight; every
message that is wanted and not missed is settled once, in order; at most one timer runs; nothing is
posted while paused, waiting or closed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.delivery.outcomes import Flying, Refuses, Retry, Settled, retry_as_told
from co2.errors import DocumentError, Fault, TimedOut, TransportFailed, remote_error
from co2.interfaces import IBackoff, ICourier, IJournal, IPeer
from co2.model.messages import Entry
from co2.wire.xmlrpc import encode_members, read_reply, wrap_members

_REDELIVERED = encode_members({"redelivered": True})


class CourierState(Enum):
    """What a courier is doing."""

    PAUSED = "paused"
    SENDING = "sending"
    WAITING = "waiting"
    CLOSED = "closed"


@implementer(ICourier)
class Courier:
    """See the module.

    Args:
        journal: what to read from.
        peer: where to bring it.
        clock: for waiting.
        backoff: how long.
        method: what is called with each message: `notify` or `relay.relay`.
        members: further members, written after the message's own (a token).
        wants: which entries are for the peer; others are passed over silently.
        refuses: why an entry that is for the peer cannot be sent to it.
        settled: told of each that was brought, or could not be.
        missed: told how many the journal has forgotten before they were settled.
        retry: which faults are tried again.
        window: messages in flight; 1 for peers that take one request at a time.
        timeout: seconds for each to be answered.
        plain: write times in whole seconds, for peers that are not co2's.
        after: the cursor to begin at.
        reached: number of the last message that an earlier courier may have brought.
    """

    _log = Logger()

    def __init__(
        self,
        journal: IJournal,
        peer: IPeer,
        clock: IReactorTime,
        backoff: IBackoff,
        *,
        method: str,
        settled: Settled,
        after: int,
        members: bytes = b"",
        wants: Callable[[Entry], bool] = lambda entry: True,
        refuses: Refuses = lambda entry: None,
        missed: Callable[[int], None] = lambda count: None,
        retry: Retry = retry_as_told,
        window: int = 1,
        timeout: float = 10.0,
        plain: bool = False,
        reached: int = 0,
    ) -> None:
        self.state = CourierState.PAUSED
        self.cursor = after
        self.tries = 0
        self.trouble = ""
        self.reached = max(after, reached)
        self._journal = journal
        self._peer = peer
        self._clock = clock
        self._backoff = backoff
        self._method = method
        self._members = members
        self._wants = wants
        self._refuses = refuses
        self._missed = missed
        self._settled = settled
        self._retry = retry
        self._window = window
        self._timeout = timeout
        self._plain = plain
        self._written = after
        self._told_missed = after
        self._flight: deque[Flying] = deque()
        self._timer: IDelayedCall | None = None
        self._writing = False
        self._run = 0

    # -- what others ask of it ---------------------------------------------------------------

    @property
    def queued(self) -> int:
        """How many messages of the journal are not settled yet."""
        return max(0, int(self._journal.last_seq) - self.cursor)

    def readdress(self, members: bytes) -> None:
        """Write these members with every further message in place of the former ones."""
        self._members = members

    def resume(self) -> None:
        """Begin, or go on after a pause or before a wait is over."""
        if self.state in (CourierState.PAUSED, CourierState.WAITING):
            self._stop_timer()
            self.state = CourierState.SENDING
            self.wake()

    def pause(self) -> None:
        """Post nothing more until `resume`; what is in flight will be posted again."""
        if self.state is not CourierState.CLOSED:
            self.state = CourierState.PAUSED
            self._rewind()

    def wake(self) -> None:
        """Notice that the journal has grown."""
        # An answer may come while its post is being made; then the loop below goes on by itself.
        if self._writing:
            return
        self._writing = True
        try:
            while self.state is CourierState.SENDING and (room := self._room()) > 0:
                entries = self._journal.read(self._written, room)
                if not entries:
                    return
                self._write_ahead(entries)
        finally:
            self._writing = False

    def close(self) -> Deferred[None]:
        """Stop for good and close the peer's connection."""
        if self.state is not CourierState.CLOSED:
            self.state = CourierState.CLOSED
            self._rewind()
        return self._peer.close()

    # -- writing -------------------------------------------------------------------------------

    def _room(self) -> int:
        return (1 if self.tries else self._window) - len(self._flight)

    def _write_ahead(self, entries: list[Entry]) -> None:
        self._notice_gap(entries[0].seq - 1)
        run = self._run
        for entry in entries:
            self._written = entry.seq
            if not self._wants(entry):
                if not self._flight:
                    self.cursor = entry.seq
                continue
            flying = Flying(entry, self._refuses(entry))
            self._flight.append(flying)
            if flying.refused is None:
                self._post(flying)
            else:
                self._settle_refused()
            # A post that fails at once has sent this courier back to its cursor.
            if run != self._run:
                return

    def _notice_gap(self, upto: int) -> None:
        """Tell what the journal does not have any more, up to that number."""
        gap = upto - max(self._written, self._told_missed)
        if not self._flight:
            self.cursor = max(self.cursor, upto)
        if gap > 0:
            self._told_missed = upto
            self._missed(gap)

    def _post(self, flying: Flying) -> None:
        entry, run = flying.entry, self._run
        again = entry.seq <= self.reached
        self.reached = max(self.reached, entry.seq)
        parts = wrap_members(
            self._method,
            (
                entry.xml_plain if self._plain else entry.xml,
                self._members + _REDELIVERED if again else self._members,
            ),
        )
        # The post may notice that the connection is lost, which ends this run: so the run that an
        # answer belongs to is the one that its post was begun in.
        posted = self._peer.post(parts, self._timeout)
        flying.answer = posted.addCallbacks(
            self._answered, self._failed, callbackArgs=(run,), errbackArgs=(run,)
        )
        if run != self._run:
            flying.answer.cancel()

    # -- answers -------------------------------------------------------------------------------

    def _answered(self, body: bytes, run: int) -> None:
        if run != self._run:
            return
        try:
            reply = read_reply(body)
        except DocumentError as damage:
            self._fail(f"the answer is no XML-RPC: {damage.text}")
            return
        if not isinstance(reply, Fault):
            self._settle(reply)
            return
        error = remote_error(reply)
        wait = self._retry(error)
        if run != self._run:
            return
        if wait is None:
            self._settle(error)
        else:
            self._wait(wait, error.text)

    def _failed(self, failure: Failure, run: int) -> None:
        if run != self._run:
            return
        if not failure.check(TransportFailed, TimedOut, CancelledError):
            self._log.failure("posting to {address} failed", failure, address=self._peer.address)
        self._fail(str(failure.value))

    def _settle(self, outcome: Any) -> None:
        self.tries = 0
        self.trouble = ""
        self._backoff.reset()
        self._settle_foremost(outcome)
        self._settle_refused()
        self.wake()

    def _settle_refused(self) -> None:
        while self._flight and (refused := self._flight[0].refused) is not None:
            self._settle_foremost(refused)

    def _settle_foremost(self, outcome: Any) -> None:
        entry = self._flight.popleft().entry
        # What follows in the journal and is not wanted is settled with it.
        self.cursor = self._flight[0].entry.seq - 1 if self._flight else self._written
        try:
            self._settled(entry, outcome)
        except Exception:
            self._log.failure("what became of message {id} is lost", id=entry.message.id)

    def _fail(self, why: str) -> None:
        self._wait(self._backoff.next(), why)

    # -- waiting -------------------------------------------------------------------------------

    def _wait(self, seconds: float, why: str) -> None:
        self.tries += 1
        self.trouble = why
        self.state = CourierState.WAITING
        self._rewind()
        self._timer = self._clock.callLater(seconds, self._waited)

    def _waited(self) -> None:
        self._timer = None
        self.state = CourierState.SENDING
        self.wake()

    def _rewind(self) -> None:
        """Take back what is in flight: answers of this run are ignored from here on."""
        self._run += 1
        flight, self._flight = self._flight, deque()
        if flight:
            self.cursor = flight[0].entry.seq - 1
        self._written = self.cursor
        self._stop_timer()
        for flying in flight:
            if flying.answer is not None:
                flying.answer.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
