"""The fast way: plain POST calls over one connection.

How it works. `dataReceived` looks for whole requests in what has arrived and answers them one after
the other, in a loop; the answers of one turn leave in one send. A memo of head bytes (`http_head`)
makes a repeated head one dict look-up, and the caller's rights are judged once for a head. At the
first request that this way does not serve, everything goes to twisted.web for good.

The connection is always in one of these situations:

- reading: nothing is owed to the client; `_arrival` holds the beginning of a head, or nothing.
- receiving: `_arrival` holds a request whose body is arriving.
- busy: an answer is awaited, an answer does not fit the socket, or other connections have their
  turn. What arrives is kept in `_arrival`; over `max_backlog` of it the transport is paused.
- ending: nothing is read any more (`http_ending`).
- general: every event is handed to twisted.web's protocol.

Invariants: no request is begun before the one before it was answered; no answer is made while one
waits for the socket; the bytes held are counted in the server's budget at the end of every turn.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from co2.model.calls import Caller
from co2.net.http_arrival import Arrival
from co2.net.http_awaited import Awaited
from co2.net.http_ending import Ending
from co2.net.http_head import NO_HTTP, Head, begins_like_http
from co2.net.http_outlet import Outlet, outlet_of
from co2.net.http_reply import FULL, HEAD_TOO_LARGE, TOO_SLOW, Refusal
from co2.net.http_serving import Ends, GeneralConnection, Serving, ends_of
from co2.net.http_timer import LazyTimer

_END = b"\r\n\r\n"
_COPIED = 16 * 1024


class FastConnection(Protocol):
    """Serves one client.

    Args:
        serving: what the connections of a server share.
    """

    _outlet: Outlet
    _ending: Ending
    _ends: Ends
    _caller: Caller
    _keep_alive: bool

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._answer = serving.answering.answer
        self._timer = LazyTimer(serving.clock, self._check)
        self._arrival = Arrival(serving.budget)
        self._awaited = Awaited(self._answered, self.abort)
        self._turn: IDelayedCall | None = None
        self._general: GeneralConnection | None = None
        self._head: Head | None = None
        self._now = self._since = 0.0
        self._busy = False
        self._last = False
        self._paused = False

    # --- what the transport says ----------------------------------------------------------------

    def connectionMade(self) -> None:
        """A client has connected."""
        assert self.transport is not None
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self._ends = ends_of(self.transport)
        self._outlet = outlet_of(self.transport, self._drained)
        self._ending = Ending(self._serving, self.transport, self._outlet)
        self._now = self._since = self._serving.clock.seconds()
        self._timer.by(self._since + self._serving.limits.idle_timeout)

    def dataReceived(self, data: bytes) -> None:
        """Bytes have arrived."""
        if self._general is not None:
            self._general.dataReceived(data)
        elif self._last:
            pass
        elif self._busy:
            self._keep(data)
        elif self._arrival.head is not None:
            self._receive(self._arrival.head, data)
        else:
            self._now = self._serving.clock.seconds()
            if self._arrival.input:
                data = self._arrival.input + data
            else:
                self._since = self._now
            self._work_off(data, [])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The client has gone; a call that it waited for is cancelled."""
        self._last = True
        self._stop()
        self._ending.stop()
        if self._general is not None:
            self._general.connectionLost(reason)
        self._serving.lost(self)
        self._awaited.cancel()

    # --- what the server says -------------------------------------------------------------------

    def finish(self) -> None:
        """Close when what was begun is answered; at once if nothing was."""
        if self._general is not None:
            self._general.finish()
        elif not (self._last or self._busy or self._arrival.begun):
            self._close()

    def forget_caller(self) -> None:
        """Judge the caller anew at the next request."""
        self._head = None
        if self._general is not None:
            self._general.forget_caller()

    def abort(self) -> None:
        """Close now."""
        self._last = True
        self._ending.abort()

    # --- requests -------------------------------------------------------------------------------

    def _work_off(self, data: bytes, replies: list[bytes]) -> None:
        """Answer what whole requests there are, up to one turn's worth; keep the rest."""
        heads = self._serving.heads
        known = heads.known
        position, room = 0, self._serving.limits.turn
        while room:
            room -= 1
            end = data.find(_END, position) + 4
            if end == 3:
                break
            block = data[position:end]
            head = known.get(block) or heads.read(block)
            stop = end + head.length
            if not head.fast or stop > len(data):
                self._flush(replies)
                if self._last:
                    return
                if not self._busy:
                    self._go_beyond(head, data, position, end)
                    return
                break
            position = stop
            if not self._serve(head, data[end:stop], replies):
                break
        else:
            self._busy = True
            self._turn = self._serving.clock.callLater(0, self._next_turn)
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
        reply = self._answer(body, self._caller)
        if isinstance(reply, Deferred):
            self._keep_alive = head.keep_alive
            early = self._awaited.take(reply)
            if early is None:
                self._busy = True
                return False
            reply = early
        self._put(reply, replies, head.keep_alive)
        return not self._last

    def _put(self, reply: bytes, replies: list[bytes], keep_alive: bool) -> None:
        self._last = self._serving.finishing or not keep_alive
        begin = self._serving.reply_heads.head(self._now, self._last)
        if len(reply) < _COPIED:
            replies.append(b"%s%d\r\n\r\n%s" % (begin, len(reply), reply))
        else:
            replies += (b"%s%d\r\n\r\n" % (begin, len(reply)), reply)

    def _flush(self, replies: list[bytes]) -> None:
        """Send a turn's answers, and close if the last of them says so."""
        if not replies:
            return
        if len(replies) == 1:
            self._outlet.send(replies[0])
        else:
            self._outlet.send_all(replies)
        replies.clear()
        if self._outlet.broken:
            self.abort()
        elif self._last:
            self._close()
        elif self._outlet.blocked:
            self._busy = True

    def _answered(self, reply: bytes) -> None:
        """An answer has come that was waited for."""
        self._now = self._serving.clock.seconds()
        replies: list[bytes] = []
        self._put(reply, replies, self._keep_alive)
        self._go_on(replies)

    # --- being busy -----------------------------------------------------------------------------

    def _keep(self, data: bytes) -> None:
        self._hold(self._arrival.input + data)
        if len(self._arrival.input) > self._serving.limits.max_backlog and not self._paused:
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
        if self._last or self._outlet.blocked or self._awaited.pending or self._turn:
            self._flush(replies)
            return
        self._busy = False
        self._now = self._since = self._serving.clock.seconds()
        self._read_again()
        self._work_off(self._arrival.input, replies)

    def _read_again(self) -> None:
        if self._paused:
            self._paused = False
            IPushProducer(self.transport).resumeProducing()

    # --- requests that arrive in parts ----------------------------------------------------------

    def _hold(self, rest: bytes) -> None:
        """Keep bytes that are no request yet."""
        if self._last:
            return
        if not self._arrival.hold(rest):
            self._refuse(FULL)
        elif not self._busy and rest:
            self._check_beginning(rest)
        elif not self._busy and self._serving.finishing:
            self._close()

    def _check_beginning(self, rest: bytes) -> None:
        if len(rest) > self._serving.limits.max_head:
            self._refuse(HEAD_TOO_LARGE)
        elif not begins_like_http(rest):
            self._refuse(NO_HTTP)
        else:
            self._timer.by(self._since + self._serving.limits.request_timeout)

    def _receive(self, head: Head, data: bytes) -> None:
        """Take a part of a body."""
        if not self._arrival.completes(data):
            if not self._arrival.add(data):
                self._refuse(FULL)
            return
        self._now = self._since = self._serving.clock.seconds()
        body, rest = self._arrival.complete(data)
        replies: list[bytes] = []
        if self._serve(head, body, replies):
            self._work_off(rest, replies)
        else:
            self._flush(replies)
            self._hold(rest)

    def _go_beyond(self, head: Head, data: bytes, begin: int, end: int) -> None:
        """Go on with a request that is not here in full, or not for the fast way."""
        if begin:
            self._since = self._now
        if head.refusal is not None:
            self._refuse(head.refusal)
        elif head.general:
            self._go_general(data[begin:])
        elif self._arrival.begin(head, data[end:]):
            self._timer.by(self._since + self._serving.limits.request_timeout)
        else:
            self._refuse(FULL)

    def _go_general(self, data: bytes) -> None:
        assert self.transport is not None
        general = self._serving.go_general()
        self._stop()
        self._outlet.release()
        self._general = general
        general.makeConnection(self.transport)
        general.dataReceived(data)

    # --- ends -----------------------------------------------------------------------------------

    def _refuse(self, refusal: Refusal) -> None:
        if self._awaited.pending:
            # An answer is owed first, and there is no room to wait for it.
            self.abort()
            return
        self._last = True
        self._stop()
        self._read_again()
        self._ending.refuse(refusal)

    def _close(self) -> None:
        self._last = True
        self._stop()
        self._ending.close()

    def _stop(self) -> None:
        """Hold nothing any more, and wait for nothing but the end."""
        self._timer.stop()
        self._arrival.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _check(self, now: float) -> float | None:
        """Do what is due; give the time of the next look."""
        limits = self._serving.limits
        if self._awaited.pending or self._turn is not None:
            return now + limits.request_timeout
        if self._outlet.blocked:
            return self._due(now, limits.write_timeout, self.abort)
        if self._arrival.begun:
            return self._due(now, limits.request_timeout, lambda: self._refuse(TOO_SLOW))
        return self._due(now, limits.idle_timeout, self._close)

    def _due(self, now: float, timeout: float, act: Callable[[], None]) -> float | None:
        if now < self._since + timeout:
            return self._since + timeout
        act()
        return None
