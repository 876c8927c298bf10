"""co2.satellite.procedures: calls that come through the relay."""

from __future__ import annotations

import pytest

from co2.errors import Denied, InvalidParams
from co2.model.calls import Caller, Level
from co2.satellite.procedures import SatelliteProcedures

TOKEN = "r" * 20
RELAY = Caller(Level.OPEN, "10.0.0.1", 4000, "stranger")


class Calls:
    """Where calls go; it keeps who called what."""

    def __init__(self):
        self.made: list = []

    def call(self, call, caller):
        self.made.append((call, caller))
        return "done"


def door(token=TOKEN, trusts=False):
    calls = Calls()
    return SatelliteProcedures(calls, lambda: token, lambda: trusts), calls


def request(level="call", **changes):
    caller = {"who": "ann", "ip": "10.0.0.7", "level": level}
    whole = {"token": TOKEN, "method": "m", "params": [1], "caller": caller, **changes}
    return {name: value for name, value in whole.items() if value is not None}


@pytest.mark.parametrize("level", ["open", "read", "call"])
def test_a_relayed_call_has_its_callers_own_level(level):
    """The relay lends nobody its rights, and the satellite learns who it was."""
    procedures, calls = door()
    assert procedures.relayed(RELAY, request(level)) == "done"
    call, caller = calls.made[0]
    assert (call.method, call.params) == ("m", (1,))
    assert (caller.level, caller.ip) == (Level[level.upper()], "10.0.0.7")
    assert "ann" in caller.who


def test_an_admin_of_the_relay_is_none_here_unless_trusted():
    """trust_relay_admin decides."""
    procedures, calls = door()
    procedures.relayed(RELAY, request("admin"))
    assert calls.made[0][1].level is Level.CALL
    assert "trust_relay_admin" in calls.made[0][1].because
    procedures, calls = door(trusts=True)
    procedures.relayed(RELAY, request("admin"))
    assert calls.made[0][1].level is Level.ADMIN


def test_an_unknown_level_is_none():
    """A newer relay's word is not guessed at."""
    procedures, calls = door()
    procedures.relayed(RELAY, request("emperor"))
    assert calls.made[0][1].level is Level.OPEN


@pytest.mark.parametrize("shown", [None, "", "wrong", 5, "é"])
def test_only_the_relay_may_relay(shown):
    """Without its token nothing is called."""
    procedures, calls = door()
    with pytest.raises(Denied):
        procedures.relayed(RELAY, request(token=shown))
    assert calls.made == []


def test_without_a_relay_nobody_may():
    """A satellite that has no relay has given nobody a token."""
    procedures, _calls = door(token=None)
    with pytest.raises(Denied):
        procedures.relayed(RELAY, request())


@pytest.mark.parametrize(
    "changes",
    [{"method": None}, {"method": 5}, {"params": 5}, {"caller": None}, {"method": "co2.relayed"}],
)
def test_what_is_no_relayed_call_is_refused(changes):
    """Nor does it call itself."""
    procedures, calls = door()
    with pytest.raises(InvalidParams):
        procedures.relayed(RELAY, request(**changes))
    assert calls.made == []


def test_it_is_at_the_open_door():
    """It asks for a token, not for a level."""
    procedures, _ = door()
    assert [(one.name, one.level) for one in procedures.procedures()] == [
        ("co2.relayed", Level.OPEN)
    ]


def test_a_collected_call_has_its_callers_own_level():
    """It came with the answer of the host's own relay, and needs no further token."""
    procedures, calls = door()
    assert procedures.collected(request("read", token=None)) == "done"
    call, caller = calls.made[0]
    assert (call.method, call.params, caller.level) == ("m", (1,), Level.READ)
    procedures.collected(request("admin", token=None))
    assert calls.made[1][1].level is Level.CALL


@pytest.mark.parametrize("changes", [{"method": None}, {"params": 5}, {"caller": None}])
def test_what_is_no_collected_call_is_refused(changes):
    """As with one that the relay brings."""
    procedures, calls = door()
    with pytest.raises(InvalidParams):
        procedures.collected(request(**changes))
    assert calls.made == []
