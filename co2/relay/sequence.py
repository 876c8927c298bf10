"""An author's messages in the order that they were sent in, whichever relays they came by.

Where relays form a diamond, a later message may take a faster way than the one before it. The first
relay writes into each message the id of its author's message before that (`after`); a later relay
holds a message back until that one has come, but not for long: it may have been before this
relay's time, or have expired on its way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from co2.model.messages import Message

_PATIENCE = 2.0
"""Seconds that a message is held back for one that does not come."""

Key = tuple[str, str]


class Sequence:
    """See the module.

    Args:
        clock: ends the waiting.
        has_come: tells whether the message of a key was here, and is in the journal by now or is
            on its way into it.
    """

    def __init__(self, clock: IReactorTime, has_come: Callable[[Key], bool]) -> None:
        self._clock = clock
        self._has_come = has_come
        self._waiting: dict[Key, list[Deferred[None]]] = {}
        self._held: set[Key] = set()
        self._timers: dict[Deferred[None], IDelayedCall] = {}
        self._come: deque[Key] = deque()
        self._telling = False

    def turn(self, message: Message) -> Deferred[None] | None:
        """Give None if it is this message's turn, or a Deferred that fires when it is."""
        if message.after is None:
            return None
        former = (message.host_id.random, message.after)
        if former not in self._held and self._has_come(former):
            return None
        waiting: Deferred[None] = Deferred()
        self._waiting.setdefault(former, []).append(waiting)
        self._held.add(message.key)
        self._hold(former, waiting)

        def go(_: None) -> None:
            self._held.discard(message.key)
            timer = self._timers.pop(waiting)
            if timer.active():
                timer.cancel()

        return waiting.addCallback(go)

    def came(self, key: Key) -> None:
        """Let go of those that have waited for this message, and of those behind them."""
        self._come.append(key)
        if self._telling:
            # One that is let go of says that it has come: a long row must not be a deep stack.
            return
        self._telling = True
        try:
            while self._come:
                for waiting in self._waiting.pop(self._come.popleft(), ()):
                    waiting.callback(None)
        finally:
            self._telling = False

    def close(self) -> None:
        """Let nothing more happen: what is held back was not answered, and comes again."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._waiting.clear()

    def _hold(self, former: Key, waiting: Deferred[None]) -> None:
        self._timers[waiting] = self._clock.callLater(_PATIENCE, self._give_up, former, waiting)

    def _give_up(self, former: Key, waiting: Deferred[None]) -> None:
        if former in self._held:
            # The one before it is here by now, and waits itself: this one goes after it.
            self._hold(former, waiting)
            return
        others = self._waiting.get(former, [])
        others.remove(waiting)
        if not others:
            del self._waiting[former]
        waiting.callback(None)
