"""A guest's /dev/xen/xenbus: a character device, here a pseudo terminal before the real xenstored.

As with the kernel's device, bytes of the protocol go in and out of a file that is a device and no
socket, and each message comes whole or in pieces.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import threading
import tty
from types import TracebackType

import pytest
from e2e.processes import eventually

from guest.running import FOR_XENSTORE, Agents
from guest.test_xenstored import GUEST, HOST, Client
from guest.xen import Store
from plugin.guest.xenstore.blocking import BlockingStore, read_vm_data

pytestmark = pytest.mark.process
PIECE = 7
"""Bytes that pass at once: less than a header."""


class Device:
    """A device that leads to xenstored, by a thread; `path` is what is opened."""

    def __init__(self, store: Store) -> None:
        self._here, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._store = socket.socket(socket.AF_UNIX)
        self._store.connect(store.path)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._stopped)
        self._thread.join(10)
        self._store.close()
        for number in (self._here, self._slave, self._stop):
            os.close(number)

    def _pass_on(self) -> None:
        sources = [self._here, self._store.fileno(), self._stop]
        while self._stop not in (ready := select.select(sources, [], [])[0]):
            if self._here in ready:
                self._store.sendall(os.read(self._here, 4096))
            if self._store.fileno() in ready:
                data = self._store.recv(PIECE)
                if not data:
                    return
                os.write(self._here, data)


def test_requests_come_and_answers_go_by_the_device(store: Store, agents: Agents) -> None:
    """The seed's config serves a client in dom0, a large answer and a hundred small ones."""
    with Device(store) as device, Client(store.path) as client:
        assert stat.S_ISCHR(os.stat(device.path).st_mode)
        agent = agents.start(FOR_XENSTORE, "--xenstore", device.path)
        assert client.ask("version") == {"message": "1.39.1", "returncode": "0"}
        names = [client.send('{"name": "features"}') for _ in range(100)]
        assert {client.answer(name)["returncode"] for name in names} == {"0"}
        assert eventually(lambda: client.directory(HOST) == [])
        assert len(client.directory(GUEST)) == 101
        assert agent.stop() == 0
        assert "Traceback" not in agent.log


def test_vm_data_is_read_from_the_device(store: Store) -> None:
    """resetnetwork's own connection, which waits, reads texts, lists and what is not there."""
    with Client(store.path) as client:
        client.write("/local/domain/0/vm-data/hostname", "web")
        for number in range(3):
            client.write(f"/local/domain/0/vm-data/networking/vif{number}", "x" * 3000)
    with Device(store) as device:
        found = read_vm_data(device.path)
        assert (found.hostname, sorted(found.networking)) == ("web", ["x" * 3000] * 3)
        with BlockingStore(device.path) as blocking:
            assert blocking.read("vm-data/nothing") is None
            assert blocking.directory("vm-data/nothing") == []
