"""The answer of a conversation that is called plainly: the list of its replies.

It decides what input such a conversation gets, when it has said too much, and that it is closed
in every case. How conversations are opened, waited for and bounded is not its business.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any

from twisted.internet.defer import Deferred

from co2.errors import NeedsConversation, TooLarge
from co2.model.calls import Call, Encoded
from co2.model.conversation import Ask

_OVERHEAD = 40
"""Bytes that any value costs on the wire besides its text, near enough."""


def input_of(params: tuple[Any, ...]) -> Any:
    """Give a call's positional values as one: the single one itself, else the list of them."""
    return params[0] if len(params) == 1 else list(params)


def estimate_size(value: Any, enough: int) -> int:
    """Estimate the bytes that a value takes on the wire; counting stops beyond `enough`."""
    size = 0
    waiting = [value]
    while waiting and size <= enough:
        one = waiting.pop()
        size += _OVERHEAD
        if isinstance(one, Encoded):
            size += len(one.xml)
        elif isinstance(one, str):
            size += len(one)
        elif isinstance(one, bytes):
            size += len(one) * 4 // 3
        elif isinstance(one, dict):
            size += sum(len(name) for name in one if isinstance(name, str))
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
    return size


class PlainAnswer:
    """Takes what a generator yields, and gives what it is to be sent.

    Args:
        call: the plain call; its arguments are the first input.
        most: replies, and `most_bytes` their estimated sum in bytes.
    """

    def __init__(self, call: Call, most: int, most_bytes: int) -> None:
        self.replies: list[Any] = []
        self._call = call
        self._most = most
        self._room = most_bytes
        self._asked = False

    def take(self, item: Any) -> Any:
        """Keep a reply, or give the input that is asked for.

        Raises:
            NeedsConversation: a second request for input.
            TooLarge: more replies than a plain call can answer.
        """
        if isinstance(item, Ask):
            return self._supply()
        self._room -= estimate_size(item, self._room)
        if self._room < 0 or len(self.replies) >= self._most:
            raise TooLarge(
                f"{self._call.method} has more to say than one answer holds; "
                "open a conversation by co2.open and take it in pieces"
            )
        self.replies.append(item)
        return None

    def _supply(self) -> Any:
        if self._asked:
            raise NeedsConversation(
                f"{self._call.method} asks for more than one input; "
                "open a conversation by co2.open and answer each by co2.next"
            )
        self._asked = True
        return input_of(self._call.params)

    def run(
        self, generator: Generator[Any, Any, Any] | AsyncGenerator[Any, Any]
    ) -> list[Any] | Deferred[list[Any]]:
        """Run a generator to its end and give its replies; it is closed in every case.

        Cancelling the Deferred ends an async generator at what it awaits.
        """
        if isinstance(generator, AsyncGenerator):
            return Deferred.fromCoroutine(self._run_async(generator))
        return self._run(generator)

    def _run(self, generator: Generator[Any, Any, Any]) -> list[Any]:
        given = None
        try:
            while True:
                given = self.take(generator.send(given))
        except StopIteration:
            return self.replies
        finally:
            generator.close()

    async def _run_async(self, generator: AsyncGenerator[Any, Any]) -> list[Any]:
        given = None
        try:
            while True:
                given = self.take(await generator.asend(given))
        except StopAsyncIteration:
            return self.replies
        finally:
            await generator.aclose()
