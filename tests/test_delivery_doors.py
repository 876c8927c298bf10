"""co2.delivery.doors: which token opens which door."""

from __future__ import annotations

import pytest

from co2.delivery.doors import Doors
from co2.errors import Spoofed
from co2.model.calls import Caller, Level

CALLER = Caller(Level.OPEN, "10.0.0.1", 4000, "stranger")


def two_doors():
    doors, taken = Doors(), []
    doors.open("r" * 20, lambda struct, ip, port: taken.append(("relay", ip, port)) or "taken")
    doors.open("p" * 20, lambda struct, ip, port: taken.append(("peer", ip, port)) or "taken")
    return doors, taken


def test_each_token_opens_its_own_door():
    """Who takes a message learns where the request came from."""
    doors, taken = two_doors()
    assert doors.notify(CALLER, {"token": "p" * 20}) == "taken"
    assert doors.notify(CALLER, {"token": "r" * 20}) == "taken"
    assert taken == [("peer", "10.0.0.1", 4000), ("relay", "10.0.0.1", 4000)]


@pytest.mark.parametrize("token", [None, "", "wrong", 5, "\ud800", "r" * 19, "r" * 21])
def test_nothing_else_opens_one(token):
    """The fault holds none of the tokens."""
    doors, taken = two_doors()
    with pytest.raises(Spoofed) as refused:
        doors.notify(CALLER, {"token": token} if token is not None else {})
    assert "r" * 19 not in refused.value.text
    assert taken == []


def test_notify_is_open_to_everybody():
    """It asks for a token, not for a level."""
    (procedure,) = two_doors()[0].procedures()
    assert (procedure.name, procedure.level, procedure.passes_caller) == (
        "notify",
        Level.OPEN,
        True,
    )
