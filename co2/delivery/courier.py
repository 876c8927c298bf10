"""A courier brings the messages of a journal to one peer, in order, at the peer's own pace.

How it works. It writes ahead: what waits goes in one post, a `system.multicall` of several
messages, while earlier posts are not answered yet; `pace` says how much at a time. Answers come in
the order of the posts, and settle the messages one by one; `flight` knows which, and where the
cursor stands. `posts` knows what a post says.

When the way fails, everything in flight is taken back: the courier goes back to the cursor, waits
(backoff), and writes again from there. The peer drops by id what it had already taken, and what is
written a second time says `redelivered`. An answer that belongs to an earlier try is ignored, and
its post is cancelled, lest it arrive after all and overtake.

A peer whose plugin is slow answers that a message is `pending`: it has it, and will say later what
became of it. What is behind goes on meanwhile, the cursor does not, and the courier asks again from
time to time, by posting the message once more, which the peer knows by its id.

A long backlog of which nothing is for the peer is passed over in stretches, with a turn for the
others after each.

Invariants: no message is posted before an earlier one that is neither settled nor in flight; every
message that is wanted and not missed is settled once, in order; at most one timer runs for what is
to be written, and one for what is pending; nothing is posted while paused, waiting or closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.delivery.flight import Flight, Flying
from co2.delivery.outcomes import Refuses, Retry, Settled, read_replies, retry_as_told
from co2.delivery.pace import Pace
from co2.delivery.posts import PostWriter
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

_MOST_BYTES = 256 * 1024
"""Of one batch, so that a large message waits for no other and memory stays bounded."""

_STRETCH = 512
"""Entries that are passed over until others have their turn: some milliseconds, from a file."""


_MOST_IN_HAND = 1000
"""Messages that a peer may have without having said what became of them."""

_ASK_AGAIN = 1.0
"""Seconds until a peer is asked again about what is pending."""


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
        self.tries = 0
        self.trouble = ""
        self._flight = Flight(after, greeting, settled, missed, greeted)
        self._pace = Pace(window, batch)
        self._writer = PostWriter(method, members, extra, plain, max(after, reached))
        self._journal = journal
        self._peer = peer
        self._clock = clock
        self._backoff = backoff
        self._wants = wants
        self._refuses = refuses
        self._retry = retry
        self._timeout = timeout
        self._posts = 0
        self._passed = 0
        self._timer: IDelayedCall | None = None
        self._asking: IDelayedCall | None = None
        self._asked: list[Flying] = []
        self._writing = False
        self._run = 0

    # -- what others ask of it ---------------------------------------------------------------

    @property
    def cursor(self) -> int:
        """Number of the last message that is settled: the peer has it, or it is not for it."""
        return self._flight.cursor

    @property
    def reached(self) -> int:
        """Number of the last message that may have reached the peer."""
        return self._writer.reached

    @property
    def queued(self) -> int:
        """How many messages of the journal are not settled yet."""
        return max(0, int(self._journal.last_seq) - self.cursor)

    def readdress(self, members: bytes) -> None:
        """Write these members with every further message in place of the former ones."""
        self._writer.members = members

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
        if self._writing or self._timer is not None:
            return
        self._writing = True
        self._passed = 0
        try:
            while self._may_post():
                if self._flight.greets:
                    self._greet()
                elif not self._go_on():
                    return
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

    def _may_post(self) -> bool:
        room = self._posts < self._pace.posts(self.tries) and len(self._flight) < _MOST_IN_HAND
        return self.state is CourierState.SENDING and room

    def _greet(self) -> None:
        self._post(self._flight.greet(self._pace.greetings(self._flight.written, self.tries)))

    def _go_on(self) -> bool:
        """Write what comes next; tell whether to look for more in this turn."""
        written = self._flight.written
        most = self._pace.messages(written, self.tries)
        # Where nothing is wanted there may be very much more of the kind: read as much again.
        entries = self._journal.read(written, max(most, self._passed))
        if not entries:
            return False
        self._flight.notice_gap(entries[0].seq - 1)
        batch = self._take_off(entries, most)
        if batch:
            self._post(batch)
            return True
        self._flight.settle()
        self._passed += len(entries)
        if self._passed >= _STRETCH and self.state is CourierState.SENDING:
            self._timer = self._clock.callLater(0, self._waited)
            return False
        return True

    def _take_off(self, entries: Sequence[Entry], most: int) -> list[Flying]:
        """Let entries take off until a post is full; give those that are to be sent."""
        batch: list[Flying] = []
        size = 0
        for entry in entries:
            if size > _MOST_BYTES or len(batch) == most:
                break
            if not self._wants(entry):
                self._flight.pass_over(entry)
                continue
            flying = self._flight.begin(entry, self._refuses(entry))
            if not flying.landed:
                batch.append(flying)
                size += len(entry.xml)
        return batch

    def _post(self, batch: list[Flying]) -> None:
        run = self._run
        self._posts += 1
        # The post may notice that the connection is lost, which ends this run: so the run that an
        # answer belongs to is the one that its post was begun in.
        posted = self._peer.post(self._writer.compose(batch), self._timeout)
        answer = posted.addCallbacks(
            self._answered, self._failed, callbackArgs=(batch, run), errbackArgs=(run,)
        )
        batch[0].answer = answer
        if run != self._run:
            answer.cancel()

    # -- answers -------------------------------------------------------------------------------

    def _answered(self, body: bytes, batch: list[Flying], run: int) -> None:
        if run != self._run:
            return
        self._posts -= 1
        try:
            replies = read_replies(body, len(batch))
        except DocumentError as damage:
            self._fail(f"the answer is no XML-RPC: {damage.text}")
            return
        if replies is None:
            self._pace.refused(batch)
            self._rewind()
        else:
            self._pace.took(batch)
            if not all(self._take(*one, run) for one in zip(batch, replies, strict=True)):
                return
            # Where some were done by now, those behind them may be, too.
            did_help = batch is self._asked and any(one.landed for one in batch)
            self._ask_later(0.0 if did_help else _ASK_AGAIN)
        self.wake()

    def _take(self, flying: Flying, reply: Any, run: int) -> bool:
        """Settle a message by its reply; tell whether the run goes on."""
        outcome = remote_error(reply) if isinstance(reply, Fault) else reply
        if outcome is not reply:
            wait = self._retry(outcome)
            if run != self._run:
                return False
            if wait is not None:
                self._wait(wait, outcome.text)
                return False
        self.tries = 0
        self.trouble = ""
        self._backoff.reset()
        if isinstance(reply, dict) and reply.get("pending") is True:
            flying.pending = True
        else:
            self._flight.land(flying, outcome)
        return run == self._run

    def _ask_later(self, seconds: float) -> None:
        if self._asking is None and self._flight.pending(1):
            self._asking = self._clock.callLater(seconds, self._ask_again)

    def _ask_again(self) -> None:
        """Ask what became of the foremost messages that were pending."""
        self._asking = None
        pending = self._flight.pending(self._pace.messages(self._flight.written, self.tries))
        for one in pending:
            one.pending = False
        if pending:
            self._asked = pending
            self._post(pending)

    def _failed(self, failure: Failure, run: int) -> None:
        if run != self._run:
            return
        if not failure.check(TransportFailed, TimedOut, CancelledError):
            self._log.failure("posting to {address} failed", failure, address=self._peer.address)
        self._fail(str(failure.value))

    # -- waiting -------------------------------------------------------------------------------

    def _fail(self, why: str) -> None:
        self._wait(self._backoff.next(), why)

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
        flying = self._flight.take_back()
        self._stop_timer()
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        for one in flying:
            if one.answer is not None:
                one.answer.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
