"""The same handlers over XML-RPC: a command as a conversation of co2 (PROTOCOL section 9).

How it works. What a handler sends up to an `end_of_message` is one reply, a list of its values.
Where it reads a message, the caller is asked, and answers with the list of the message's values
(or the only one by itself). A wait without a format is slept through; a wait with one cannot tell
a slow caller from a silent one, so a payload that comes later than its timeout is kept for the
next read, and the handler gets the None that its timeout promised.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from co2.api import ApplicationFailed, InvalidParams, ask
from plugin.snake.cedar.errors import PayloadError
from plugin.snake.daemon.daemon import SnakeDaemon
from plugin.snake.handlers.run import INLINE
from plugin.snake.handlers.sentinel import end_of_message
from plugin.snake.handlers.steps import HandlerFailed, Request, Steps
from plugin.snake.structs import payload_item, reply_of, word


class _Talk:
    """One handler, its unread payload, and the reply that it is gathering."""

    def __init__(self, daemon: SnakeDaemon, number: int) -> None:
        self._steps: Steps = daemon.conversation(number)
        self._log = daemon.log
        self._over = daemon.lend(self.close)
        self._closed = False
        self.group: list[Any] = []
        self.left: list[Any] | None = None

    def close(self) -> None:
        """End it; its `finally` blocks run."""
        self._closed = True
        error = self._steps.close()
        if error is not None:
            self._log.failure("closing a handler that a co2 call ran raised", error)

    def end(self) -> None:
        """It is done with, however it ended."""
        self._over()
        if not self._closed:
            self.close()

    def go_on(self, payload: Any = None, error: Exception | None = None) -> Request | None:
        """Let it go on with a payload or an error; what the handler raises is raised here."""
        if self._closed:
            raise ApplicationFailed("the genus was reconfigured meanwhile; call again")
        try:
            return self._steps.go_on(payload, error)
        except HandlerFailed as failure:
            raise _shown(failure.__cause__) from None

    def groups(self, reply: tuple[Any, ...]) -> tuple[list[list[Any]], Exception | None]:
        """Give the replies that are complete, and what was wrong with an item, if anything."""
        complete: list[list[Any]] = []
        for item in reply:
            try:
                if item is end_of_message:
                    complete.append(self.group)
                    self.group = []
                elif item is not None:
                    self.group.append(reply_of(item))
            except (TypeError, ValueError, OverflowError) as error:
                return complete, error
        return complete, None

    def read(self, formats: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
        """Read the formats off the payload that is left, or that was given now."""
        if self.left is None:
            self.left = list(given) if isinstance(given, list) else [given]
        found = []
        for item in formats:
            found.append(None if item is None else payload_item(item, self.left or []))
            if item is end_of_message:
                self.left = None
        return tuple(found)


def _shown(error: BaseException | None) -> BaseException:
    """A payload that does not fit is the caller's mistake, everything else the handler's."""
    assert error is not None
    return InvalidParams(str(error)) if isinstance(error, PayloadError) else error


def sleep(clock: IReactorTime, seconds: float) -> Deferred[None]:
    """Give a Deferred that fires after a time; cancelling it frees the timer."""
    done: Deferred[None] = Deferred(lambda _: timer.cancel())
    timer = clock.callLater(seconds, done.callback, None)
    return done


async def converse(
    daemon: SnakeDaemon, number: int, clock: IReactorTime
) -> AsyncGenerator[Any, Any]:
    """Run the handler of a command of the table.

    Args:
        daemon: whose.
        number: the command.
        clock: for waits.

    Raises:
        ApplicationFailed: the genus was reconfigured meanwhile.
        Exception: whatever the handler raises.
    """
    talk = _Talk(daemon, number)
    try:
        request = talk.go_on()
        for step in itertools.count(1):
            if request is None:
                return
            if step % INLINE == 0:
                await sleep(clock, 0)
            reply, timeout, formats = request
            complete, mistake = talk.groups(reply or ())
            for group in complete:
                yield group
            if mistake is not None:
                request = talk.go_on(error=mistake)
            elif formats is None:
                if timeout:
                    await sleep(clock, timeout)
                request = talk.go_on()
            elif talk.left is not None:
                request = _resumed(talk, formats, None)
            else:
                asked = clock.seconds()
                given = yield ask({"wanted": [word(one) for one in formats if one is not None]})
                if timeout and clock.seconds() - asked > timeout:
                    talk.left = list(given) if isinstance(given, list) else [given]
                    request = talk.go_on()
                else:
                    request = _resumed(talk, formats, given)
    finally:
        talk.end()


def _resumed(talk: _Talk, formats: tuple[Any, ...], given: Any) -> Request | None:
    try:
        payload = talk.read(formats, given)
    except (PayloadError, TypeError) as error:
        return talk.go_on(error=error)
    return talk.go_on(payload)
