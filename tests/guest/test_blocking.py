"""vm-data's own connection, where xenstored's short queue is full."""

from __future__ import annotations

import socket
import threading

import pytest

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


def test_a_queue_that_stays_full_is_told(
    full_queue: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is over: that is said, and no socket is left."""
    monkeypatch.setattr(blocking, "TIMEOUT", 1.0)
    with pytest.raises(XenStoreLost, match="took no connection within 1 seconds"):
        BlockingStore(full_queue.getsockname())
