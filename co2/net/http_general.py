"""The general way: everything of HTTP that the fast way leaves out, by twisted.web.

Pages (GET and HEAD), chunked calls, `Expect: 100-continue` and HTTP/1.0. Calls get the same answers
here as on the fast way, because both read heads by `http_head` and refuse by `http_reply`.

How it works. `GeneralChannel` collects a head's lines, judges the whole head as the fast way does,
and only then lets twisted.web see the lines. Invariants: twisted.web never sees a head that was
refused; a body over the limit is refused while it arrives, chunked or not; a request whose bytes
do not arrive in time is refused, however often some of them come.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from math import ceil
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, datetimeToString
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from co2.model.calls import Caller
from co2.net.http_head import NO_HTTP, Head, begins_like_http
from co2.net.http_reply import (
    FULL,
    HEAD_TOO_LARGE,
    TOO_SLOW,
    Refusal,
    bad_request,
    body_too_large,
    refusal_bytes,
)
from co2.net.http_serving import Serving, ends_of
from co2.net.http_timer import LazyTimer

_log = Logger()


class GeneralRequest(Request):
    """One request of the general way.

    A page finds in `caller` who asks, and how far they may go, judged as for a call.
    """

    caller: Caller

    channel: GeneralChannel | None = None  # type: ignore[assignment]  # what Site gives it here
    defaultContentType = b"text/plain; charset=utf-8"

    def gotLength(self, length: int | None) -> None:
        """The head has arrived; the body is kept in memory, where its size is counted."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """A part of the body has arrived."""
        if self.channel is not None and self.channel.admit(len(data)):
            super().handleContentChunk(data)

    def process(self) -> None:
        """The request has arrived in full."""
        assert self.channel is not None
        serving = self.channel.serving
        self.path = self.channel.head.path
        self.caller = self.channel.judge()
        self.setHeader(b"Date", datetimeToString(serving.wall()))
        try:
            if self.method == b"POST":
                self._answer_call(serving)
            else:
                self._render_page(self.channel.site)
        except Exception:
            self.processingFailed(Failure())

    def _render_page(self, site: Site) -> None:
        self.site = site
        self.prepath: list[bytes] = []
        self.postpath = [unquote_to_bytes(part) for part in self.path[1:].split(b"/")]
        self.render(site.getResourceFor(self))

    def _answer_call(self, serving: Serving) -> None:
        body: bytes = self.content.read() if self.content is not None else b""
        self.content = BytesIO()  # the call may take long, and nobody needs its bytes meanwhile
        reply = serving.answering.answer(body, self.caller)
        if isinstance(reply, Deferred):
            self.notifyFinish().addErrback(lambda _: reply.cancel())
            reply.addCallbacks(self._write_reply, self.processingFailed)
        else:
            self._write_reply(reply)

    def _write_reply(self, reply: bytes) -> None:
        self._write_whole(b"text/xml", reply)

    def processingFailed(self, reason: Failure) -> None:
        """Say that the server failed, and nothing else; the log has the rest."""
        _log.failure("a page or a call failed", reason)
        if self.channel is not None and self.startedWriting:
            # Half an answer is out: only its end can tell the client that no more will come.
            self.channel.loseConnection()
        elif self.channel is not None:
            self.setResponseCode(500)
            sentence = b"The server failed to answer; its log says why.\n"
            self._write_whole(b"text/plain; charset=utf-8", sentence)

    def _write_whole(self, kind: bytes, body: bytes) -> None:
        # After a lost connection twisted.web takes the channel away.
        if self.channel is not None:
            self.setHeader(b"Content-Type", kind)
            self.setHeader(b"Content-Length", b"%d" % len(body))
            self.write(body)
            self.finish()


class GeneralChannel(HTTPChannel):
    """One connection of the general way.

    Args:
        serving: what the connections of a server share.
    """

    requestFactory = GeneralRequest
    head: Head
    site: Site

    def __init__(self, serving: Serving) -> None:
        super().__init__()
        self.serving = serving
        # The head is measured here; twisted.web's own limits only must not be smaller.
        self.MAX_LENGTH = self.totalHeadersSize = serving.limits.max_head
        self.maxHeaders = serving.limits.max_headers
        self._timer = LazyTimer(serving.clock, self._check)
        self._lines: list[bytes] = []
        self._lines_size = 0
        self._arrived = 0
        self._due: float | None = None
        self._refused = False
        self._lingering = False
        self._judged: tuple[Head, Caller] | None = None

    def callLater(self, period: float, func: Callable[[], object]) -> IDelayedCall:
        """Time twisted.web's idle time-out by the server's clock."""
        return self.serving.clock.callLater(period, func)

    def judge(self) -> Caller:
        """Say who sent the last request."""
        if self._judged is None or self._judged[0] is not self.head:
            assert self.transport is not None
            caller = self.serving.judge(ends_of(self.transport), self.head)
            self._judged = (self.head, caller)
        return self._judged[1]

    def forget_caller(self) -> None:
        """Judge the caller anew at the next request."""
        self._judged = None

    def finish(self) -> None:
        """Close when what was begun is answered; at once if nothing was."""
        self.persistent = False
        if self._due is None and not self.requests:
            self.loseConnection()

    # --- heads ----------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Bytes have arrived."""
        if self._refused:
            return
        if self._due is None and not self.requests:
            self._due = self.serving.clock.seconds() + self.serving.limits.request_timeout
            self._timer.by(self._due)
            if not begins_like_http(data):
                self.refuse(NO_HTTP)
                return
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """A line of a head has arrived; twisted.web sees it when the whole head is good."""
        self._lines.append(line)
        self._lines_size += len(line) + 2
        if self._lines_size > self.serving.limits.max_head:
            self.refuse(HEAD_TOO_LARGE)
        elif not line and self._lines != [b""]:
            lines, self._lines, self._lines_size = self._lines, [], 0
            self._read_head(lines)

    def _read_head(self, lines: list[bytes]) -> None:
        head = self.serving.heads.read(b"\r\n".join(lines) + b"\r\n")
        if head.refusal is not None:
            self.refuse(head.refusal)
            return
        self.head = head
        for line in lines:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line is longer than a whole head may be."""
        self.refuse(HEAD_TOO_LARGE)

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Tell whether the connection goes on after that request."""
        goes_on = version == b"HTTP/1.1" and self.head.keep_alive and not self.serving.finishing
        if not goes_on:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return goes_on

    # --- bodies ---------------------------------------------------------------------------------

    def rawDataReceived(self, data: bytes) -> None:
        """A part of a body, or of what was sent ahead, has arrived."""
        if not self._refused:
            super().rawDataReceived(data)

    def admit(self, size: int) -> bool:
        """Count a part of a body; refuse the request when that is too much."""
        if self._refused:
            return False
        self._arrived += size
        within = self.serving.budget.move(size)
        if self._arrived > self.serving.limits.max_body:
            self.refuse(body_too_large(self.serving.limits.max_body))
        elif not within:
            self.refuse(FULL)
        return not self._refused

    def allContentReceived(self) -> None:
        """A request has arrived in full."""
        if not self._refused:
            self._release()
            super().allContentReceived()

    def _release(self) -> None:
        self._due = None
        self._timer.stop()
        self.serving.budget.move(-self._arrived)
        self._arrived = 0

    # --- ends -----------------------------------------------------------------------------------

    def refuse(self, refusal: Refusal) -> None:
        """Say why, and read on for a moment, so that the client sees it and no reset."""
        if self._refused:
            # More of the piece of bytes that was refused.
            return
        now = self.serving.clock.seconds()
        self._refused = self._lingering = True
        assert self.transport is not None
        self.transport.write(refusal_bytes(refusal, self.serving.wall()))
        self.setTimeout(None)
        self._release()
        self._timer.by(now + self.serving.limits.linger)

    def _respondToBadRequestAndDisconnect(self) -> None:
        # twisted.web has no public way to put words to the errors that it finds itself: here
        # those of chunks. Were this name to change, its own bare 400 would go out.
        self.refuse(bad_request("The request is not HTTP as RFC 9112 has it."))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The client has gone."""
        self._release()
        super().connectionLost(reason)

    def _check(self, now: float) -> float | None:
        if self._refused and self._lingering:
            self._lingering = False
            self.loseConnection()
            return now + self.serving.limits.write_timeout
        if self._refused:
            ITCPTransport(self.transport).abortConnection()
        elif self._due is not None:
            self.refuse(TOO_SLOW)
        return None


def general_site(serving: Serving, page: IResource) -> Site:
    """Give the site that general channels serve.

    Args:
        serving: what the connections of a server share.
        page: the root of the pages, for GET and HEAD.
    """
    site = Site(page, parsePOSTFormSubmission=False, reactor=serving.clock)
    site.displayTracebacks = False
    return site


def general_channel(serving: Serving, site: Site) -> GeneralChannel:
    """Give what takes over a connection."""
    channel = GeneralChannel(serving)
    channel.factory = channel.site = site
    channel.timeOut = ceil(serving.limits.idle_timeout)
    return channel
