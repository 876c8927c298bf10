"""The fast way: plain POST calls over one connection.

How it works. `dataReceived` looks for whole requests in what has arrived and answers them one after
the other, in a loop; the answers of one turn leave in one send. A memo of head bytes (`http_head`)
makes a repeated head one dict look-up, and the caller's rights are judged once for a head. At the
first request that this way does not serve, everything goes to twisted.web for good.

The connection is always in one of these situations:

- reading: nothing is owed to the client; `_input` holds the beginning of a head, or nothing.
- receiving: `_body` holds a request whose body is arriving.
- busy: an answer is awaited, an answer does not fit the socket, or other connections have their
  turn. What arrives is kept in `_input`; over `max_backlog` of it, the transport is paused.
- closing: nothing is read any more; `_cut_at` says when the connection is cut.
- general: every event is handed to twisted.web's protocol.

Invariants: no request is begun before the one before it was answered; no answer is made while one
waits for the socket; the bytes held are counted in the server's budget at the end of every turn.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from co2.model.calls import Caller
from co2.net.http_head import Head
from co2.net.http_outlet import Outlet, outlet_of
from co2.net.http_reply import (
    FULL,
    HEAD_TOO_LARGE,
    TOO_SLOW,
    Refusal,
    bad_request,
    refusal_bytes,
)
from co2.net.http_serving import Ends, GeneralConnection, Serving, ends_of
from co2.net.http_timer import LazyTimer

_END = b"\r\n\r\n"
_NO_HTTP = bad_request("The first byte is none of HTTP's.")


class _Body:
    """A request's body while it arrives."""

    __slots__ = ("head", "missing", "pieces")

    def __init__(self, head: Head, first: bytes) -> None:
        self.head = head
        self.pieces = [first]
        self.missing = head.length - len(first)


class FastConnection(Protocol):
    """Serves one client.

    Args:
        serving: what the connections of a server share.
    """

    _log = Logger()
    _outlet: Outlet
    _ends: Ends
    _caller: Caller

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._timer = LazyTimer(serving.clock, self._check)
        self._input = b""
        self._body: _Body | None = None
        self._pending: Deferred[bytes] | None = None
        self._early: bytes | None = None
        self._turn: IDelayedCall | None = None
        self._general: GeneralConnection | None = None
        self._cut_at: float | None = None
        self._head: Head | None = None
        self._now = 0.0
        self._since = 0.0
        self._counted = 0
        self._busy = False
        self._answering = False
        self._paused = False
        self._lingering = False

    # --- what the transport says ----------------------------------------------------------------

    def connectionMade(self) -> None:
        """A client has connected."""
        assert self.transport is not None
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self._ends = ends_of(self.transport)
        self._outlet = outlet_of(self.transport, self._drained)
        self._now = self._since = self._serving.clock.seconds()
        self._timer.by(self._since + self._serving.limits.idle_timeout)

    def dataReceived(self, data: bytes) -> None:
        """Bytes have arrived."""
        if self._general is not None:
            self._general.dataReceived(data)
        elif self._cut_at is not None:
            pass
        elif self._busy:
            self._keep(data)
        elif self._body is not None:
            self._receive(self._body, data)
        else:
            self._now = self._serving.clock.seconds()
            if self._input:
                data = self._input + data
            else:
                self._since = self._now
            self._work_off(data, [])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The client has gone; a call that it waited for is cancelled."""
        self._stop()
        if self._general is not None:
            self._general.connectionLost(reason)
        self._serving.lost(self)
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()

    # --- what the server says -------------------------------------------------------------------

    def finish(self) -> None:
        """Close when what was begun is answered; at once if nothing was."""
        if self._general is not None:
            self._general.finish()
        elif self._cut_at is None and not (self._input or self._busy or self._body):
            self._close()

    def forget_caller(self) -> None:
        """Judge the caller anew at the next request."""
        self._head = None
        if self._general is not None:
            self._general.forget_caller()

    def abort(self) -> None:
        """Close now."""
        self._cut_at = self._now
        ITCPTransport(self.transport).abortConnection()

    # --- requests -------------------------------------------------------------------------------

    def _work_off(self, data: bytes, replies: list[bytes]) -> None:
        """Answer what whole requests there are, up to one turn's worth; keep the rest."""
        serving = self._serving
        known = serving.heads.known
        position, room = 0, serving.limits.turn
        while room:
            room -= 1
            end = data.find(_END, position)
            if end < 0:
                break
            end += 4
            block = data[position:end]
            head = known.get(block) or serving.heads.read(block)
            if not head.fast:
                self._flush(replies)
                self._depart(head, data[position:])
                return
            stop = end + head.length
            if stop > len(data):
                self._flush(replies)
                if self._busy:
                    break
                self._begin_body(head, data[end:], position)
                return
            position = stop
            if not self._serve(head, data[end:stop], replies):
                break
        else:
            self._busy = True
            self._turn = serving.clock.callLater(0, self._next_turn)
        self._flush(replies)
        if position:
            data = data[position:]
            self._since = self._now
        self._hold(data)

    def _serve(self, head: Head, body: bytes, replies: list[bytes]) -> bool:
        """Answer one request; tell whether the next one may be begun."""
        if head is not self._head:
            self._caller = self._serving.judge(self._ends, head)
            self._head = head
        reply = self._serving.answering.answer(body, self._caller)
        if isinstance(reply, Deferred):
            settled = self._await(reply)
            if settled is None:
                return False
            reply = settled
        self._put(reply, replies)
        return self._cut_at is None

    def _put(self, reply: bytes, replies: list[bytes]) -> None:
        assert self._head is not None
        closes = self._serving.finishing or not self._head.keep_alive
        replies.append(
            b"%s%d\r\n\r\n" % (self._serving.reply_heads.head(self._now, closes), len(reply))
        )
        replies.append(reply)
        if closes:
            self._cut_at = self._now

    def _flush(self, replies: list[bytes]) -> None:
        """Send a turn's answers, and close if they say so."""
        if replies:
            self._outlet.send_all(replies)
            replies.clear()
            if self._outlet.broken:
                self.abort()
            elif self._cut_at is not None:
                self._close()
            elif self._outlet.blocked:
                self._busy = True

    # --- answers that come later ----------------------------------------------------------------

    def _await(self, reply: Deferred[bytes]) -> bytes | None:
        """Give the answer if it is there already, or None and wait for it."""
        self._pending = reply
        self._answering = True
        reply.addCallbacks(self._answered, self._failed)
        self._answering = False
        early, self._early = self._early, None
        self._busy = self._busy or early is None
        return early

    def _answered(self, reply: bytes) -> None:
        if self._pending is None:
            return
        self._pending = None
        if self._answering:
            self._early = reply
            return
        self._now = self._serving.clock.seconds()
        replies: list[bytes] = []
        self._put(reply, replies)
        self._go_on(replies)

    def _failed(self, failure: Failure) -> None:
        if self._pending is not None:
            self._pending = None
            self._log.failure("a call was cancelled, and not by its caller", failure)
            self.abort()

    # --- being busy -----------------------------------------------------------------------------

    def _keep(self, data: bytes) -> None:
        self._hold(self._input + data)
        if len(self._input) > self._serving.limits.max_backlog and not self._paused:
            self._paused = True
            IPushProducer(self.transport).pauseProducing()

    def _next_turn(self) -> None:
        self._turn = None
        self._go_on([])

    def _drained(self) -> None:
        if self._general is None:
            self._go_on([])

    def _go_on(self, replies: list[bytes]) -> None:
        """Take up work again, unless there is another reason left to wait."""
        if self._cut_at is not None or self._outlet.blocked or self._pending or self._turn:
            self._flush(replies)
            return
        self._busy = False
        self._now = self._since = self._serving.clock.seconds()
        self._read_again()
        self._work_off(self._input, replies)

    def _read_again(self) -> None:
        if self._paused:
            self._paused = False
            IPushProducer(self.transport).resumeProducing()

    # --- requests that arrive in parts ----------------------------------------------------------

    def _hold(self, rest: bytes) -> None:
        """Keep bytes that are no request yet."""
        if self._cut_at is not None:
            return
        self._input = rest
        if rest or self._counted:
            self._count(len(rest))
        if self._busy:
            return
        if rest:
            self._check_beginning(rest)
        elif self._serving.finishing:
            self._close()

    def _check_beginning(self, rest: bytes) -> None:
        self._timer.by(self._since + self._serving.limits.request_timeout)
        first = rest.lstrip(b"\r\n")[:1]
        if len(rest) > self._serving.limits.max_head:
            self._refuse(HEAD_TOO_LARGE)
        elif first and not b"!" <= first <= b"~":
            self._refuse(_NO_HTTP)

    def _begin_body(self, head: Head, first: bytes, served: int) -> None:
        if self._cut_at is None:
            if served:
                self._since = self._now
            self._input = b""
            self._body = _Body(head, first)
            self._timer.by(self._since + self._serving.limits.request_timeout)
            self._count(len(first))

    def _receive(self, body: _Body, data: bytes) -> None:
        if len(data) < body.missing:
            body.pieces.append(data)
            body.missing -= len(data)
            self._count(self._counted + len(data))
            return
        self._body = None
        self._now = self._since = self._serving.clock.seconds()
        body.pieces.append(data[: body.missing])
        replies: list[bytes] = []
        ready = self._serve(body.head, b"".join(body.pieces), replies)
        rest = data[body.missing :]
        self._count(0)
        if ready:
            self._work_off(rest, replies)
        else:
            self._flush(replies)
            self._hold(rest)

    def _count(self, held: int) -> None:
        """Tell the server what this connection holds; refuse if that is too much."""
        by, self._counted = held - self._counted, held
        if not self._serving.budget.move(by) and by > 0:
            self._refuse(FULL)

    # --- ends -----------------------------------------------------------------------------------

    def _depart(self, head: Head, data: bytes) -> None:
        """Refuse, or go over to the general way as soon as all answers are on their way."""
        if self._cut_at is not None:
            return
        if self._outlet.blocked:
            self._hold(data)
        elif head.refusal is not None:
            self._refuse(head.refusal)
        else:
            self._go_general(data)

    def _go_general(self, data: bytes) -> None:
        assert self.transport is not None
        general = self._serving.go_general()
        self._stop()
        self._outlet.release()
        self._general = general
        general.makeConnection(self.transport)
        general.dataReceived(data)

    def _refuse(self, refusal: Refusal) -> None:
        """Say why, and read on for a moment, so that the client sees it and no reset."""
        if self._pending is not None:
            # An answer is owed first, and there is no room to wait for it.
            self.abort()
            return
        now = self._serving.clock.seconds()
        self._outlet.send(refusal_bytes(refusal, now))
        self._stop()
        self._read_again()
        self._lingering = True
        self._cut_at = now + self._serving.limits.linger
        self._timer.by(self._cut_at)

    def _close(self) -> None:
        """Close when everything that was written has left."""
        assert self.transport is not None
        self._stop()
        self._cut_at = self._serving.clock.seconds() + self._serving.limits.write_timeout
        self._timer.by(self._cut_at)
        self._outlet.release()
        self.transport.loseConnection()

    def _stop(self) -> None:
        """Hold nothing any more, and wait for nothing."""
        self._timer.stop()
        self._input = b""
        self._body = None
        self._serving.budget.move(-self._counted)
        self._counted = 0
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _check(self, now: float) -> float | None:
        """Do what is due; give the time of the next look."""
        limits = self._serving.limits
        if self._cut_at is not None:
            return self._cut(now)
        if self._pending is not None or self._turn is not None:
            return now + limits.request_timeout
        if self._outlet.blocked:
            due, refusal = self._since + limits.write_timeout, None
        elif self._input or self._body is not None:
            due, refusal = self._since + limits.request_timeout, TOO_SLOW
        else:
            due, refusal = self._since + limits.idle_timeout, None
        if now < due:
            return due
        if refusal is not None:
            self._refuse(refusal)
        elif self._outlet.blocked:
            self.abort()
        else:
            self._close()
        return None

    def _cut(self, now: float) -> float | None:
        assert self._cut_at is not None
        if now < self._cut_at:
            return self._cut_at
        if self._lingering and not self._outlet.blocked:
            self._lingering = False
            self._close()
        else:
            self.abort()
        return None
