"""Reads vm-data with a connection of its own, and waits; for commands, which run in a thread."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import struct
from types import TracebackType
from typing import Self

from plugin.guest.command.surroundings import VmData
from plugin.guest.xenstore.wire import (
    Listing,
    Operation,
    Packet,
    Unpacker,
    XenStoreError,
    XenStoreLost,
    names,
    path_bytes,
)

TIMEOUT = 10.0
_TIMEVAL = struct.Struct("@ll")


class BlockingStore:
    """One connection, one request at a time."""

    def __init__(self, place: str) -> None:
        """Connect to xenstored's socket or a guest's device."""
        self._socket: socket.socket | None = None
        self._number = -1
        if stat.S_ISCHR(os.stat(place).st_mode):
            self._number = os.open(place, os.O_RDWR | os.O_CLOEXEC)
        else:
            self._socket = _connected(place)
        self._unpacker = Unpacker()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._number)

    def read(self, path: str) -> str | None:
        """Give a node's text, or None where there is none."""
        found = self._ask(Operation.READ, path)
        return None if found is None else found.decode("utf-8", "replace")

    def directory(self, path: str) -> list[str]:
        """Give the names of a node's children; none where it is not there."""
        try:
            return names(self._ask(Operation.DIRECTORY, path) or b"")
        except XenStoreError as error:
            if error.code != errno.E2BIG:
                raise
        listing = Listing()
        while not listing.complete:
            payload = listing.payload(path)
            listing.add(self._answer(Packet(Operation.DIRECTORY_PART, 1, 0, payload)) or b"")
        return listing.children

    def _ask(self, operation: Operation, path: str) -> bytes | None:
        return self._answer(Packet(operation, 1, 0, path_bytes(path)))

    def _answer(self, question: Packet) -> bytes | None:
        self._send(question.encoded())
        while True:
            for packet in self._unpacker.feed(self._receive()):
                try:
                    return packet.result()
                except XenStoreError as error:
                    if error.code == errno.ENOENT:
                        return None
                    raise

    def _send(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.sendall(data)
        else:
            while data:
                data = data[os.write(self._number, data) :]

    def _receive(self) -> bytes:
        if self._socket is not None:
            data = self._socket.recv(8192)
        elif select.select([self._number], [], [], TIMEOUT)[0]:
            data = os.read(self._number, 8192)
        else:
            raise XenStoreLost(f"xenstored did not answer within {TIMEOUT:g} seconds")
        if not data:
            raise XenStoreLost("the connection to xenstored is gone")
        return data


def _connected(place: str) -> socket.socket:
    """Connect to a socket, waiting for a place in its queue, which has very few at xenstored.

    The kernel counts that time: a socket with a timeout of Python's own does not wait at all
    where the queue is full (connect(2), EAGAIN).
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(int(TIMEOUT), 0))
        while not _has_place(connection, place):
            continue
        connection.settimeout(TIMEOUT)
    except BlockingIOError:
        connection.close()
        raise XenStoreLost(f"xenstored took no connection within {TIMEOUT:g} seconds") from None
    except BaseException:
        connection.close()
        raise
    return connection


def _has_place(connection: socket.socket, place: str) -> bool:
    """Connect; False where a signal ended the wait, which Python takes for a success."""
    connection.connect(place)
    try:
        connection.getpeername()
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        return False
    return True


def read_vm_data(place: str, base: str = "vm-data") -> VmData:
    """Read what dom0 says of this machine.

    Args:
        place: xenstored's socket, or the device of a guest.
        base: the path; a relative one is the machine's own.

    Raises:
        OSError, XenStoreError, XenStoreLost: the store cannot be read.
    """
    with BlockingStore(place) as store:
        hostname = store.read(f"{base}/hostname")
        folder = f"{base}/networking"
        texts = [store.read(f"{folder}/{name}") for name in store.directory(folder)]
    return VmData(hostname or None, tuple(text for text in texts if text is not None))
