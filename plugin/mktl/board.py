"""One queue for all publications of a daemon: they go out in the order they were made in.

Any thread may publish. The new value counts at once; what leaves the process does so in the
reactor's thread. A thread that publishes faster than the reactor sends waits for it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from plugin.mktl.dialects import Dialect
from plugin.mktl.message import Payload
from plugin.mktl.runtime import Runtime
from plugin.mktl.sockets import Peer, Publisher

MOST_WAITING = 20_000
"""Publications of threads that may wait for the reactor."""
_PATIENCE = 5.0

Observer = Callable[[Any, Payload], None]


class Board:
    """See the module.

    Args:
        runtime: where the reactor is.

    Attributes:
        lock: held while a value is changed and its publication queued.
        observers: called with (item, payload) of every publication, in the reactor's thread.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.lock = threading.RLock()
        self.observers: list[Observer] = []
        self.outlets: list[tuple[Dialect, Publisher]] = []
        self._waiting: deque[tuple[Any, Payload]] = deque()
        self._room = threading.Condition(self.lock)
        self._woken = False
        self._draining = False

    def post(self, item: Any, payload: Payload) -> None:
        """Queue a publication; the caller holds `lock`, and calls `wake` when it does no longer."""
        self._waiting.append((item, payload))

    def wake(self) -> None:
        """Send what waits: now, if this is the reactor's thread."""
        if self.runtime.in_reactor():
            self._drain()
            return
        with self.lock:
            if not self._woken:
                self._woken = True
                self.runtime.reactor.callFromThread(self._drain)
            if len(self._waiting) > MOST_WAITING:
                self._room.wait(_PATIENCE)

    def _drain(self) -> None:
        self._woken = False
        if self._draining:  # an observer has published: the loop below comes to it
            return
        self._draining = True
        gathered: dict[Peer, list[bytes]] = {}
        try:
            while self._waiting:
                item, payload = self._waiting.popleft()
                self._send(item.topic, payload, gathered)
                for observer in self.observers:
                    observer(item, payload)
                item.told(payload)
        finally:
            self._draining = False
            for peer, pieces in gathered.items():
                peer.outlet.send_all(pieces)
        with self.lock:
            self._room.notify_all()

    def _send(self, topic: bytes, payload: Payload, gathered: dict[Peer, list[bytes]]) -> None:
        for dialect, publisher in self.outlets:
            listeners = publisher.audience.of(topic)
            if listeners:
                data = dialect.publication(topic, payload)
                for peer in listeners:
                    gathered.setdefault(peer, []).append(data)

    def dropped(self) -> int:
        """Count the publications that slow subscribers did not get."""
        return sum(publisher.total_dropped() for _, publisher in self.outlets)

    def subscribers(self) -> Iterable[dict[str, Any]]:
        """Tell of every subscriber: where it is, what waits for it, what it missed."""
        for _, publisher in self.outlets:
            for peer in publisher.audience.listeners():
                where: Any = peer.transport.getPeer()
                yield {
                    "peer": f"{where.host}:{where.port}",
                    "waiting_bytes": peer.outlet.held,
                    "dropped": peer.outlet.dropped,
                }
