"""A courier brings the messages of a journal to one peer, in order, at the peer's own pace.

How it works. The courier remembers two numbers: `cursor`, the last message that is settled (the
peer answered for it, or it was not meant for the peer), and how far it has written ahead. It keeps
at most `window` posts in flight; what waits meanwhile goes together in the next one, a
`system.multicall` of up to `batch` messages. Answers come in the order of the posts, so settling
moves the cursor by one message at a time. A message that is refused before it is sent takes its
place in the flight too, and is settled when its turn has come. A peer that does not take a whole
batch gets its messages one by one. The `greeting`, last values from before the peer came, goes
ahead of everything and moves no cursor.

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
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.delivery.outcomes import (
    Flying,
    Refuses,
    Retry,
    Settled,
    read_batch,
    retry_as_told,
)
from co2.errors import (
    DocumentError,
    Fault,
    JournalFailed,
    TimedOut,
    TransportFailed,
    remote_error,
)
from co2.interfaces import IBackoff, ICourier, IJournal, IPeer
from co2.model.messages import Entry
from co2.wire.limits import BATCH_LIMITS
from co2.wire.xmlrpc import encode_members, read_reply, wrap_batch, wrap_members

_MOST_BYTES = 256 * 1024
"""Of one batch, so that a large message waits for no other and memory stays bounded."""

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
        window: posts in flight; 1 for peers that take one request at a time.
        batch: messages in one post; 1 for peers that may not know `system.multicall`.
        extra: gives further members of one entry, written.
        greeting: entries that go first, and are not of the journal's stretch.
        greeted: told when the greeting is settled.
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
        batch: int = 1,
        extra: Callable[[Entry], bytes] = lambda entry: b"",
        greeting: Sequence[Entry] = (),
        greeted: Callable[[], None] = lambda: None,
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
        self._batch = batch
        self._extra = extra
        self._greeting = deque(greeting)
        self._greeted = greeted
        self._singly_to = 0
        self._greets_singly = False
        self._takes_batches = False
        self._posts = 0
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
            while self.state is CourierState.SENDING and self._posts < self._most_posts():
                if self._greeting:
                    self._greet()
                    continue
                entries = self._journal.read(self._written, self._most_entries())
                if not entries:
                    return
                self._write_ahead(entries)
        except JournalFailed as error:
            self._fail(error.text)
        finally:
            self._writing = False

    def close(self) -> Deferred[None]:
        """Stop for good and close the peer's connection."""
        if self.state is not CourierState.CLOSED:
            self.state = CourierState.CLOSED
            self._rewind()
        return self._peer.close()

    # -- writing -------------------------------------------------------------------------------

    def _most_posts(self) -> int:
        # Behind a batch that may be refused as such nothing goes ahead: it would overtake.
        unproven = self._batch > 1 and not self._takes_batches
        return 1 if self.tries or unproven else self._window

    def _most_entries(self) -> int:
        return 1 if self.tries or self._written < self._singly_to else self._batch

    def _greet(self) -> None:
        batch: list[Flying] = []
        most = 1 if self._greets_singly else self._most_entries()
        while self._greeting and len(batch) < most:
            flying = Flying(self._greeting.popleft(), None, greets=True)
            self._flight.append(flying)
            batch.append(flying)
        self._post(batch)

    def _write_ahead(self, entries: list[Entry]) -> None:
        self._notice_gap(entries[0].seq - 1)
        batch: list[Flying] = []
        size = 0
        for entry in entries:
            if size > _MOST_BYTES:
                break
            self._written = entry.seq
            if not self._wants(entry):
                if not self._flight:
                    self.cursor = entry.seq
                continue
            flying = Flying(entry, self._refuses(entry))
            self._flight.append(flying)
            if flying.refused is None:
                batch.append(flying)
                size += len(entry.xml)
        if batch:
            self._post(batch)
        else:
            self._settle_refused()

    def _notice_gap(self, upto: int) -> None:
        """Tell what the journal does not have any more, up to that number."""
        gap = upto - max(self._written, self._told_missed)
        if not self._flight:
            self.cursor = max(self.cursor, upto)
        if gap > 0:
            self._told_missed = upto
            self._missed(gap)

    def _post(self, batch: list[Flying]) -> None:
        run = self._run
        self._posts += 1
        written = [self._write(flying) for flying in batch]
        if len(batch) == 1:
            parts = wrap_members(self._method, written[0])
        else:
            parts = wrap_batch(self._method, written)
        # The post may notice that the connection is lost, which ends this run: so the run that an
        # answer belongs to is the one that its post was begun in.
        posted = self._peer.post(parts, self._timeout)
        answer = posted.addCallbacks(
            self._answered, self._failed, callbackArgs=(batch, run), errbackArgs=(run,)
        )
        batch[0].answer = answer
        if run != self._run:
            answer.cancel()

    def _write(self, flying: Flying) -> tuple[bytes, ...]:
        entry = flying.entry
        again = not flying.greets and entry.seq <= self.reached
        if not flying.greets:
            self.reached = max(self.reached, entry.seq)
        return (
            entry.xml_plain if self._plain else entry.xml,
            self._members,
            self._extra(entry) + (_REDELIVERED if again else b""),
        )

    # -- answers -------------------------------------------------------------------------------

    def _answered(self, body: bytes, batch: list[Flying], run: int) -> None:
        if run != self._run:
            return
        self._posts -= 1
        try:
            reply = read_reply(body, BATCH_LIMITS)
            replies = [reply] if len(batch) == 1 else read_batch(reply, len(batch))
        except DocumentError as damage:
            self._fail(f"the answer is no XML-RPC: {damage.text}")
            return
        if replies is None:
            # The peer refuses the batch as such: too much at once for it, or no multicall.
            self._greets_singly = True
            self._takes_batches = False
            if not batch[0].greets:
                self._singly_to = max(self._singly_to, batch[-1].entry.seq)
            self._rewind()
            self.wake()
            return
        self._takes_batches = self._takes_batches or len(batch) > 1
        for one in replies:
            if not self._take(one, run):
                return
        self.wake()

    def _take(self, reply: Any, run: int) -> bool:
        """Settle the foremost message by its reply; tell whether the run goes on."""
        if not isinstance(reply, Fault):
            self._settle(reply)
            return run == self._run
        error = remote_error(reply)
        wait = self._retry(error)
        if run != self._run:
            return False
        if wait is None:
            self._settle(error)
            return run == self._run
        self._wait(wait, error.text)
        return False

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
        self._settle_refused()
        self._settle_foremost(outcome)
        self._settle_refused()

    def _settle_refused(self) -> None:
        while self._flight and (refused := self._flight[0].refused) is not None:
            self._settle_foremost(refused)

    def _settle_foremost(self, outcome: Any) -> None:
        flying = self._flight.popleft()
        if flying.greets:
            self._settle_greeting(flying, outcome)
            return
        # What follows in the journal and is not wanted is settled with it.
        self.cursor = self._flight[0].entry.seq - 1 if self._flight else self._written
        self._tell(flying, outcome)

    def _settle_greeting(self, flying: Flying, outcome: Any) -> None:
        if not self._flight:
            self.cursor = self._written
        if not self._greeting and not any(one.greets for one in self._flight):
            self._greeted()

    def _tell(self, flying: Flying, outcome: Any) -> None:
        try:
            self._settled(flying.entry, outcome)
        except Exception:
            self._log.failure("what became of message {id} is lost", id=flying.entry.message.id)

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
        self._posts = 0
        flight, self._flight = self._flight, deque()
        self._greeting.extendleft(one.entry for one in reversed(flight) if one.greets)
        first = next((one.entry.seq for one in flight if not one.greets), None)
        if first is not None:
            self.cursor = first - 1
        self._written = self.cursor
        self._stop_timer()
        for flying in flight:
            if flying.answer is not None:
                flying.answer.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
