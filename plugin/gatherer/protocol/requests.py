"""The requests of the gatherer: what each is called and what its parameters look like.

This table decides how many lines belong to a request, and nothing else: what a request does is
the room `worker`'s. `docs/gatherer.md` has the same table for people, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from attrs import frozen


class Place(Enum):
    """Who does the work of a request."""

    SESSION = "session"  # answered by the protocol core itself
    SHELL = "shell"  # a command is run
    HAND = "hand"  # the file system is touched, by a process that can be killed


@frozen
class Shape:
    """How a request is spelled.

    Attributes:
        params: the number of parameters, the count of a variable part included.
        place: who does it.
        framed: each parameter comes with its length on a line of its own, and may then hold any
            bytes; otherwise a parameter is a line, and blanks around it are stripped.
        counted: the last parameter is a number k, and k more follow.
        silent: there is no answer between the request and the next prompt.
    """

    params: int
    place: Place
    framed: bool = False
    counted: bool = False
    silent: bool = False


def _table() -> dict[bytes, Shape]:
    table = {
        b"noop": Shape(0, Place.SESSION, silent=True),
        b"ping": Shape(0, Place.SESSION, silent=True),
        b"exit": Shape(0, Place.SESSION, silent=True),
        b"version": Shape(0, Place.SESSION),
        b"exec": Shape(1, Place.SHELL),
        b"run": Shape(2, Place.SHELL),
        b"exec2file": Shape(4, Place.SHELL),
        b"glob": Shape(1, Place.HAND),
        b"glob0": Shape(1, Place.HAND),
        b"stat": Shape(1, Place.HAND),
        b"read": Shape(3, Place.HAND),
        b"cp": Shape(3, Place.HAND),
        b"globcp": Shape(4, Place.HAND, counted=True),
        b"plan": Shape(4, Place.HAND, counted=True),
        b"pull": Shape(1, Place.HAND),
    }
    for name in (b"exec", b"run", b"exec2file", b"stat", b"read", b"cp", b"globcp", b"plan"):
        plain = table[name]
        table[name + b"0"] = Shape(plain.params, plain.place, True, plain.counted)
    return table


REQUESTS: Mapping[bytes, Shape] = MappingProxyType(_table())
"""Every request by its name on the wire."""

SEED_REQUESTS = frozenset({b"noop", b"ping", b"exit", b"glob", b"exec"})
"""What the seed defines; everything else is an addition."""


@frozen
class Request:
    """One request that has been read: its number, its name, and its parameters as bytes."""

    number: int
    name: bytes
    params: tuple[bytes, ...]

    @property
    def shape(self) -> Shape:
        """How this request is spelled, and who does it."""
        return REQUESTS[self.name]


def spell(name: bytes, *params: bytes) -> bytes:
    """Give the bytes of a request.

    Args:
        name: as in `REQUESTS`.
        params: all of them, a count included.

    Raises:
        ValueError: there is no such request, or a parameter does not fit on one stripped line.
    """
    shape = REQUESTS.get(name)
    if shape is None:
        raise ValueError(f"there is no request {name!r}")
    if shape.framed:
        return name + b"\n" + b"".join(b"%d\n%b\n" % (len(one), one) for one in params)
    for one in params:
        if b"\n" in one or one.strip() != one:
            raise ValueError(f"{one!r} is not one plain line; use {name!r} with a 0 behind it")
    return b"".join(one + b"\n" for one in (name, *params))
