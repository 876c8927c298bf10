"""The method that only a satellite has: calls that come through the relay."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zope.interface import implementer

from co2.errors import Denied, InvalidParams
from co2.interfaces import ICalls, IProcedureSource
from co2.model.calls import Call, Caller, Level
from co2.model.procedure import Procedure

_LEVELS = {level.word: level for level in Level}


@implementer(IProcedureSource)
class SatelliteProcedures:
    """See the module.

    Args:
        calls: where a relayed call goes.
        relay_token: gives the token that the relay was given; None without a relay.
        trusts_admin: tells whether an admin of the relay is one here.
    """

    def __init__(
        self,
        calls: ICalls,
        relay_token: Callable[[], str | None],
        trusts_admin: Callable[[], bool],
    ) -> None:
        self._calls = calls
        self._relay_token = relay_token
        self._trusts_admin = trusts_admin

    def procedures(self) -> Iterable[Procedure]:
        """Give the methods of a satellite."""
        # Open to everybody at this door, and then it asks for a token that one host has.
        return (Procedure("co2.relayed", self.relayed, Level.OPEN, passes_caller=True),)

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

    def collected(self, call: Mapping[str, Any]) -> Any:
        """Run a method for somebody who asked the relay, from which this host collects.

        Args:
            call: `{'method', 'params', 'caller'}`, as `relay.collect` gave it.
        """
        method, params = call.get("method"), call.get("params", [])
        if not isinstance(method, str) or not isinstance(params, list):
            raise InvalidParams("a call needs 'method', a string, and 'params', an array")
        return self._calls.call(Call(method, tuple(params)), self._original(call))

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
