"""A call, who makes it, and a value that is already written.

What a method call is once its bytes are read, and before anybody has looked for the method.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple


class Level(IntEnum):
    """What a caller may do, and what a method asks for (PROTOCOL section 7)."""

    OPEN = 0
    READ = 1
    CALL = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The level as it is written in settings and on the wire."""
        return self.name.lower()


class Call(NamedTuple):
    """A method call: `method` as named on the wire, `params` the positional values."""

    method: str
    params: tuple[Any, ...]


class Caller(NamedTuple):
    """Who calls, as far as this server could find out.

    `level` is the most they may ask for; `ip` and `port` are the request's source address; `who`
    names them in logs ("loopback", "admin", "stranger", "relay"); `because` says why the level is
    no higher, and denials quote it.
    """

    level: Level
    ip: str
    port: int
    who: str
    because: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What a conversation is bound to: the same program may use several connections."""
        return (self.ip, self.who)

    def as_struct(self) -> dict[str, str]:
        """Give what travels with a call that a relay passes on, for the target to judge."""
        return {"who": self.who, "ip": self.ip, "level": self.level.word}


class Encoded(NamedTuple):
    """A value with the bytes that stand for it, so that nobody has to write it again.

    `xml` is the whole canonical `<value>…</value>` in UTF-8. `nil_at` is the path of the first
    nil inside, or None; `fine_times` tells whether a time inside carries microseconds. Both say
    which hosts the bytes may go to (PROTOCOL section 2).
    """

    xml: bytes
    value: Any
    nil_at: str | None = None
    fine_times: bool = False
