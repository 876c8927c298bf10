"""The one place where an exception becomes an error that may travel.

It decides what a caller is told of a failure: what failed and in whose method, with an incident
id under which the log has the rest. Never a traceback or a path: those are for whoever reads the
log. It knows nothing of calls or rights.

| what a method raised                | what the caller gets                                     |
| ----------------------------------- | -------------------------------------------------------- |
| a Co2Error                          | that error, unchanged and not logged: it was meant       |
| CancelledError                      | Gone: the caller left, or the server stopped the call    |
| OSError from a plugin               | SystemFailed: class and the system's words, no file name |
| anything else from a plugin         | PluginRaised: class and message, paths taken out         |
| anything else from the server       | InternalError: only the incident id                      |
"""

from __future__ import annotations

import re
from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from co2.errors import Co2Error, Gone, InternalError, PluginRaised, SystemFailed

LONGEST_MESSAGE = 200
"""Characters of a plugin's own message that a fault quotes."""

_PATH = re.compile(r"(?<![\w:/.])(?:~?/|[A-Za-z]:\\)(?:[^\s/\\'\"<>]+[/\\])+[^\s'\"<>]*")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]+")


def quote_message(error: BaseException) -> str:
    """Give what an exception says of itself, on one line, short, and without paths.

    A plugin's `__str__` may itself raise; then there is nothing to quote.
    """
    try:
        text = str(error)
    except Exception:
        return "(its message cannot be read)"
    text = _PATH.sub("(a path)", _NOT_PRINTABLE.sub(" ", text[: 10 * LONGEST_MESSAGE])).strip()
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


class Incidents:
    """Turns exceptions into errors for the wire, and logs each under an id.

    Args:
        log: where the tracebacks go.
        random_id: draws an incident id.
    """

    def __init__(self, log: Logger, random_id: Callable[[], str]) -> None:
        self._log = log
        self._random_id = random_id

    def error_for(self, error: BaseException, method: str, owner: str) -> Co2Error:
        """Give the error that stands for an exception.

        Args:
            error: what was raised.
            method: name of the method that raised it.
            owner: dotted name of its plugin, empty for the server's own.
        """
        if isinstance(error, Co2Error):
            return error
        if isinstance(error, CancelledError):
            return Gone(f"the call of {method} was cancelled before it had ended")
        incident = self.record(error, method, owner)
        if not owner:
            return InternalError(f"{method} failed in the server; its log has incident {incident}")
        kind = type(error).__name__
        if isinstance(error, OSError):
            said = error.strerror or "no more is known"
            return SystemFailed(f"{method}: {kind}: {said} (incident {incident})")
        return PluginRaised(f"{method} raised {kind}: {quote_message(error)} (incident {incident})")

    def record(self, error: BaseException, method: str, owner: str) -> str:
        """Log an exception that nobody is told of; gives the incident id."""
        incident = self._random_id()
        self._log.failure(
            "incident {incident}: {method} of {plugin} raised",
            failure=Failure(error),
            incident=incident,
            method=method,
            plugin=owner or "the server",
        )
        return incident
