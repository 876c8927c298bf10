"""Where the short queue of a socket is full: vm-data's own connection, and a start beside it."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest
from twisted.internet.testing import MemoryReactor

from plugin.guest.exchange.sockets import UnixSocket
from plugin.guest.xenstore import blocking
from plugin.guest.xenstore.blocking import BlockingStore
from plugin.guest.xenstore.wire import XenStoreLost


def test_a_place_in_the_queue_is_waited_for(full_queue: socket.socket) -> None:
    """Who comes while the queue is full is let in when there is a place."""
    coming = threading.Event()
    connected = []

    def come() -> None:
        coming.set()
        with BlockingStore(full_queue.getsockname()):
            connected.append(True)

    thread = threading.Thread(target=come)
    thread.start()
    coming.wait()
    full_queue.accept()[0].close()
    thread.join(10)
    assert connected == [True]


def test_a_signal_ends_no_wait(full_queue: socket.socket) -> None:
    """Who is interrupted while the queue is full goes on waiting, and is let in in the end."""
    connected: list[object] = []

    def come() -> None:
        with BlockingStore(full_queue.getsockname()) as store:
            assert store._socket is not None
            connected.append(store._socket.getpeername())

    former = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    thread = threading.Thread(target=come)
    try:
        thread.start()
        for _ in range(20):
            assert thread.ident is not None and thread.is_alive()
            signal.pthread_kill(thread.ident, signal.SIGUSR1)
            thread.join(0.01)
    finally:
        signal.signal(signal.SIGUSR1, former)
        full_queue.accept()[0].close()
        thread.join(10)
    assert connected == [full_queue.getsockname()]


def test_a_queue_that_stays_full_is_told(
    full_queue: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is over: that is said, and no socket is left."""
    monkeypatch.setattr(blocking, "TIMEOUT", 1.0)
    with pytest.raises(XenStoreLost, match="took no connection within 1 seconds"):
        BlockingStore(full_queue.getsockname())


def test_a_socket_with_a_full_queue_is_somebodys(full_queue: socket.socket) -> None:
    """Another agent that starts there neither takes it away nor fails before it tries to listen."""
    reactor = MemoryReactor()
    UnixSocket(full_queue.getsockname()).start(reactor)
    assert os.path.exists(full_queue.getsockname())
    assert reactor.unixServers[0][0] == full_queue.getsockname()
