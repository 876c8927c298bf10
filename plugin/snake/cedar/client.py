"""The client's side of a connection, up to the point where a command's payload may go.

Enough to send ads to a collector and to ask daemons: raw, or negotiated with or without
encryption; it offers no authentication. Answers to wrong or hostile servers are CedarErrors.
"""

from __future__ import annotations

from collections.abc import Generator

from plugin.snake.cedar.commands import DC_AUTHENTICATE
from plugin.snake.cedar.crypt import KeyExchange
from plugin.snake.cedar.errors import NegotiationError
from plugin.snake.cedar.negotiation import Policy, Wish, request
from plugin.snake.cedar.values import MessageReader, MessageWriter
from plugin.snake.cedar.wire import Wire

ANONYMOUS = Policy(authentication=Wish.NEVER)


class ClientConnection:
    """One command to one server.

    Args:
        wire: both directions.
        command: its number.
        policy: what is wanted of the session; None for a raw command without any.
        vector: 16 fresh random bytes.
        sinful: the address as the server is called.
    """

    def __init__(
        self, wire: Wire, command: int, policy: Policy | None, vector: bytes, sinful: str = ""
    ) -> None:
        self.wire = wire
        self.ready = policy is None
        self._vector = vector
        self._command = command
        self._dialogue = self._negotiate(policy, sinful) if policy is not None else None
        if self._dialogue is not None:
            next(self._dialogue)

    def feed(self, data: bytes) -> None:
        """Take bytes from the server; `ready` turns True once the payload may go.

        Raises:
            NegotiationError: the server refused; its code is in the text.
            CedarError: the server broke the protocol.
        """
        self.wire.feed(data)
        while not self.ready and (message := self.wire.message()) is not None:
            assert self._dialogue is not None
            try:
                self._dialogue.send(message)
            except StopIteration:
                self.ready = True

    def payload(self) -> MessageWriter:
        """Give what the payload is gathered in; a raw command stands in it already."""
        writer = self.wire.writer()
        if self._dialogue is None:
            writer.integer(self._command)
        return writer

    def _negotiate(self, policy: Policy, sinful: str) -> Generator[None, MessageReader, None]:
        exchange = KeyExchange()
        opening = self.wire.writer()
        opening.integer(DC_AUTHENTICATE)
        opening.python_ad(request(self._command, policy, exchange.public, sinful))
        self.wire.send(opening)
        ad = (yield).literal_ad()
        if "returncode" in ad:
            raise NegotiationError(f"the server refused: {ad['returncode']}")
        if ad.get("authentication") == "YES":
            raise NegotiationError("the server wants to know who asks, and nothing can prove it")
        if "YES" in (ad.get("encryption"), ad.get("integrity")):
            self.wire.seal(exchange.cipher(str(ad.get("ecdhpublickey", ""))), self._vector)
        admitted = (yield).literal_ad()
        if admitted.get("returncode") != "AUTHORIZED":
            raise NegotiationError(f"the server refused: {admitted.get('returncode')}")
        for feature in ("encryption", "integrity"):
            if getattr(policy, feature) is Wish.REQUIRED and ad.get(feature) != "YES":
                raise NegotiationError(f"the server does without {feature}, which is required here")
