"""The open conversations of one server, and the methods that lead them (PROTOCOL section 9).

It decides whose a conversation is, how many there may be, and when one that nobody talks to is
closed. What a generator does is `dialogue`'s business, what a step answers is `exchange`'s.

A conversation belongs to its caller's key: to anybody else its id is as unknown as a made-up one.
An ended one is remembered for a while, without a generator, so that a repeated step still gets
the last answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from co2.errors import ConversationClosed, InvalidParams, QueueFull, ShuttingDown
from co2.interfaces import IProcedureSource
from co2.model.calls import Call, Caller, Level
from co2.model.procedure import Procedure
from co2.rpc.dialogue import AnyGenerator, Begun
from co2.rpc.exchange import NOTHING, Answer, Exchange, Limits
from co2.rpc.replies import PlainAnswer

_log = Logger()


@define(eq=False)
class _Kept:
    """A conversation, whose it is, and the timer that ends it if nobody calls."""

    key: tuple[str, str]
    exchange: Exchange
    idle: IDelayedCall | None = None


class Conversations:
    """Every conversation of one server.

    Args:
        clock: times idleness and waiting.
        random_id: draws an id that cannot be guessed.
        idle_timeout: seconds after its last answer when a conversation is closed.
        limits: how many and how much.
    """

    def __init__(
        self,
        clock: IReactorTime,
        random_id: Callable[[], str],
        idle_timeout: float = 300.0,
        limits: Limits | None = None,
    ) -> None:
        self.limits = Limits() if limits is None else limits
        self._clock = clock
        self._random_id = random_id
        self._idle_timeout = idle_timeout
        self._open: dict[str, _Kept] = {}
        self._ended: OrderedDict[str, _Kept] = OrderedDict()
        self._plain: dict[Deferred[list[Any]], Deferred[None]] = {}
        self._stopping = False

    def answer_plainly(
        self, generator: AnyGenerator, call: Call
    ) -> list[Any] | Deferred[list[Any]]:
        """Run a conversation that was called like any method, and give the list of its replies.

        Raises:
            NeedsConversation: it asks a second time.
            TooLarge: it says more than one answer holds.
        """
        answer = PlainAnswer(call, self.limits.plain_replies, self.limits.plain_size)
        replies = answer.run(generator)
        if isinstance(replies, Deferred):
            self._plain[replies] = Deferred()
            replies.addBoth(self._answered_plainly, replies)
        return replies

    def _answered_plainly(self, result: Any, replies: Deferred[list[Any]]) -> Any:
        self._plain.pop(replies).callback(None)
        return result

    # --- steps ----------------------------------------------------------------------------------

    def open(self, begun: Begun, caller: Caller) -> Answer:
        """Begin a conversation and answer its step 0.

        Raises:
            QueueFull: the caller, or the server, has as many as may be open.
            ShuttingDown: the server is stopping.
            Co2Error: what it raised before it said anything.
        """
        self._check_room(caller)
        identity = self._random_id()
        exchange = Exchange(identity, begun, self._clock, self.limits, self._exchange_ended)
        kept = self._open[identity] = _Kept(caller.key, exchange)
        try:
            return exchange.open()
        finally:
            self._watch(kept)

    def next(
        self, identity: str, caller: Caller, step: int, payload: Any, wait: float
    ) -> Answer | Deferred[Answer]:
        """Run a step of a conversation, see `Exchange.next`.

        Raises:
            ConversationClosed: unknown, ended, or another caller's.
            Co2Error: what the step raises.
        """
        kept = self._find(identity, caller)
        try:
            answer = kept.exchange.next(step, payload, min(wait, self.limits.longest_wait))
        finally:
            self._watch(kept)
        if isinstance(answer, Deferred):
            answer.addBoth(self._answered, kept)
        return answer

    def close(self, identity: str, caller: Caller) -> Deferred[None]:
        """End a conversation; the Deferred fires when its `finally` has run.

        Raises:
            ConversationClosed: unknown, or another caller's.
        """
        return self._find(identity, caller).exchange.close("its caller closed it")

    def close_owned(self, owner: str) -> Deferred[None]:
        """End what a plugin's methods have open, because the plugin goes."""
        kept = [one for one in self._open.values() if one.exchange.begun.owner == owner]
        return self._close(kept, f"the plugin {owner} was taken out")

    def close_all(self) -> Deferred[None]:
        """End everything, plain calls too, and take nothing new.

        The Deferred fires when every `finally` has run, or when `limits.grace` seconds are over.
        """
        self._stopping = True
        plain = list(self._plain.items())
        for replies, _ in plain:
            replies.cancel()
        closed = self._close(list(self._open.values()), "the server is stopping")
        for kept in self._ended.values():
            self._stop_watching(kept)
        everything = gatherResults([closed, *(over for _, over in plain)], consumeErrors=True)
        everything.addTimeout(self.limits.grace, self._clock, self._gave_up)
        return everything.addCallback(lambda _: None)

    def _close(self, conversations: list[_Kept], why: str) -> Deferred[None]:
        ending = [one.exchange.close(why) for one in conversations]
        # They never fail, unless whoever waits for them gives up.
        closing = gatherResults(ending, consumeErrors=True)
        return closing.addCallback(lambda _: None)

    def _gave_up(self, result: object, seconds: float) -> None:
        _log.warn(
            "a conversation's finally was not done after {seconds} s; not waiting for it",
            seconds=seconds,
        )

    # --- who and how many -----------------------------------------------------------------------

    def _find(self, identity: str, caller: Caller) -> _Kept:
        kept = self._open.get(identity) or self._ended.get(identity)
        if kept is None or kept.key != caller.key:
            raise ConversationClosed(
                "no such conversation is open for this caller: it has ended, was idle for"
                f" {self._idle_timeout:g} s, or is another's; open a new one by co2.open"
            )
        return kept

    def _check_room(self, caller: Caller) -> None:
        if self._stopping:
            raise ShuttingDown("the server is stopping and opens no conversation")
        own = sum(kept.key == caller.key for kept in self._open.values())
        if own >= self.limits.per_caller:
            raise QueueFull(f"{own} conversations of this caller are open; close one by co2.close")
        if len(self._open) >= self.limits.most:
            raise QueueFull(
                f"{self.limits.most} conversations are open here, the most there may be"
            )

    # --- ends -----------------------------------------------------------------------------------

    def _answered(self, result: Any, kept: _Kept) -> Any:
        self._watch(kept)
        return result

    def _watch(self, kept: _Kept) -> None:
        """Count idleness from now, unless a caller is waiting for an answer."""
        self._stop_watching(kept)
        if not kept.exchange.held and kept.exchange.identity in (self._open | self._ended):
            kept.idle = self._clock.callLater(self._idle_timeout, self._idled, kept)

    def _stop_watching(self, kept: _Kept) -> None:
        if kept.idle is not None and kept.idle.active():
            kept.idle.cancel()
        kept.idle = None

    def _idled(self, kept: _Kept) -> None:
        if kept.exchange.finished:
            self._ended.pop(kept.exchange.identity, None)
        else:
            kept.exchange.close(f"nobody called for {self._idle_timeout:g} s")

    def _exchange_ended(self, exchange: Exchange) -> None:
        kept = self._ended[exchange.identity] = self._open.pop(exchange.identity)
        self._watch(kept)
        while len(self._ended) > self.limits.remembered:
            _, oldest = self._ended.popitem(last=False)
            self._stop_watching(oldest)


@implementer(IProcedureSource)
class ConversationMethods:
    """`co2.open`, `co2.next`, `co2.close`.

    Args:
        conversations: the open ones.
        begin: `Dispatcher.begin`, which checks the rights of the method that is opened.
    """

    def __init__(
        self, conversations: Conversations, begin: Callable[[Call, Caller], Begun]
    ) -> None:
        self._conversations = conversations
        self._begin = begin

    def procedures(self) -> Iterable[Procedure]:
        """Give the three methods; whose level counts is the opened method's."""
        for name, function in (
            ("co2.open", self.open),
            ("co2.next", self.next),
            ("co2.close", self.close),
        ):
            yield Procedure(name, function, Level.OPEN, passes_caller=True)

    def open(
        self,
        caller: Caller,
        method: str,
        params: list[Any] | dict[str, Any] = [],  # noqa: B006
    ) -> Answer:
        """Open a conversation with a method that replies more than once or asks for input.

        Answers {'conversation', 'step': 0, 'replies', 'asks', 'done'}, and 'prompt' if it asks
        with one. Go on by co2.next with step 1, then 2, and so on, until 'done'.
        """
        given = (params,) if isinstance(params, dict) else tuple(params)
        return self._conversations.open(self._begin(Call(method, given), caller), caller)

    def next(
        self,
        caller: Caller,
        conversation: str,
        step: int,
        payload: Any = NOTHING,
        wait: float | None = None,
    ) -> Answer | Deferred[Answer]:
        """Take the next replies of a conversation, and give what it asked for as payload.

        The step is the last answer's plus one; the last step sent again gives its answer again.
        With nothing to tell, the answer is held back for up to 'wait' seconds.
        """
        if wait is None:
            wait = self._conversations.limits.wait
        if not wait >= 0:
            raise InvalidParams("wait is a number of seconds, 0 or more")
        return self._conversations.next(conversation, caller, step, payload, wait)

    def close(self, caller: Caller, conversation: str) -> Deferred[bool]:
        """End a conversation; its method cleans up before this answers True."""
        return self._conversations.close(conversation, caller).addCallback(lambda _: True)
