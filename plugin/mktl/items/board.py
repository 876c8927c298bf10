"""One queue for all publications of a daemon: they go out in the order they were made in.

Any thread may publish. The new value counts at once; what leaves the process does so in the
reactor's thread. A thread that publishes faster than the reactor sends waits for it.

What goes to one subscriber is gathered, and sent at the end of the reactor's turn, when it is much,
or by `flush`, which whoever answers a SET calls first: clients count on the news coming before the
answer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from twisted.logger import Logger

from plugin.mktl.net.peer import Peer
from plugin.mktl.net.sockets import Publisher
from plugin.mktl.wire.dialects import Dialect
from plugin.mktl.wire.message import Payload
from plugin.mktl.work.runtime import Runtime

MOST_WAITING = 20_000
"""Publications of threads that may wait for the reactor."""
_PATIENCE = 5.0
_MOST_GATHERED = 256
_A_TURN = 2000
"""Publications of threads that are sent before the reactor may do something else."""

Observer = Callable[[Any, Payload], None]


class Board:
    """See the module.

    Args:
        runtime: where the reactor is.

    Attributes:
        lock: held while a value is changed and its publication queued.
        observers: called with (item, payload) of every publication, in the reactor's thread.
    """

    _log = Logger()

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.lock = threading.RLock()
        self.observers: list[Observer] = []
        self.outlets: list[tuple[Dialect, Publisher]] = []
        self._waiting: deque[tuple[Any, Payload]] = deque()
        self._room = threading.Condition(self.lock)
        self._woken = False
        self._draining = False
        self._gathered: dict[Peer, list[bytes]] = {}
        self._count = 0
        self._planned = False

    def post(self, item: Any, payload: Payload) -> None:
        """Queue a publication; the caller holds `lock`, and calls `wake` when it does no longer."""
        self._waiting.append((item, payload))

    def wake(self) -> None:
        """Send what waits: now, if this is the reactor's thread."""
        if self.runtime.in_reactor():
            self._send_all()
            return
        with self.lock:
            if not self._woken:
                self._woken = True
                self.runtime.reactor.callFromThread(self._woken_up)
            if len(self._waiting) > MOST_WAITING:
                self._room.wait(_PATIENCE)

    def _woken_up(self) -> None:
        """Send what threads have published, a turn's worth of it."""
        self._woken = False
        self._drain(_A_TURN)

    def _send_all(self) -> None:
        self._drain(len(self._waiting) + _A_TURN)

    def _drain(self, most: int) -> None:
        if self._draining:  # an observer has published: the loop below comes to it
            return
        self._draining = True
        while self._waiting and most > 0:
            most -= 1
            item, payload = self._waiting.popleft()
            try:
                self._tell(item, payload)
            except Exception:
                self._log.failure("{item}: its news were not told to all", item=item.full_key)
        self._draining = False
        if (self._gathered or self._waiting) and not self._planned:
            self._planned = True
            self.runtime.reactor.callLater(0, self._end_of_turn)
        with self.lock:
            self._room.notify_all()

    def _tell(self, item: Any, payload: Payload) -> None:
        self._send(item.topic, payload)
        for observer in self.observers:
            observer(item, payload)
        item.told(payload)

    def _end_of_turn(self) -> None:
        self._planned = False
        self._drain(_A_TURN)
        self._write()

    def flush(self) -> None:
        """Send what waits, and what was gathered for each subscriber."""
        if self._waiting:
            self._send_all()
        self._write()

    def _write(self) -> None:
        if self._gathered:
            gathered, self._gathered, self._count = self._gathered, {}, 0
            for peer, pieces in gathered.items():
                peer.outlet.send_all(pieces)

    def _send(self, topic: bytes, payload: Payload) -> None:
        for dialect, publisher in self.outlets:
            listeners = publisher.audience.of(topic)
            if listeners:
                data = dialect.publication(topic, payload)
                for peer in listeners:
                    self._gathered.setdefault(peer, []).append(data)
                self._count += 1
        if self._count >= _MOST_GATHERED:
            self._write()

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
