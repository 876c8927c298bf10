"""A reactor of its own in a thread, for tests that talk to programs which block."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from e2e.processes import PATIENCE, eventually
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.threads import blockingCallFromThread


class Loop:
    """See the module; a context manager."""

    def __init__(self) -> None:
        self.reactor = EPollReactor()
        self._thread = threading.Thread(target=self.reactor.run, args=(False,), daemon=True)

    def __enter__(self) -> Loop:
        self._thread.start()
        self.do(lambda: None)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.reactor.callFromThread(self.reactor.stop)
        self._thread.join(PATIENCE)
        for reader in self.reactor.removeAll():
            reader.connectionLost(None) if not hasattr(reader, "factory") else None

    def do(self, function: Callable[[], Any]) -> Any:
        """Call in the reactor's thread, and wait for the result, a Deferred's too."""
        return blockingCallFromThread(self.reactor, function)

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait until something has become so."""
        eventually(lambda: self.do(condition))

    def listen(self, make: Callable[[Any], Any]) -> int:
        """Listen on loopback with a factory; gives the port."""
        port = self.do(lambda: self.reactor.listenTCP(0, make(self.reactor), interface="127.0.0.1"))
        return port.getHost().port

    def connect(self, port: int, make: Callable[[Any], Any]) -> Any:
        """Connect on loopback with a factory."""
        return self.do(
            lambda: HostnameEndpoint(self.reactor, "127.0.0.1", port).connect(make(self.reactor))
        )
