"""The generator protocol: what a handler yields, and what it gets back.

`Steps` drives one generator. It decides what a yield means and says so in values; sending,
waiting and reading are for whoever runs it. What is wrong with a yield is raised in the handler,
at that yield, where its traceback points to the right line.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

_MOST_MISTAKES = 100
"""Wrong yields in a row after which a handler that catches our complaints is closed."""


Request: TypeAlias = tuple[tuple[Any, ...] | None, int | None, tuple[Any, ...] | None]
"""What one yield asks for, as it was yielded.

The reply, values to send, None for none; the timeout, seconds to wait until something can be read,
None to read without waiting first; the formats, what to read, None for nothing.
"""


class HandlerFailed(Exception):
    """A handler raised; its `__cause__` is what."""


class Steps:
    """One live generator."""

    __slots__ = ("_generator",)

    def __init__(self, generator: Generator[Any, Any, Any]) -> None:
        self._generator = generator

    def go_on(self, payload: Any = None, error: BaseException | None = None) -> Request | None:
        """Let the pending yield give a value, or raise, and run up to the next; None to begin.

        Returns:
            what it asks for; None once the generator has returned.

        Raises:
            HandlerFailed: it raised.
        """
        generator = self._generator
        for _ in range(_MOST_MISTAKES):
            try:
                yielded = generator.send(payload) if error is None else generator.throw(error)
            except StopIteration:
                return None
            except Exception as raised:
                raise HandlerFailed from raised
            mistake = _mistake(yielded)
            if mistake is None:
                request: Request = yielded
                return request
            error = TypeError(mistake)
        self.close()
        raise HandlerFailed from TypeError("the handler keeps yielding what is no request")

    def close(self) -> BaseException | None:
        """End it; its `finally` blocks run. Gives what they raised, if anything."""
        try:
            self._generator.close()
        except Exception as error:
            return error
        return None


def _mistake(yielded: Any) -> str | None:
    if not isinstance(yielded, tuple) or len(yielded) != 3:
        return "yield ((reply), timeout, (format)): a tuple of exactly three"
    reply, timeout, formats = yielded
    if reply is not None and not isinstance(reply, tuple):
        return _no_tuple("reply", reply)
    if formats is not None and not isinstance(formats, tuple):
        return _no_tuple("format", formats)
    if timeout is None or (type(timeout) is int and timeout >= 0):
        return None
    return f"the timeout is a whole number of seconds from 0 on, or None, not {timeout!r}"


def _no_tuple(name: str, part: Any) -> str:
    return f"the {name} is a tuple or None, not {type(part).__name__}; one value is (x,)"
