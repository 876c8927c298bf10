"""Messages that were collected and are not acknowledged yet: plugins have them, each at its pace.

Decides how far the relay may be told that messages are worked off: `after`, up to the first that a
plugin is still at. `have` is how far they were collected. Knows no relay and no plugins.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from co2.errors import Co2Error, RetryLater


@define(eq=False)
class _Message:
    seq: int
    receipt: dict[str, Any] | None = None


class InHand:
    """See the module.

    Args:
        after: number of the last message that was worked off before.

    Attributes:
        receipts: what became of messages since, for the relay; whoever has sent them drops them.
        trouble: why a message cannot be taken for now; nothing from it on will be acknowledged.
    """

    _log = Logger()

    def __init__(self, after: int = 0) -> None:
        self.after = after
        self.have = after
        self.receipts: list[dict[str, Any]] = []
        self.trouble: RetryLater | None = None
        self._messages: deque[_Message] = deque()
        self._quiet: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._messages)

    def take(self, seq: int, answer: Deferred[dict[str, Any]]) -> None:
        """Have one more in hand, until its answer comes: `{'plugins': …}`, or an error."""
        message = _Message(seq)
        self._messages.append(message)
        answer.addCallbacks(
            self._answered, self._failed, callbackArgs=(message,), errbackArgs=(message,)
        )

    def reach(self, after: int) -> None:
        """Note how far was collected, what is for others included."""
        self.have = max(self.have, after)
        self._move_on()

    def quiet(self) -> Deferred[None]:
        """Give a Deferred that fires when nothing is in hand, or something went wrong."""
        if self.trouble is not None or not self._messages:
            return succeed(None)
        self._quiet = Deferred()
        return self._quiet

    def _answered(self, answer: dict[str, Any], message: _Message) -> None:
        said = {name: answer[name] for name in ("plugins",) if name in answer}
        message.receipt = {"seq": message.seq, **said}
        self._move_on()

    def _failed(self, failure: Failure, message: _Message) -> None:
        error = failure.value
        if isinstance(error, RetryLater):
            self.trouble = self.trouble or error
            self._tell_quiet()
            return
        if not isinstance(error, Co2Error):
            self._log.failure("message {seq} was not taken", failure, seq=message.seq)
        text = error.text if isinstance(error, Co2Error) else "its host failed; its log says why"
        message.receipt = {"seq": message.seq, "refused": text}
        self._move_on()

    def _move_on(self) -> None:
        while self._messages and (receipt := self._messages[0].receipt) is not None:
            self.after = max(self.after, self._messages.popleft().seq)
            self.receipts.append(receipt)
        if not self._messages:
            self.after = max(self.after, self.have)
            self._tell_quiet()

    def _tell_quiet(self) -> None:
        quiet, self._quiet = self._quiet, None
        if quiet is not None and not quiet.called:
            quiet.callback(None)
