"""Who wants a topic: subscriptions are prefixes, and every publication asks.

The answer for a topic is kept until somebody subscribes or leaves, so that a publication costs one
look-up. It must not know how anything is sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import define, field

_Listener = TypeVar("_Listener", bound=Hashable)

MOST_KEPT = 20_000
"""Topics whose answer is remembered."""


@define
class Audience(Generic[_Listener]):
    """See the module. A prefix may be subscribed to several times, as ZeroMQ counts them."""

    _wanted: dict[_Listener, Counter[bytes]] = field(factory=dict, init=False)
    _answers: dict[bytes, tuple[_Listener, ...]] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._wanted)

    def listeners(self) -> tuple[_Listener, ...]:
        """Give everybody who has subscribed to anything."""
        return tuple(self._wanted)

    def subscribe(self, listener: _Listener, prefix: bytes) -> None:
        """Add a prefix; the empty one wants everything."""
        self._wanted.setdefault(listener, Counter())[prefix] += 1
        self._answers.clear()

    def unsubscribe(self, listener: _Listener, prefix: bytes) -> None:
        """Take a prefix back once; one that is not there is no error."""
        prefixes = self._wanted.get(listener)
        if prefixes is None or prefix not in prefixes:
            return
        prefixes[prefix] -= 1
        if prefixes[prefix] <= 0:
            del prefixes[prefix]
        self._answers.clear()

    def leave(self, listener: _Listener) -> None:
        """Forget a listener."""
        if self._wanted.pop(listener, None) is not None:
            self._answers.clear()

    def count(self, listener: _Listener) -> int:
        """Say how many prefixes a listener has."""
        return len(self._wanted.get(listener, ()))

    def of(self, topic: bytes) -> tuple[_Listener, ...]:
        """Give who wants this topic."""
        answer = self._answers.get(topic)
        if answer is None:
            answer = tuple(one for one, own in self._wanted.items() if _matches(own, topic))
            if len(self._answers) >= MOST_KEPT:
                self._answers.clear()
            self._answers[topic] = answer
        return answer


def _matches(prefixes: Counter[bytes], topic: bytes) -> bool:
    return any(topic[:size] in prefixes for size in range(len(topic), -1, -1))
