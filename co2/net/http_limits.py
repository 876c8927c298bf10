"""How much one HTTP server takes, and the account of what it holds.

This module decides the defaults and counts; who is refused, and with which words, is decided where
the bytes arrive.
"""

from __future__ import annotations

from attrs import frozen

MiB = 1024 * 1024


@frozen
class HttpLimits:
    """What a server takes from its clients; times are seconds, sizes bytes.

    Attributes:
        max_body: one request's body; more is 413, before it is read.
        max_head: request line and headers together (nginx has 8 KiB a line, Apache 8 KiB a field).
        max_headers: header lines of one request.
        max_connections: open at once; more are closed when they come.
        max_buffered: all bodies and backlogs that have arrived in part, together; more is 503.
        max_backlog: what one connection may send ahead while an answer is awaited; then it is
            not read until the answer is written.
        request_timeout: from a request's first byte to its last; then 408.
        idle_timeout: between two requests; then the connection is closed without a word.
        write_timeout: for a client to take an answer that did not fit its socket.
        linger: how long a refused client's further bytes are read and dropped, so that it sees
            the refusal and no reset.
        turn: requests of one connection that are worked off in a row before others have a turn;
            with four clients that send far ahead, 32 let a fifth one's call wait 0.7 ms where no
            bound lets it wait 4 ms, and cost no throughput that could be measured.
    """

    max_body: int = 16 * MiB
    max_head: int = 16 * 1024
    max_headers: int = 100
    max_connections: int = 20_000
    max_buffered: int = 256 * MiB
    max_backlog: int = 64 * 1024
    request_timeout: float = 30.0
    idle_timeout: float = 75.0
    write_timeout: float = 120.0
    linger: float = 2.0
    turn: int = 32


class Budget:
    """What all connections of a server hold together, of bytes that are not yet a request.

    Args:
        most: bytes that may be held.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.used = 0

    def move(self, by: int) -> bool:
        """Count `by` bytes more, or fewer; tell whether that is still within the budget."""
        self.used += by
        return self.used <= self._most
