"""The one answer that a connection waits for, if it waits.

Decides what becomes of an answer that is there at once, that comes later, or that nobody waits for
any more. Invariant: `came` is called at most once for a Deferred, and never while it is handed in.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure


class Awaited:
    """Waits for one answer at a time.

    Args:
        came: called with an answer that came later.
        failed: called when there will be none, which is logged.
    """

    _log = Logger()

    def __init__(self, came: Callable[[bytes], None], failed: Callable[[], None]) -> None:
        self._came = came
        self._failed = failed
        self._pending: Deferred[bytes] | None = None
        self._early: bytes | None = None
        self._handing_in = False

    @property
    def pending(self) -> bool:
        """Whether an answer is waited for."""
        return self._pending is not None

    def take(self, reply: Deferred[bytes]) -> bytes | None:
        """Give the answer if it is there already, or None and wait for it."""
        self._pending = reply
        self._handing_in = True
        reply.addCallbacks(self._answered, self._cancelled)
        self._handing_in = False
        early, self._early = self._early, None
        return early

    def cancel(self) -> None:
        """Wait no more, and cancel the call."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()

    def _answered(self, reply: bytes) -> None:
        if self._pending is None:
            return
        self._pending = None
        if self._handing_in:
            self._early = reply
        else:
            self._came(reply)

    def _cancelled(self, failure: Failure) -> None:
        if self._pending is not None:
            self._pending = None
            self._log.failure("a call was cancelled, and not by its caller", failure)
            self._failed()
