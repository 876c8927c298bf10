"""Values that tests need again and again, and a look into a Deferred."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from co2.model.hosts import Address, HostId, HostState, Registration
from co2.model.messages import Message


def result_of(deferred: Deferred[Any]) -> Any:
    """Give what a Deferred has come to by now, or raise it; a value can be asked for again.

    Raises:
        AssertionError: nothing has come yet.
    """
    got: list[Any] = []

    def note(result: Any) -> Any:
        got.append(result)
        return None if isinstance(result, Failure) else result

    deferred.addBoth(note)
    assert got, "nothing has come yet"
    if isinstance(got[0], Failure):
        got[0].raiseException()
    return got[0]


def a_message(number: int = 1, author: str = "author", data: Any = None) -> Message:
    """Give a message of an author, with an id made from the number."""
    host_id = HostId(author, Address("127.0.0.1", 2004))
    return Message(f"{number:026d}", host_id, 1000.0 + number, number if data is None else data)


def a_registration(random: str = "sat", port: int = 2005, **more: Any) -> Registration:
    """Give a registration as a relay makes it for a satellite on this machine."""
    fields: dict[str, Any] = {
        "nick": random,
        "proof": None,
        "notify_token": None,
        "epoch": 1,
        "created": 1000.0,
        "seen": 1000.0,
        "state": HostState.ONLINE,
    }
    address = Address(more.pop("ip", "127.0.0.1"), port)
    return Registration(random=random, address=address, **{**fields, **more})
