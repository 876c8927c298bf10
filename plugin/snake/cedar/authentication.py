"""How a client proves who it is: by a directory that only its user could have made (FS).

The server names a path, the client makes a directory there, and the server sees who owns it; so
it works on one host only. Tokens, Kerberos and TLS are not offered.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from plugin.snake.cedar.errors import NegotiationError
from plugin.snake.cedar.values import MessageReader
from plugin.snake.cedar.wire import Wire

FILE_SYSTEM = 4
"""The bit of FS among the ways to authenticate."""
_NO_KEY = 0
"""What the older exchange of keys, which the client expects here, has to say."""


class IFileWitness(Protocol):
    """Who looks at the file system for the protocol, which does not."""

    def path(self) -> str:
        """Give the path of a directory that does not exist and nobody can guess."""

    def owner(self, path: str) -> str | None:
        """Give `user@domain` of who made the directory, None if it is not as it must be."""


def authenticated(wire: Wire, witness: IFileWitness) -> Generator[None, MessageReader, str]:
    """Let the client prove who it is.

    Returns:
        `user@domain`.

    Raises:
        NegotiationError: it could not.
    """
    offered = (yield).integer()
    if not offered & FILE_SYSTEM:
        wire.send_integer(0)
        raise NegotiationError(f"no common way to authenticate: the client offers {offered:#x}")
    wire.send_integer(FILE_SYSTEM)
    path = witness.path()
    wire.send_text(path)
    made = (yield).integer()
    user = witness.owner(path) if made == 0 else None
    wire.send_integer(0 if user is not None else -1)
    if user is None:
        raise NegotiationError("the client could not show that the directory is its own")
    wire.send_integer(_NO_KEY)
    return user
