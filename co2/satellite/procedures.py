"""The methods that only a satellite has: `notify`, and calls that come through the relay."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zope.interface import implementer

from co2.errors import Denied, InvalidParams
from co2.interfaces import ICalls, IProcedureSource
from co2.model.calls import Call, Caller, Level
from co2.model.procedure import Procedure
from co2.satellite.inbox import Inbox

_LEVELS = {level.word: level for level in Level}


@implementer(IProcedureSource)
class SatelliteProcedures:
    """See the module.

    Args:
        inbox: takes messages.
        calls: where a relayed call goes.
        relay_token: gives the token that the relay was given; None without a relay.
        trusts_admin: tells whether an admin of the relay is one here.
    """

    def __init__(
        self,
        inbox: Inbox,
        calls: ICalls,
        relay_token: Callable[[], str | None],
        trusts_admin: Callable[[], bool],
    ) -> None:
        self._inbox = inbox
        self._calls = calls
        self._relay_token = relay_token
        self._trusts_admin = trusts_admin

    def procedures(self) -> Iterable[Procedure]:
        """Give the methods of a satellite."""
        # Both are open to everybody at this door, and then ask for a token that one host has.
        return (
            Procedure("notify", self.notify, Level.OPEN, passes_caller=True),
            Procedure("co2.relayed", self.relayed, Level.OPEN, passes_caller=True),
        )

    def notify(self, caller: Caller, message: Mapping[str, Any]) -> Any:
        """Hand a message to every plugin's `receive`; for the relay and for listed peers.

        Returns:
            `{'id', 'plugins': {name: 'ok' | 'raised: …' | 'timeout' | 'skipped'}}`.
        """
        return self._inbox.take(message, caller.ip, caller.port)

    def relayed(self, caller: Caller, request: Mapping[str, Any]) -> Any:
        """Run a method for somebody who asked the relay; for the relay only.

        Args:
            request: `{'token', 'method', 'params', 'caller': {'who', 'ip', 'level'}}`. The
                caller's own level applies here; the relay's admins count as `call`, unless
                trust_relay_admin says otherwise.
        """
        token = self._relay_token()
        shown = request.get("token")
        if token is None or not isinstance(shown, str):
            raise Denied("co2.relayed is for this satellite's relay, by the token it was given")
        if not hmac.compare_digest(shown.encode(), token.encode()):
            raise Denied("co2.relayed: the token shown is not the one this relay was given")
        method, params = request.get("method"), request.get("params", [])
        if not isinstance(method, str) or not isinstance(params, list):
            raise InvalidParams("co2.relayed: 'method' is a string and 'params' an array")
        if method == "co2.relayed":
            raise InvalidParams("co2.relayed does not call itself")
        return self._calls.call(Call(method, tuple(params)), self._original(request))

    def _original(self, request: Mapping[str, Any]) -> Caller:
        said = request.get("caller")
        if not isinstance(said, Mapping):
            raise InvalidParams("co2.relayed: 'caller' is a struct of who, ip and level")
        level = _LEVELS.get(str(said.get("level")), Level.OPEN)
        because = "that is your level at the relay"
        if level is Level.ADMIN and not self._trusts_admin():
            level = Level.CALL
            because = "admin at the relay is call here, unless trust_relay_admin = True"
        who = f"{said.get('who')} through the relay"
        return Caller(level, str(said.get("ip")), 0, who, because)
