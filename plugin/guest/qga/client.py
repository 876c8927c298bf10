"""Asks a guest agent of QEMU's kind at its socket: the host's side, for one command at a time."""

from __future__ import annotations

import json
import secrets
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from plugin.guest.qga.stream import BadJson, JsonStream

NOT_ANSWERED = frozenset(
    {"guest-shutdown", "guest-suspend-disk", "guest-suspend-ram", "guest-suspend-hybrid"}
)
"""Commands that say nothing when they succeed."""


class AgentRefused(Exception):
    """The agent answered with an error; the text says its class and why."""


class AgentAway(Exception):
    """No agent answers at the socket."""


@define
class Asking:
    """What is expected of the stream; bytes in, bytes out, no socket.

    A reset byte and a number of our own come first: whatever an earlier client left in the channel
    is skipped up to that number.
    """

    execute: str
    arguments: dict[str, Any] | None = None
    number: int = field(factory=lambda: secrets.randbits(48))
    answer: Deferred[Any] = field(factory=Deferred)
    _stream: JsonStream = field(factory=JsonStream)
    _synced: bool = False

    def first(self) -> bytes:
        """Give what is sent at first."""
        sync = {"execute": "guest-sync-delimited", "arguments": {"id": self.number}}
        return b"\xff" + json.dumps(sync).encode() + b"\n"

    def received(self, data: bytes) -> bytes:
        """Take bytes, and give what is sent next."""
        send = b""
        for value in self._stream.feed(data):
            if isinstance(value, BadJson) or not isinstance(value, dict):
                continue
            if not self._synced and value.get("return") == self.number:
                self._synced = True
                send = self._command()
            elif self._synced:
                self._done(value)
        return send

    def ended(self) -> None:
        """Take the end of the connection, or of patience."""
        if self.answer.called:
            return
        if self._synced and self.execute in NOT_ANSWERED:
            self.answer.callback({})
        else:
            what = "did not answer" if self._synced else "is not there, or does not answer"
            self.answer.errback(AgentAway(f"the guest agent {what}"))

    def _command(self) -> bytes:
        command: dict[str, Any] = {"execute": self.execute}
        if self.arguments:
            command["arguments"] = self.arguments
        return json.dumps(command).encode() + b"\n"

    def _done(self, value: dict[str, Any]) -> None:
        if self.answer.called:
            return
        error = value.get("error")
        if isinstance(error, dict):
            self.answer.errback(AgentRefused(f"{error.get('class')}: {error.get('desc')}"))
        else:
            self.answer.callback(value.get("return"))


class _Connection(Protocol):
    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def connectionMade(self) -> None:
        self._write(self._asking.first())

    def dataReceived(self, data: bytes) -> None:
        self._write(self._asking.received(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._asking.ended()

    def _write(self, data: bytes) -> None:
        if data and self.transport is not None:
            self.transport.write(data)


class _Connections(Factory):
    noisy = False

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def buildProtocol(self, addr: IAddress | None) -> _Connection:
        return _Connection(self._asking)


async def ask_agent(
    reactor: Any,
    path: str,
    execute: str,
    arguments: dict[str, Any] | None = None,
    timeout: float = 10.0,
) -> Any:
    """Run a command of a guest agent.

    Args:
        reactor: where.
        path: the host's end of the agent's channel, a Unix socket.
        execute: the command; arguments: what it takes.
        timeout: seconds for all of it.

    Returns:
        what the agent returned; {} for a command that does not answer.

    Raises:
        AgentRefused: the agent answered with an error.
        AgentAway: nobody is at the socket, or the time is over.
    """
    asking = Asking(execute, arguments)
    try:
        connection = await UNIXClientEndpoint(reactor, path, timeout=timeout).connect(
            _Connections(asking)
        )
    except Exception as error:
        raise AgentAway(f"no socket of a guest agent: {_reason(error)}") from None
    timer = reactor.callLater(timeout, asking.ended)
    try:
        return await asking.answer
    finally:
        if timer.active():
            timer.cancel()
        connection.transport.loseConnection()


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectError) and isinstance(error.args[0], Failure):
        return "others wait there already, and its queue is full"  # EAGAIN, as Twisted tells it
    return str(error)
