"""What one peer may: the rules and the table, as they are now, seen from its address."""

from __future__ import annotations

import functools
import itertools
import os
import secrets
import time
from collections.abc import Callable

from plugin.snake.cedar.authentication import IFileWitness
from plugin.snake.cedar.commands import (
    DC_AUTHENTICATE,
    DC_NOP,
    DC_SEC_QUERY,
    NOP_LEVEL,
    OFF,
    RECONFIG,
)
from plugin.snake.cedar.negotiation import Policy, suffices
from plugin.snake.cedar.sessions import SessionCache
from plugin.snake.daemon.files import FileWitness
from plugin.snake.language.genus import Genus

_LEVEL_OF_OURS = {
    DC_AUTHENTICATE: "ALLOW",
    DC_NOP: "ALLOW",
    DC_SEC_QUERY: "ALLOW",
    **dict.fromkeys(RECONFIG | OFF, "ADMINISTRATOR"),
    **NOP_LEVEL,
}


class Authority:
    """What every peer of a daemon shares; `take_over` says of which genus."""

    genus: Genus
    admits: Callable[[int, str, str], bool]
    """Tells whether a user at an address may run a command."""

    def __init__(self) -> None:
        self.sessions = SessionCache()
        self._levels: dict[int, str] = {}
        self.policies: dict[int, Policy] = {}
        self._count = itertools.count()
        self._pool, self._drawn = b"", 0

    def take_over(self, genus: Genus) -> None:
        """Let a genus decide from here on."""
        self.genus = genus
        table = {number: entry.level for number, entry in genus.table.items()}
        self._levels = {**_LEVEL_OF_OURS, **table}
        self.policies = {number: genus.policies.of(level) for number, level in self._levels.items()}
        # the same few ask all the time, and what was decided holds until another genus decides
        self.admits = functools.lru_cache(maxsize=4096)(self._admits)

    def _admits(self, number: int, user: str, address: str) -> bool:
        level = self.level(number)
        return level is not None and self.genus.rules.admits(level, user, address)

    def session_name(self) -> str:
        """Give a name that no session ever had."""
        parts = ("snaked", os.getpid(), int(time.time()), next(self._count), secrets.token_hex(8))
        return ":".join(map(str, parts))

    def random_bytes(self, count: int) -> bytes:
        """Give bytes that nobody can guess, and none of them twice."""
        self._drawn += count
        if self._drawn > len(self._pool):
            self._pool, self._drawn = secrets.token_bytes(4096), count
        return self._pool[self._drawn - count : self._drawn]

    def level(self, number: int) -> str | None:
        """Give the level that a command needs; None if there is no such command."""
        return self._levels.get(number)


class PeerGate:
    """The gate for one address.

    Args:
        authority: the daemon's.
        address: the peer's IP address.
        host: address and port that it called.
    """

    __slots__ = ("_address", "_authority", "_host", "sessions")

    def __init__(self, authority: Authority, address: str, host: tuple[str, int]) -> None:
        self._authority = authority
        self._address = address
        self.sessions = authority.sessions
        self._host = host

    @property
    def witness(self) -> IFileWitness:
        """Give who looks at directories for this connection."""
        return FileWitness(self._host)

    def policy(self, number: int) -> Policy:
        """Give what is wanted of a session in which a command comes."""
        authority = self._authority
        return authority.policies.get(number, authority.genus.policies.default)

    def knows(self, number: int) -> bool:
        """Tell whether there is such a command."""
        return self._authority.level(number) is not None

    def admits(self, number: int, user: str) -> bool:
        """Tell whether that user may run it from this address."""
        return self._authority.admits(number, user, self._address)

    def valid_commands(self, user: str, sealed: bool) -> str:
        """Give the numbers of what that user may run in a session, which may be sealed.

        Not the question whether a command would pass: a client that finds it here asks within the
        session of another command, and then does not find the answer.
        """
        known = {*self._authority.genus.table, *_LEVEL_OF_OURS} - {DC_SEC_QUERY}
        # clients take a session for what it is said to be good for, and do not ask a second time
        return ",".join(
            str(number)
            for number in sorted(known)
            if self.admits(number, user) and suffices(self.policy(number), user, sealed)
        )

    def session_name(self) -> str:
        """Give a name that no session ever had."""
        return self._authority.session_name()

    def random_bytes(self, count: int) -> bytes:
        """Give bytes that nobody can guess."""
        return self._authority.random_bytes(count)
