"""`relay.call`: a method of one satellite, asked for through the relay.

The relay lends nobody its own rights (PROTOCOL section 4). To a co2 satellite the call goes by
`co2.relayed`, or with what it collects, with who called and at which level, and the satellite
decides. A satellite that is not co2's does not look at that: to it whatever its relay brings is
its relay's. So for those the relay itself asks for the level `call`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from co2.errors import Denied, InvalidParams
from co2.model.calls import Caller, Level
from co2.model.hosts import HostState
from co2.relay.admission import parse_host_id
from co2.relay.collecting import Collecting
from co2.relay.lines import Lines
from co2.relay.presence import Presence
from co2.relay.roster import Roster
from co2.wire.xmlrpc import decode_reply, encode_call

_DEFAULT_TIMEOUT = 30.0
_LONGEST_TIMEOUT = 3600.0


class Calling:
    """See the module.

    Args:
        roster: the satellites.
        lines: the connections to the satellites.
        collecting: the way to satellites that nobody can connect to.
    """

    def __init__(self, roster: Roster, lines: Lines, collecting: Collecting) -> None:
        self._roster = roster
        self._lines = lines
        self._collecting = collecting

    async def call(self, request: Mapping[str, Any], caller: Caller) -> Any:
        """Call a method of the satellite named by 'host_id' or 'nick'.

        Args:
            request: `{'host_id' | 'nick', 'method', 'params'?: array, 'timeout'?: seconds}`.
            caller: who wants it.

        Raises:
            NotRegistered, AmbiguousNick: there is no such satellite, or more than one.
            Denied: a host that cannot tell callers apart, and a caller below `call`.
            TransportFailed, TimedOut: it did not answer; and whatever fault it answered.
        """
        presence = self._target(request)
        method, params, timeout = _parse(request)
        if not _judges_callers(presence):
            _require_call(presence, caller)
        if presence.state is HostState.POLL:
            return await self._collecting.call(presence, method, params, caller, timeout)
        body = _compose(presence, method, params, caller)
        document = await self._lines.call(presence, body, timeout)
        return decode_reply(document, whose=str(presence.registration.host_id))

    def _target(self, request: Mapping[str, Any]) -> Presence:
        nick = request.get("nick")
        if isinstance(nick, str) and request.get("host_id") is None:
            return self._roster.find_nick(nick)
        return self._roster.find(parse_host_id(request).random)


def _judges_callers(presence: Presence) -> bool:
    """Tell whether a satellite is told who calls, and looks at it."""
    registration = presence.registration
    told = presence.state is HostState.POLL or registration.notify_token is not None
    return registration.co2 and told


def _require_call(presence: Presence, caller: Caller) -> None:
    if caller.level < Level.CALL:
        raise Denied(
            f"{presence.registration.host_id} cannot tell its relay from the relay's callers, so "
            f"relay.call needs call; you are {caller.who} with {caller.level.word}"
        )


def _compose(presence: Presence, method: str, params: list[Any], caller: Caller) -> bytes:
    if not _judges_callers(presence):
        return encode_call(method, params)
    request = {
        "token": presence.registration.notify_token,
        "method": method,
        "params": params,
        "caller": caller.as_struct(),
    }
    return encode_call("co2.relayed", [request])


def _parse(request: Mapping[str, Any]) -> tuple[str, list[Any], float]:
    method = request.get("method")
    params = request.get("params", [])
    timeout = request.get("timeout", _DEFAULT_TIMEOUT)
    if not isinstance(method, str) or not method:
        raise InvalidParams("relay.call: 'method' is missing: the name of the method to call")
    if not isinstance(params, list):
        raise InvalidParams("relay.call: 'params' is not an array of arguments")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
        raise InvalidParams("relay.call: 'timeout' is not a number of seconds above 0")
    return method, params, min(float(timeout), _LONGEST_TIMEOUT)
