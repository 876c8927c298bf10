"""TCP for many short connections: a listener and its streams, on a reactor's file descriptors.

Twisted's own transport sends at the next turn of the event loop and costs as much as the rest of
a small query; this one sends at once. It does what `CommandConnection` needs of a transport, and
nothing else: no half-close, no TLS.

Invariants: a stream is watched for writing exactly while bytes wait. After `connectionLost` nothing
happens any more; the protocol is told exactly once.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer, IReactorFDSet, IReadWriteDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_log = Logger()
# the interface says Failure; what reactors know, and make one of, are these two
_DONE, _LOST = cast(Failure, CONNECTION_DONE), cast(Failure, CONNECTION_LOST)
_NOBODY = Protocol()
_READ = 65536
_FULL = 65536
"""Bytes that wait when the producer is told to pause."""
_NOW = socket.MSG_DONTWAIT
_ENDED = Failure(ConnectionDone())
_LATER = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR, errno.ECONNABORTED})
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Address(NamedTuple):
    """An IP address and a port."""

    host: str
    port: int

    @classmethod
    def of(cls, name: tuple[Any, ...]) -> Address:
        """Make one of a socket's name; an IPv4 peer of an IPv6 socket is an IPv4 peer."""
        return cls(name[0].removeprefix("::ffff:") if "." in name[0] else name[0], name[1])


@implementer(IReadWriteDescriptor)
class Stream:
    """One accepted connection.

    Args:
        accepted: the socket; whether it blocks does not matter.
        peer, host: the two ends.
        reactor: watches the socket.
        protocol: gets the bytes.
    """

    disconnecting = False

    def __init__(
        self,
        accepted: socket.socket,
        peer: Address,
        host: Address,
        reactor: IReactorFDSet,
        protocol: Protocol,
    ) -> None:
        self._socket = accepted
        self._peer, self._host = peer, host
        self._reactor = reactor
        self._protocol = protocol
        self._waiting = bytearray()
        self._producer: IPushProducer | None = None
        self._pausing = self._resting = self._lost = False

    def begin(self) -> None:
        """Tell the protocol, and read."""
        self._protocol.makeConnection(self)
        if self._lost:
            return
        # the client speaks first, and mostly has by now: it is answered before it is watched
        failed = self.doRead()
        if failed is not None:
            self.connectionLost(Failure(cast(ConnectionDone, failed)))
        elif not self._resting and self.fileno() != -1:
            self._reactor.addReader(self)

    # --- what the protocol asks ----------------------------------------------------------------

    def getPeer(self) -> Address:
        """Give the peer's address."""
        return self._peer

    def getHost(self) -> Address:
        """Give our address."""
        return self._host

    def write(self, data: bytes) -> None:
        """Send at once what the kernel takes, and the rest when it takes more."""
        if self._lost or self.disconnecting:
            return
        if self._waiting:
            self._waiting += data
        else:
            sent = self._send(data)
            if sent == len(data):
                return
            self._waiting += data[sent:]
            self._reactor.addWriter(self)
        if len(self._waiting) > _FULL and self._producer is not None and not self._pausing:
            self._pausing = True
            self._producer.pauseProducing()

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data, _NOW)
        except OSError:
            # if it is more than a full buffer, reading or the next try will tell
            return 0

    def loseConnection(self) -> None:
        """Close once everything is sent."""
        self.disconnecting = True
        if not self._waiting and not self._lost:
            self.connectionLost(_ENDED)

    def abortConnection(self) -> None:
        """Close at once."""
        if self._waiting:
            self._waiting.clear()
            self._reactor.removeWriter(self)
        self.loseConnection()

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Tell the producer when too much waits."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Tell it no more."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Read no more for now."""
        self._resting = True
        self._reactor.removeReader(self)

    def resumeProducing(self) -> None:
        """Read again."""
        self._resting = False
        if not self._lost:
            self._reactor.addReader(self)

    # --- what the reactor asks -----------------------------------------------------------------

    def fileno(self) -> int:
        """Give the descriptor, -1 once it is closed."""
        return -1 if self._lost else self._socket.fileno()

    def logPrefix(self) -> str:
        """Name this in the log."""
        return "snaked"

    def doRead(self) -> Failure | None:
        """Hand on what came."""
        try:
            data = self._socket.recv(_READ, _NOW)
        except BlockingIOError:
            return None
        except OSError as error:
            return None if error.errno in _LATER else _LOST
        if data:
            self._protocol.dataReceived(data)
        else:
            # not left to the reactor, which would look for much that is not there
            self.connectionLost(_ENDED)
        return None

    def doWrite(self) -> Failure | None:
        """Send more of what waits."""
        try:
            sent = self._socket.send(self._waiting, _NOW)
        except OSError as error:
            return None if error.errno in _LATER else _LOST
        del self._waiting[:sent]
        if self._waiting:
            return None
        self._reactor.removeWriter(self)
        if self.disconnecting:
            return _DONE
        if self._pausing and self._producer is not None:
            self._pausing = False
            self._producer.resumeProducing()
        return None

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket, and tell the protocol once."""
        if self._lost:
            return
        self._reactor.removeReader(self)
        if self._waiting:
            self._reactor.removeWriter(self)
        self._lost = True
        self._socket.close()
        # the two refer to each other, and what does waits for the garbage collector
        protocol, self._protocol, self._producer = self._protocol, _NOBODY, None
        protocol.connectionLost(reason)


@implementer(IReadWriteDescriptor)
class Listener:
    """A listening socket.

    Args:
        reactor: watches it.
        make: makes the protocol of a connection.
        interface: the IP address to listen at.
        port: the port, 0 for any.

    Raises:
        OSError: it cannot listen there.
    """

    def __init__(
        self, reactor: IReactorFDSet, make: Callable[[], Protocol], interface: str, port: int
    ) -> None:
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # what is accepted inherits it
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.bind((interface, port))
            self._socket.listen(1024)
        except OSError as error:
            self._socket.close()
            why = error.strerror or str(error)
            raise OSError(error.errno, f"cannot listen at {interface} port {port}: {why}") from None
        self._socket.setblocking(False)
        self._reactor = reactor
        self._make = make
        self._open = True
        self.address = Address.of(self._socket.getsockname())
        reactor.addReader(self)

    def close(self) -> None:
        """Listen no more."""
        if self._open:
            self._reactor.removeReader(self)
            self._open = False
            self._socket.close()

    def fileno(self) -> int:
        """Give the descriptor, -1 once it is closed."""
        return self._socket.fileno() if self._open else -1

    def logPrefix(self) -> str:
        """Name this in the log."""
        return "snaked"

    def doRead(self) -> None:
        """Accept one connection; the reactor asks again while more wait."""
        try:
            accepted, peer = self._socket.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                _log.warn("no connection can be accepted: {why}", why=error.strerror)
            return
        self._begin(accepted, Address.of(peer))

    def _begin(self, accepted: socket.socket, peer: Address) -> None:
        stream = Stream(accepted, peer, self._own(accepted), self._reactor, self._make())
        try:
            stream.begin()
        except Exception:
            _log.failure("a connection from {peer} was not begun", peer=peer.host)
            stream.abortConnection()

    def _own(self, accepted: socket.socket) -> Address:
        """The address that was called; what we listen at is that, unless it is a wildcard."""
        if self.address.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            return Address.of(accepted.getsockname())
        return self.address

    def doWrite(self) -> None:
        """Never watched for writing."""

    def connectionLost(self, reason: Failure) -> None:
        """The reactor lets go of it."""
        self.close()
