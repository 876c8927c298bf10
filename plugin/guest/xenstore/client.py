"""A client of xenstored in the reactor: requests are answered by Deferreds, watches by calls.

It works over xenstored's socket (in dom0) and over the device that the kernel of a guest has.
Requests go out without waiting for the answers before them.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from plugin.guest.exchange.device import Stream
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

_log = Logger()
TIMEOUT = 10.0
"""Seconds for an answer; one that does not come ends the connection."""

PLACES = ("/run/xenstored/socket", "/var/run/xenstored/socket", "/dev/xen/xenbus")
Event = Callable[[str], None]


def standard_place() -> str:
    """Give the first place of xenstored that is there; XENSTORED_PATH goes before them."""
    given = os.environ.get("XENSTORED_PATH")
    return given or next((place for place in PLACES if os.path.exists(place)), PLACES[0])


class StoreClient:
    """The protocol's client, over anything that writes bytes."""

    def __init__(
        self, clock: Any, write: Callable[[bytes], None], drop: Callable[[], None]
    ) -> None:
        """Take the connection.

        Args:
            clock: an IReactorTime.
            write: sends bytes.
            drop: ends the connection, after which `lost` is called.
        """
        self._clock = clock
        self._write = write
        self._drop = drop
        self._unpacker = Unpacker()
        self._waiting: dict[int, tuple[Deferred[bytes], Any]] = {}
        self._events: dict[str, Event] = {}
        self._number = 0
        self.gone: Deferred[None] = Deferred()
        self.connected = True

    def read(self, path: str, transaction: int = 0) -> Deferred[bytes]:
        """Give a node's value."""
        return self._ask(Operation.READ, transaction, lambda: path_bytes(path))

    def directory(self, path: str, transaction: int = 0) -> Deferred[list[str]]:
        """Give the names of a node's children, however many they are."""
        return ensureDeferred(self._directory(path, transaction))

    def write(self, path: str, value: bytes, transaction: int = 0) -> Deferred[bytes]:
        """Set a node's value."""
        return self._ask(Operation.WRITE, transaction, lambda: path_bytes(path) + value)

    def make(self, path: str, transaction: int = 0) -> Deferred[bytes]:
        """Make a node, if it is not there."""
        return self._ask(Operation.MKDIR, transaction, lambda: path_bytes(path))

    def remove(self, path: str, transaction: int = 0) -> Deferred[bytes]:
        """Remove a node and what is below it."""
        return self._ask(Operation.REMOVE, transaction, lambda: path_bytes(path))

    def watch(self, path: str, token: str, event: Event) -> Deferred[bytes]:
        """Have `event` called with the path of each change at or below one, and once at first."""
        self._events[token] = event
        raw = token.encode("ascii") + b"\0"
        return self._ask(Operation.WATCH, 0, lambda: path_bytes(path) + raw)

    def unwatch(self, path: str, token: str) -> Deferred[bytes]:
        """End a watch."""
        self._events.pop(token, None)
        raw = token.encode("ascii") + b"\0"
        return self._ask(Operation.UNWATCH, 0, lambda: path_bytes(path) + raw)

    def begin(self) -> Deferred[int]:
        """Begin a transaction and give its number."""
        return self._ask(Operation.TRANSACTION_START, 0, lambda: b"\0").addCallback(
            lambda payload: int(payload.rstrip(b"\0"))
        )

    def end(self, transaction: int, *, commit: bool = True) -> Deferred[bytes]:
        """End a transaction; fails with EAGAIN where somebody else changed what it read."""
        word = b"T\0" if commit else b"F\0"
        return self._ask(Operation.TRANSACTION_END, transaction, lambda: word)

    def close(self) -> None:
        """End the connection."""
        if self.connected:
            self._drop()

    async def _directory(self, path: str, transaction: int) -> list[str]:
        try:
            payload = await self._ask(Operation.DIRECTORY, transaction, lambda: path_bytes(path))
            return names(payload)
        except XenStoreError as error:
            if error.code != errno.E2BIG:
                raise
        listing = Listing()
        while not listing.complete:
            part = self._ask(Operation.DIRECTORY_PART, transaction, lambda: listing.payload(path))
            listing.add(await part)
        return listing.children

    def received(self, data: bytes) -> None:
        """Take bytes of the connection."""
        try:
            packets = self._unpacker.feed(data)
        except XenStoreLost as error:
            _log.warn("{why}", why=str(error))
            self._drop()
            return
        for packet in packets:
            if packet.operation == Operation.WATCH_EVENT:
                self._happened(packet)
            else:
                self._answered(packet)

    def lost(self) -> None:
        """Tell everybody who waits that the connection is gone."""
        if not self.connected:
            return
        self.connected = False
        waiting, self._waiting = self._waiting, {}
        for answer, timer in waiting.values():
            timer.cancel()
            answer.errback(XenStoreLost("the connection to xenstored is gone"))
        self.gone.callback(None)

    def _ask(
        self, operation: Operation, transaction: int, payload: Callable[[], bytes]
    ) -> Deferred[bytes]:
        answer: Deferred[bytes] = Deferred()
        try:
            if not self.connected:
                raise XenStoreLost("the connection to xenstored is gone")
            self._number = self._number % 0xFFFFFFFF + 1
            packet = Packet(operation, self._number, transaction, payload())
            raw = packet.encoded()
        except (XenStoreError, XenStoreLost):
            answer.errback(Failure())
            return answer
        timer = self._clock.callLater(TIMEOUT, self._drop)
        self._waiting[self._number] = answer, timer
        self._write(raw)
        return answer

    def _answered(self, packet: Packet) -> None:
        answer, timer = self._waiting.pop(packet.request, (None, None))
        if answer is None or timer is None:
            _log.warn("xenstored answered what nobody asked")
            return
        timer.cancel()
        try:
            result = packet.result()
        except XenStoreError:
            answer.errback(Failure())
        else:
            answer.callback(result)

    def _happened(self, packet: Packet) -> None:
        path, token = (*names(packet.payload), "", "")[:2]
        event = self._events.get(token)
        if event is not None:
            event(path)


class _Socket(Protocol):
    def __init__(self, clock: Any) -> None:
        self.client = StoreClient(clock, self._send, self._end)

    def _send(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def _end(self) -> None:
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]  # sockets have it

    def dataReceived(self, data: bytes) -> None:
        self.client.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.client.lost()


class _Sockets(Factory):
    noisy = False

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> _Socket:
        return _Socket(self._clock)


def connect(reactor: Any, place: str) -> Deferred[StoreClient]:
    """Connect to xenstored.

    Args:
        reactor: where.
        place: xenstored's socket, or the device of a guest.

    Returns:
        the client; fails with an OSError or a ConnectError.
    """
    if os.path.exists(place) and stat.S_ISCHR(os.stat(place).st_mode):
        return succeed(_open_device(reactor, place))
    connecting: Deferred[Any] = UNIXClientEndpoint(reactor, place, timeout=5).connect(
        _Sockets(reactor)
    )
    return connecting.addCallback(lambda protocol: protocol.client)


def _open_device(reactor: Any, place: str) -> StoreClient:
    number = os.open(place, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    stream = Stream(reactor, number)
    client = StoreClient(reactor, stream.write, stream.close)
    stream.begin(client.received, client.lost)
    return client
