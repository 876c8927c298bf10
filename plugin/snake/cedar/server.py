"""The server's side of a connection, up to the point where a command may run.

How it works. `wire` has the peer's bytes; `next_command` goes on as far as they allow and gives a
command once one is admitted; what has to be sent meanwhile is in `wire`. A command that is raw, or
in a session that is resumed, is decided by its first message. A negotiation is a generator that
yields where it needs the peer's next one, so it reads like the protocol's description.

Invariants: nothing runs that the gate did not admit. After `finish` the next command begins on the
same connection, and is raw if this one was negotiated. An error closes the connection for good.

Source: reference of CEDAR, sections 1.10 and 3.3.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple, Protocol

from plugin.snake.cedar.authentication import IFileWitness, authenticated
from plugin.snake.cedar.commands import DC_AUTHENTICATE, DC_NOP, DC_SEC_QUERY, NOP_LEVEL, name_of
from plugin.snake.cedar.crypt import KeyExchange
from plugin.snake.cedar.errors import CedarError, NegotiationError
from plugin.snake.cedar.negotiation import (
    CMD_NOT_FOUND,
    DENIED,
    SID_NOT_FOUND,
    UNAUTHENTICATED,
    Agreement,
    Policy,
    admission,
    agree,
    answer,
    refusal,
    resumption,
    suffices,
)
from plugin.snake.cedar.sessions import SessionCache
from plugin.snake.cedar.values import MessageReader
from plugin.snake.cedar.wire import Wire

_ANSWERED_HERE = frozenset({DC_AUTHENTICATE, DC_NOP, DC_SEC_QUERY, *NOP_LEVEL})
Ad = dict[str, object]
Dialogue = Generator[None, Any, "Command | None"]
"""A negotiation; it is sent the peer's messages, and None at first."""


class Command(NamedTuple):
    """A command that may run.

    Attributes:
        number: which.
        user: who asked, `unauthenticated@unmapped` if nobody proved who they are.
        payload: the rest of a raw command's message; None where the payload is a message yet to
            come.
    """

    number: int
    user: str
    payload: MessageReader | None


class Refused(CedarError):
    """A command was not admitted; `code` is what the peer was told."""

    def __init__(self, number: int, user: str, code: str) -> None:
        super().__init__(f"command {number} ({name_of(number)}) of {user}: {code}")
        self.number, self.user, self.code = number, user, code


class Gate(Protocol):
    """What the connection asks of the daemon; one gate for each peer's address."""

    sessions: SessionCache

    @property
    def witness(self) -> IFileWitness:
        """Give who looks at the file system."""

    def policy(self, number: int) -> Policy:
        """Give what is wanted of a session in which a command comes."""

    def knows(self, number: int) -> bool:
        """Tell whether there is such a command."""

    def admits(self, number: int, user: str) -> bool:
        """Tell whether that user may run it from where it is."""

    def valid_commands(self, user: str, sealed: bool) -> str:
        """Give the numbers of what may come in such a session, with commas between; never empty."""

    def session_name(self) -> str:
        """Give a name that no session ever had."""

    def random_bytes(self, count: int) -> bytes:
        """Give bytes that nobody can guess."""


class ServerConnection:
    """One accepted connection.

    Args:
        gate: what the daemon allows this peer.
        wire: both directions.
    """

    __slots__ = ("_dialogue", "_gate", "_user", "wire")

    def __init__(self, gate: Gate, wire: Wire) -> None:
        self.wire = wire
        self._gate = gate
        self._user = UNAUTHENTICATED
        self._dialogue: Dialogue | None = None

    def next_command(self, now: float) -> Command | None:
        """Go on as far as the bytes allow.

        Args:
            now: seconds, for the sessions.

        Returns:
            a command, which is now the owner of the connection until it calls this again; or None
            if more bytes are needed.

        Raises:
            Refused: the command is not admitted; send what there is to send, then close.
            CedarError: the peer broke the protocol.
        """
        while (message := self.wire.message()) is not None:
            if self._dialogue is None:
                command = self._begin(message, now)
            else:
                command = self._go_on(self._dialogue, message)
            if command is not None:
                return command
        return None

    # --- the dialogue --------------------------------------------------------------------------

    def _begin(self, reader: MessageReader, now: float) -> Command | None:
        number = reader.integer()
        if number != DC_AUTHENTICATE:
            return self._raw(number, reader)
        ad = reader.literal_ad()
        if str(ad.get("usesession", "")).upper() == "YES":
            return self._resume(ad, now)
        self._dialogue = self._negotiate(ad, now)
        return self._go_on(self._dialogue, None)

    def _go_on(self, dialogue: Dialogue, message: MessageReader | None) -> Command | None:
        try:
            dialogue.send(message)
        except StopIteration as stop:
            # forgotten once it is over: it and this refer to each other
            self._dialogue = None
            command: Command | None = stop.value
            return command
        return None

    def _raw(self, number: int, reader: MessageReader) -> Command | None:
        if not suffices(self._gate.policy(number), self._user, self.wire.sealed):
            raise NegotiationError("a command without negotiation, and the policy requires it")
        code = self._objection(number)
        if code is not None:
            raise Refused(number, self._user, code)
        return self._command(number, {}, reader)

    def _resume(self, ad: Ad, now: float) -> Command | None:
        session = self._gate.sessions.find(ad.get("sid"), now)
        number = _command_of(ad)
        policy = self._gate.policy(_meant(number, ad))
        if session is None or not suffices(policy, session.user, session.cipher is not None):
            raise self._refused(number, SID_NOT_FOUND)
        self._user = session.user
        code = self._objection(number)
        if code is not None:
            raise self._refused(number, code)
        if ad.get("resumeresponse") is True:
            writer = self.wire.writer()
            writer.lines(resumption(self._gate.random_bytes(16)))
            self.wire.send(writer)
        if session.cipher is not None:
            self.wire.seal(session.cipher, self._gate.random_bytes(16))
        return self._command(number, ad, None)

    def _negotiate(self, ad: Ad, now: float) -> Dialogue:
        number = _command_of(ad)
        try:
            agreement = agree(self._gate.policy(_meant(number, ad)), ad)
        except NegotiationError as error:
            # an agreement on nothing comes first: only then do clients read a refusal and show it
            self.wire.send_ad(answer(Agreement(False, False, False)))
            raise self._refused(number, f"{DENIED}: {error}") from None
        exchange = KeyExchange() if agreement.needs_key else None
        cipher = exchange.cipher(str(ad.get("ecdhpublickey", ""))) if exchange else None
        self.wire.send_ad(answer(agreement, exchange.public if exchange else ""))
        if agreement.authenticate:
            self._user = yield from authenticated(self.wire, self._gate.witness)
        if cipher is not None:
            self.wire.seal(cipher, self._gate.random_bytes(16))
        code = self._objection(number)
        if code is not None:
            raise self._refused(number, code)
        name = self._gate.session_name()
        self._gate.sessions.enter(name, self._user, cipher, now)
        valid = self._gate.valid_commands(self._user, self.wire.sealed)
        self.wire.send_ad(admission(name, valid, self._user))
        return self._command(number, ad, None)

    # --- what is answered here -----------------------------------------------------------------

    def _command(self, number: int, ad: Ad, payload: MessageReader | None) -> Command | None:
        """Give the command, or answer it and give None if any daemon answers it by itself."""
        if number == DC_SEC_QUERY:
            tested = ad.get("authcommand")
            passes = type(tested) is int and self._objection(tested) is None
            self.wire.send_ad({"AuthorizationSucceeded": passes})
        if number in _ANSWERED_HERE:
            return None
        return Command(number, self._user, payload)

    def _objection(self, number: int) -> str | None:
        if number == DC_AUTHENTICATE or self._gate.admits(number, self._user):
            return None
        return DENIED if self._gate.knows(number) else CMD_NOT_FOUND

    def _refused(self, number: int, code: str) -> Refused:
        self.wire.send_ad(refusal(code))
        return Refused(number, self._user, code)


def _meant(number: int, ad: Ad) -> int:
    """Give the command that it is about: a question whether one would pass is about that one."""
    tested = ad.get("authcommand")
    return tested if number == DC_SEC_QUERY and type(tested) is int else number


def _command_of(ad: Ad) -> int:
    number = ad.get("command")
    if type(number) is not int:
        raise NegotiationError("the client's ad names no Command")
    return number
