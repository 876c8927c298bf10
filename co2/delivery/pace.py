"""How much may be under way to one peer at a time: posts, and messages in each of them.

Decides from what the peer has shown. A peer that refuses a whole batch gets those messages one by
one. Behind a batch that may still be refused as such nothing goes ahead: it would overtake. After a
failure one message goes ahead alone, until one is settled: a peer that refuses it for now might
take the ones behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

from co2.delivery.flight import Flying


class Pace:
    """See the module.

    Args:
        window: posts in flight; 1 for peers that take one request at a time.
        batch: messages in one post; 1 for peers that may not know `system.multicall`.
    """

    def __init__(self, window: int, batch: int) -> None:
        self._window = window
        self._batch = batch
        self._takes_batches = False
        self._greets_singly = False
        self._singly_to = 0

    def posts(self, tries: int) -> int:
        """Give how many posts may be in flight, after `tries` that failed."""
        unproven = self._batch > 1 and not self._takes_batches
        return 1 if tries or unproven else self._window

    def messages(self, written: int, tries: int) -> int:
        """Give how many messages the next post may hold, behind number `written`."""
        return 1 if tries or written < self._singly_to else self._batch

    def greetings(self, written: int, tries: int) -> int:
        """Give how many messages of the greeting the next post may hold."""
        return 1 if self._greets_singly else self.messages(written, tries)

    def took(self, batch: Sequence[Flying]) -> None:
        """Note that a post was answered message by message."""
        self._takes_batches = self._takes_batches or len(batch) > 1

    def refused(self, batch: Sequence[Flying]) -> None:
        """Note that a batch was refused as such: too much at once, or no `system.multicall`."""
        self._takes_batches = False
        self._greets_singly = True
        if not batch[0].greets:
            self._singly_to = max(self._singly_to, batch[-1].entry.seq)
