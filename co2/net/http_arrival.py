"""What has arrived of a client's requests, and is no whole request yet.

Decides what is kept of it, and counts it in the server's budget. Whether a part may be kept at all,
and what is said if not, the connection decides.
"""

from __future__ import annotations

from co2.net.http_head import Head
from co2.net.http_limits import Budget


class Arrival:
    """The unread bytes of one connection.

    `input` holds bytes that nobody has looked at, or the beginning of a head; `head` is that of the
    request whose body is arriving, or None.

    Args:
        budget: of the server.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._counted = 0
        self._pieces: list[bytes] = []
        self._missing = 0
        self.input = b""
        self.head: Head | None = None

    @property
    def begun(self) -> bool:
        """Whether there is a part of a request."""
        return bool(self.input) or self.head is not None

    def hold(self, rest: bytes) -> bool:
        """Keep those bytes in place of all others; False if the budget is exceeded."""
        self.input = rest
        return not (rest or self._counted) or self._count(len(rest))

    def begin(self, head: Head, first: bytes) -> bool:
        """Begin a body by its first bytes; False if the budget is exceeded."""
        self.input = b""
        self.head = head
        self._pieces = [first]
        self._missing = head.length - len(first)
        return self._count(len(first))

    def completes(self, data: bytes) -> bool:
        """Tell whether the body is complete with those bytes."""
        return len(data) >= self._missing

    def add(self, data: bytes) -> bool:
        """Add bytes that do not complete the body; False if the budget is exceeded."""
        self._pieces.append(data)
        self._missing -= len(data)
        return self._count(self._counted + len(data))

    def complete(self, data: bytes) -> tuple[bytes, bytes]:
        """Add bytes that complete the body; give it, and what follows it."""
        missing = self._missing
        self._pieces.append(data[:missing])
        body = b"".join(self._pieces)
        self.clear()
        return body, data[missing:]

    def clear(self) -> None:
        """Hold nothing any more."""
        self.input = b""
        self.head = None
        self._pieces = []
        self._count(0)

    def _count(self, held: int) -> bool:
        by, self._counted = held - self._counted, held
        return self._budget.move(by) or by <= 0
