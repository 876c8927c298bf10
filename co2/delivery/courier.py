"""A courier brings the messages of a journal to one peer, in order, at the peer's own pace.

How it works. The courier remembers two numbers: `cursor`, the last message that is settled (the
peer answered for it, or it was not meant for the peer), and how far it has written ahead. It keeps
at most `window` messages in flight. Answers come in the order of the posts, so settling moves the
cursor by one message at a time.

When the way fails, everything in flight is unsettled: the courier goes back to the cursor, waits
(backoff), and writes again from there. The peer drops by id what it had already taken, and what is
written a second time says `redelivered`. An answer that belongs to an earlier try is ignored.

Invariants: no message is posted before an earlier one that is neither settled nor in flight; at
most one timer runs; nothing is posted while paused, waiting or closed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.errors import Co2Error, DocumentError, RetryLater, TimedOut, TransportFailed
from co2.interfaces import IBackoff, ICourier, IJournal, IPeer
from co2.model.messages import Entry
from co2.wire.xmlrpc import decode_reply, encode_members, wrap_members

_REDELIVERED = encode_members({"redelivered": True})

Settled = Callable[[Entry, Any], None]
"""Told once for each message: the peer's answer, or the Co2Error that ended it."""

Retry = Callable[[Co2Error], "float | None"]
"""Seconds to wait before trying again after a fault, or None if the fault is final."""


def retry_as_told(error: Co2Error) -> float | None:
    """Try again only what says when to (PROTOCOL section 6)."""
    return max(0.05, error.retry_after) if isinstance(error, RetryLater) else None


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
        settled: told of each that was brought, or could not be.
        retry: which faults are tried again.
        window: messages in flight; 1 for peers that take one request at a time.
        timeout: seconds for each to be answered.
        plain: write times in whole seconds, for peers that are not co2's.
        after: the cursor to begin at.
    """

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
        retry: Retry = retry_as_told,
        window: int = 1,
        timeout: float = 10.0,
        plain: bool = False,
    ) -> None:
        self.state = CourierState.PAUSED
        self.cursor = after
        self.tries = 0
        self.trouble = ""
        self._journal = journal
        self._peer = peer
        self._clock = clock
        self._backoff = backoff
        self._method = method
        self._members = members
        self._wants = wants
        self._settled = settled
        self._retry = retry
        self._window = window
        self._timeout = timeout
        self._plain = plain
        self._written = after
        self._reached = after
        self._flight: deque[Entry] = deque()
        self._timer: IDelayedCall | None = None
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
            self._rewind()
            self.state = CourierState.PAUSED

    def wake(self) -> None:
        """Notice that the journal has grown."""
        if self.state is CourierState.SENDING:
            room = self._window - len(self._flight)
            if room > 0 and self._journal.last_seq > self._written:
                self._write_ahead(room)

    def close(self) -> Deferred[None]:
        """Stop for good and close the peer's connection."""
        if self.state is not CourierState.CLOSED:
            self._rewind()
            self.state = CourierState.CLOSED
        return self._peer.close()

    # -- writing -------------------------------------------------------------------------------

    def _write_ahead(self, room: int) -> None:
        while room > 0 and self._may_post():
            entries = self._journal.read(self._written, room)
            if not entries:
                return
            for entry in entries:
                self._written = entry.seq
                if self._wants(entry):
                    self._post(entry)
                    room -= 1
                elif not self._flight:
                    self.cursor = entry.seq
                if not self._may_post():
                    return

    def _may_post(self) -> bool:
        # A post that fails at once changes the state while others are being written.
        return self.state is CourierState.SENDING

    def _post(self, entry: Entry) -> None:
        again = entry.seq <= self._reached
        self._reached = max(self._reached, entry.seq)
        self._flight.append(entry)
        parts = wrap_members(
            self._method,
            (
                entry.xml_plain if self._plain else entry.xml,
                self._members + _REDELIVERED if again else self._members,
            ),
        )
        answer = self._peer.post(parts, self._timeout)
        answer.addCallbacks(
            self._answered, self._failed, callbackArgs=(self._run,), errbackArgs=(self._run,)
        )

    # -- answers -------------------------------------------------------------------------------

    def _answered(self, body: bytes, run: int) -> None:
        if run != self._run:
            return
        try:
            result = decode_reply(body)
        except DocumentError as error:
            self._fail(TransportFailed(f"the answer is no XML-RPC: {error.text}"))
        except Co2Error as error:
            wait = self._retry(error)
            if wait is None:
                self._settle(error)
            else:
                self._wait(wait, error.text)
        else:
            self._settle(result)

    def _failed(self, failure: Failure, run: int) -> None:
        failure.trap(TransportFailed, TimedOut, CancelledError)
        if run == self._run:
            self._fail(failure.value)

    def _settle(self, outcome: Any) -> None:
        entry = self._flight.popleft()
        # What follows in the journal and is not wanted is settled with it.
        self.cursor = self._flight[0].seq - 1 if self._flight else self._written
        self.tries = 0
        self.trouble = ""
        self._backoff.reset()
        self._settled(entry, outcome)
        self.wake()

    def _fail(self, error: BaseException | None) -> None:
        self._wait(self._backoff.next(), str(error))

    # -- waiting -------------------------------------------------------------------------------

    def _wait(self, seconds: float, why: str) -> None:
        self._rewind()
        self.tries += 1
        self.trouble = why
        self.state = CourierState.WAITING
        self._timer = self._clock.callLater(seconds, self._waited)

    def _waited(self) -> None:
        self._timer = None
        self.state = CourierState.SENDING
        self.wake()

    def _rewind(self) -> None:
        """Forget what is in flight: answers of this run are ignored from here on."""
        self._run += 1
        if self._flight:
            self.cursor = self._flight[0].seq - 1
        self._flight.clear()
        self._written = self.cursor
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
