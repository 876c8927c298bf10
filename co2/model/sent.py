"""What `send()` gives back: the message's way, for whoever wants to know.

The one value here that changes, and it does so once: when the outcome is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from twisted.python.threadable import isInIOThread

from co2.errors import Co2Error, LocalError, TimedOut


class Sent:
    """A message that was handed to `send()`.

    It may be ignored; awaited in a coroutine (`answer = await self.send(…)`); or waited for in a
    thread (`self.send(…).wait(5)`). The outcome is a dict: 'id', 'recipients' (how many hosts the
    message is for), and 'seq', the relay's number of it, where a relay took it.

    Attributes:
        id: the message's ULID.
    """

    def __init__(
        self, id: str, ask: Callable[[Sent], Deferred[list[dict[str, Any]]]] | None = None
    ) -> None:
        self.id = id
        self._ask = ask
        self._outcome: Any = None
        self._settled = threading.Event()
        self._waiting: list[Deferred[Any]] = []

    def __repr__(self) -> str:
        return f"<Sent {self.id} {'settled' if self._settled.is_set() else 'under way'}>"

    @property
    def settled(self) -> bool:
        """Whether the outcome is known."""
        return self._settled.is_set()

    def settle(self, outcome: dict[str, Any] | Co2Error) -> None:
        """Tell the outcome; called once, by the outbox, in the reactor's thread."""
        self._outcome = outcome
        self._settled.set()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            self._tell(deferred)

    def __await__(self) -> Generator[Deferred[Any], Any, dict[str, Any]]:
        return self.as_deferred().__await__()

    def as_deferred(self) -> Deferred[dict[str, Any]]:
        """Give a Deferred of the outcome; in the reactor's thread only."""
        deferred: Deferred[dict[str, Any]] = Deferred(self._waiting_forget)
        if self._settled.is_set():
            self._tell(deferred)
        else:
            self._waiting.append(deferred)
        return deferred

    def receipts(self) -> Deferred[list[dict[str, Any]]]:
        """Ask who has the message by now, who has not, and why; in the reactor's thread.

        Returns:
            a Deferred of a list: for each satellite 'host_id', 'nick', 'state' (delivered, queued,
            refused, raised, timeout, unreachable, expired), 'detail', 'time' and 'tries'. It fails
            if the relay does not answer.
        """
        return succeed([]) if self._ask is None else self._ask(self)

    def wait(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait in a thread.

        Args:
            timeout: seconds, or None to wait for as long as it takes.

        Raises:
            TimedOut: the outcome is not known yet; the message is still on its way.
            LocalError: called in the reactor's thread, which would wait for itself.
            Co2Error: why the message was refused.
        """
        if isInIOThread() and not self._settled.is_set():
            raise LocalError(
                "wait() would stop the reactor: await the message instead, or set threaded = True"
            )
        if not self._settled.wait(timeout):
            raise TimedOut(f"message {self.id} has no answer after {timeout} s; it is kept")
        if isinstance(self._outcome, Co2Error):
            raise self._outcome
        return dict(self._outcome)

    def _waiting_forget(self, deferred: Deferred[Any]) -> None:
        if deferred in self._waiting:
            self._waiting.remove(deferred)

    def _tell(self, deferred: Deferred[Any]) -> None:
        if isinstance(self._outcome, Co2Error):
            deferred.errback(Failure(self._outcome))
        else:
            deferred.callback(dict(self._outcome))
