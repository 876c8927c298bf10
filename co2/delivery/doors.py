"""`notify`, and for whom a message is: each token opens one door.

A server may take messages from its relay, from listed peers, and, as a relay, from the relays that
it has joined. Each of them was given a token that no other host knows, and shows it; the token says
who takes the message here.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zope.interface import implementer

from co2.errors import Spoofed
from co2.interfaces import IProcedureSource
from co2.model.calls import Caller, Level
from co2.model.procedure import Procedure

Take = Callable[[Mapping[str, Any], str, int], Any]
"""Takes a message: (struct, ip and port that it came from); gives the answer, or a Deferred."""


@implementer(IProcedureSource)
class Doors:
    """See the module."""

    def __init__(self) -> None:
        self._doors: dict[bytes, Take] = {}

    def open(self, token: str, take: Take) -> None:
        """Let messages that show this token go to `take`."""
        self._doors[token.encode()] = take

    def procedures(self) -> Iterable[Procedure]:
        """Give the method."""
        # Open to everybody at this door, and then it asks for a token that one host has.
        return (Procedure("notify", self.notify, Level.OPEN, passes_caller=True),)

    def notify(self, caller: Caller, message: Mapping[str, Any]) -> Any:
        """Take a message; for the relay, for listed peers, and for relays among each other.

        Returns:
            a satellite: `{'id', 'plugins': {name: 'ok' | 'raised: …' | 'timeout' | 'skipped'}}`.
        """
        token = message.get("token")
        if not isinstance(token, str):
            raise Spoofed("notify is for the relay and for listed peers: show 'token'")
        shown, taking = token.encode("utf-8", "surrogatepass"), None
        for known, take in self._doors.items():
            if hmac.compare_digest(shown, known):
                taking = take
        if taking is None:
            raise Spoofed("the token shown is neither the relay's nor a listed peer's")
        return taking(message, caller.ip, caller.port)
