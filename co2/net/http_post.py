"""One connection to a remote server: posts are written, their answers matched in order.

Decides which post an answer belongs to, and what is left unanswered when the connection ends. When
to connect, and what a post's failure means, is its owner's business.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol as Seam

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from co2.errors import Co2Error, TimedOut, TransportFailed
from co2.net.http_answer import Answer, AnswerReader
from co2.net.http_outlet import Outlet, outlet_of

_TRUSTED_IDLE = 1.0
"""Seconds without traffic after which a connection is looked at before it is written to."""
_QUOTED = 200


class Post:
    """A document on its way; `deadline` is the clock's seconds, `moved` that it had two chances."""

    __slots__ = ("deadline", "deferred", "moved", "parts", "timeout")

    def __init__(
        self, parts: tuple[bytes, ...], deadline: float, timeout: float, deferred: Deferred[bytes]
    ) -> None:
        self.parts = parts
        self.deadline = deadline
        self.timeout = timeout
        self.deferred = deferred
        self.moved = False

    def fail(self, error: Co2Error) -> None:
        """Say that there will be no answer, unless nobody waits for one any more."""
        if not self.deferred.called:
            self.deferred.errback(error)

    def fail_late(self, name: str) -> None:
        """Say that the time is up."""
        self.fail(TimedOut(f"{name} did not answer within {self.timeout:g} s"))


class Owner(Seam):
    """Who has the connection."""

    def retired(self, connection: PostingConnection) -> None:
        """Nothing is to be written to that connection any more; called once, first of all."""

    def move(self, posts: list[Post]) -> None:
        """Take back posts of which no byte was sent."""

    def lost(self, connection: PostingConnection) -> None:
        """The connection is gone."""


class PostingConnection(Protocol):
    """One connection.

    Args:
        owner: who has it.
        clock: tells how long it has been idle.
        name: of the server, for texts.
        head: a request's bytes up to its length.
        most: bytes of one answer.
    """

    _outlet: Outlet

    def __init__(
        self, owner: Owner, clock: IReactorTime, name: str, head: bytes, most: int
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._name = name
        self._head = head
        self._reader = AnswerReader(most)
        self._written: deque[Post] = deque()
        self._gathered: list[Post] = []
        self._gathering = False
        self._active = 0.0
        self._ended = False

    # --- the owner's side -----------------------------------------------------------------------

    def write(self, post: Post) -> None:
        """Send a post now, or with others when the answers that came have been handed out."""
        if self._gathering:
            self._gathered.append(post)
        else:
            self._send([post])

    def write_all(self, posts: list[Post]) -> None:
        """Send several posts at once."""
        self._send(posts)

    def is_stale(self, now: float) -> bool:
        """Tell whether the server has closed an idle connection, and nobody has noticed yet."""
        idle = not self._written and not self._gathered and now - self._active > _TRUSTED_IDLE
        return idle and self._outlet.was_closed()

    def drop(self, deferred: Deferred[bytes]) -> None:
        """Forget a post; if it was written the connection ends, for an answer cannot be stopped."""
        self._gathered = [post for post in self._gathered if post.deferred is not deferred]
        for post in self._written:
            if post.deferred is deferred:
                self._written.remove(post)
                self.end("was to answer, but a call that was sent ahead was cancelled")
                return

    def expire(self, now: float) -> float | None:
        """Let posts go whose time is up; give the next deadline, or None."""
        if self._written and self._written[0].deadline <= now:
            self._expire_foremost(now)
            return None
        for post in self._written:
            if post.deadline <= now:
                post.fail_late(self._name)
        due = [post.deadline for post in self._written if not post.deferred.called]
        return min(due, default=None)

    def end(self, why: str) -> None:
        """Close; what is unanswered fails with a text that ends in `why`."""
        posts = self._retire()
        assert self.transport is not None
        if not posts:
            self._outlet.release()
            self.transport.loseConnection()
        else:
            ITCPTransport(self.transport).abortConnection()
        self._fail(posts, why)

    # --- the transport's side -------------------------------------------------------------------

    def connectionMade(self) -> None:
        """The server has accepted."""
        assert self.transport is not None
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        self._outlet = outlet_of(self.transport, lambda: None)
        self._active = self._clock.seconds()

    def dataReceived(self, data: bytes) -> None:
        """Answers, or parts of them, have arrived."""
        self._active = self._clock.seconds()
        answers = self._reader.feed(data)
        self._gathering = True
        for answer in answers:
            self._take(answer)
        self._gathering = False
        gathered, self._gathered = self._gathered, []
        if self._reader.error is not None and not self._ended:
            self.end(self._reader.error.text)
        if gathered and self._ended:
            self._owner.move(gathered)
        elif gathered:
            self._send(gathered)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        last = self._reader.end()
        if last is not None and self._written:
            self._take(last)
        posts = self._retire()
        self._owner.lost(self)
        self._fail(posts, "closed the connection before it answered")

    # --- inside ---------------------------------------------------------------------------------

    def _send(self, posts: list[Post]) -> None:
        pieces: list[bytes] = []
        for post in posts:
            pieces.append(b"%s%d\r\n\r\n" % (self._head, sum(map(len, post.parts))))
            pieces += post.parts
            self._written.append(post)
        self._outlet.send_all(pieces)
        if self._outlet.broken:
            self._take_back(posts)

    def _take_back(self, posts: list[Post]) -> None:
        """The socket refused, and took no byte of these posts: they may go another way."""
        for _ in posts:
            self._written.pop()
        self.end("closed the connection before it answered")
        self._owner.move(posts)

    def _take(self, answer: Answer) -> None:
        if self._ended:
            return
        if not self._written:
            self.end("answered what was not asked")
            return
        post = self._written.popleft()
        if answer.last:
            # First, so that what is posted next goes to a new connection.
            rest = self._retire()
        self._settle(post, answer)
        if answer.last:
            assert self.transport is not None
            self._outlet.release()
            self.transport.loseConnection()
            self._fail(rest, "closed the connection after its answer to an earlier call")

    def _settle(self, post: Post, answer: Answer) -> None:
        if post.deferred.called:
            return
        if answer.status == 200:
            post.deferred.callback(answer.body)
        else:
            post.fail(TransportFailed(self._refusal(answer)))

    def _refusal(self, answer: Answer) -> str:
        line = answer.body[:_QUOTED].decode("utf-8", "replace").partition("\n")[0]
        said = "".join(letter for letter in line if letter.isprintable())
        return f"{self._name} answered with HTTP status {answer.status}: {said}"

    def _expire_foremost(self, now: float) -> None:
        posts = self._retire()
        ITCPTransport(self.transport).abortConnection()
        for post in posts:
            if post.deadline <= now:
                post.fail_late(self._name)
        self._fail(posts, "did not answer an earlier call in time, and the connection was closed")

    def _retire(self) -> list[Post]:
        """Be written to no more; give the posts that are unanswered."""
        posts = list(self._written)
        self._written.clear()
        if not self._ended:
            self._ended = True
            self._owner.retired(self)
        return posts

    def _fail(self, posts: list[Post], why: str) -> None:
        for post in posts:
            post.fail(TransportFailed(f"{self._name} {why}"))
