"""The packets of xenstored: four numbers of 32 bits in the machine's order, then the payload.

Bytes in, packets out; knows no socket.
"""

from __future__ import annotations

import errno
import re
import struct
from enum import IntEnum

from attrs import define, field, frozen

HEADER = struct.Struct("=IIII")
MOST_PAYLOAD = 4096
_PATH = re.compile(r"[A-Za-z0-9\-/_@]{1,3072}")


class Operation(IntEnum):
    """What a packet asks for, or is."""

    DIRECTORY = 1
    READ = 2
    WATCH = 4
    UNWATCH = 5
    TRANSACTION_START = 6
    TRANSACTION_END = 7
    WRITE = 11
    MKDIR = 12
    REMOVE = 13
    WATCH_EVENT = 15
    ERROR = 16
    DIRECTORY_PART = 22


class XenStoreError(Exception):
    """xenstored refused; `code` is an errno."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.code = getattr(errno, name, errno.EIO)


class XenStoreLost(Exception):
    """The connection to xenstored is gone; what was asked may have been done or not."""


@frozen
class Packet:
    """One packet: what, the number of the request, of the transaction, the payload."""

    operation: int
    request: int
    transaction: int
    payload: bytes

    def encoded(self) -> bytes:
        """Give its bytes.

        Raises:
            XenStoreError: E2BIG, more than xenstored takes.
        """
        if len(self.payload) > MOST_PAYLOAD:
            raise XenStoreError("E2BIG")
        head = HEADER.pack(self.operation, self.request, self.transaction, len(self.payload))
        return head + self.payload

    def result(self) -> bytes:
        """Give the payload of an answer.

        Raises:
            XenStoreError: the answer is an error.
        """
        if self.operation == Operation.ERROR:
            raise XenStoreError(self.payload.rstrip(b"\0").decode("ascii", "replace"))
        return self.payload


@define
class Unpacker:
    """Pieces of a stream to packets."""

    _buffer: bytes = b""

    def feed(self, data: bytes) -> list[Packet]:
        """Give the packets that are complete now.

        Raises:
            XenStoreLost: this is no xenstored; the stream cannot be read on.
        """
        self._buffer += data
        packets = []
        while len(self._buffer) >= HEADER.size:
            operation, request, transaction, length = HEADER.unpack_from(self._buffer)
            if length > MOST_PAYLOAD:
                raise XenStoreLost(f"a packet of {length} bytes: this is no xenstored")
            end = HEADER.size + length
            if len(self._buffer) < end:
                break
            payload = self._buffer[HEADER.size : end]
            packets.append(Packet(operation, request, transaction, payload))
            self._buffer = self._buffer[end:]
        return packets


def path_bytes(path: str) -> bytes:
    """Give a path as it stands in packets, with its NUL.

    Raises:
        XenStoreError: EINVAL, no path has that form.
    """
    if not _PATH.fullmatch(path) or "//" in path:
        raise XenStoreError("EINVAL")
    return path.encode("ascii") + b"\0"


@define
class Listing:
    """A node's children in parts, for when their names are more than a packet holds.

    Each part begins with the number of the node's state, and the last ends with an empty name; a
    state that is another than the first part's means that the listing begins anew.
    """

    children: list[str] = field(factory=list)
    complete: bool = False
    _state: bytes | None = None
    _offset: int = 0

    def payload(self, path: str) -> bytes:
        """Give what to ask for next."""
        return path_bytes(path) + str(self._offset).encode("ascii") + b"\0"

    def add(self, payload: bytes) -> None:
        """Take a part."""
        state, _, part = payload.partition(b"\0")
        if self._state not in (None, state):
            self.children, self._offset = [], 0
        else:
            self.complete = part.endswith(b"\0\0") or part in (b"", b"\0")
            part = part[:-1] if self.complete else part
            self._offset += len(part)
            self.children += [name for name in names(part) if name]
        self._state = state


def names(payload: bytes) -> list[str]:
    """Read a payload of strings that each end with NUL."""
    return [part.decode("ascii", "replace") for part in payload.split(b"\0")[:-1]]
