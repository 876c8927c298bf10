"""co2 itself as an exchange: requests come as calls or messages, answers go back the same way."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from plugin.guest.exchange.waiting import Waiting
from plugin.guest.interfaces import IExchange


class Busy(Exception):
    """Too many requests wait."""


@implementer(IExchange)
class Co2Exchange:
    """What the plugin's methods put in, and wait for."""

    def __init__(self, most: int = 1000) -> None:
        self._waiting = Waiting(most)
        self._answers: set[Deferred[Any]] = set()

    def ask(self, data: str) -> Deferred[Any]:
        """Put a request in; fires with its response, None where there is none.

        Fails with Busy where too many wait.
        """
        if self._waiting.full:
            return fail(Busy("too many requests wait: try again in a second"))
        answer: Deferred[Any] = Deferred()
        self._answers.add(answer)
        self._waiting.put({"data": data, "answer": answer})
        return answer

    def get_request(self) -> Deferred[Any]:
        """Give the next request."""
        return self._waiting.get()

    def put_response(self, request: Any, response: Any) -> Deferred[None]:
        """Fire what `ask` gave."""
        answer = request["answer"]
        if answer in self._answers:
            self._answers.discard(answer)
            answer.callback(response)
        return succeed(None)

    def discard_request(self, request: Any) -> Deferred[None]:
        """Answer with nothing."""
        return self.put_response(request, None)

    def close(self) -> Deferred[None]:
        """Take no more; those that wait get nothing."""
        self._waiting.close()
        for answer in tuple(self._answers):
            self._answers.discard(answer)
            answer.callback(None)
        return succeed(None)
