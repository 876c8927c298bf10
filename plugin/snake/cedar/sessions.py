"""Sessions that clients may resume: who it was, and the cipher with its key.

Bounded in number and time; the oldest goes first. Time is an argument everywhere.
"""

from __future__ import annotations

from collections import OrderedDict

from attrs import define

from plugin.snake.cedar.crypt import Cipher


@define
class Session:
    """What was agreed on; `cipher` is None where packets are not sealed."""

    name: str
    user: str
    cipher: Cipher | None
    expires: float


class SessionCache:
    """The sessions of one server.

    Args:
        most: sessions that are kept.
        duration: seconds that one is kept after its last use.
    """

    def __init__(self, most: int = 10_000, duration: float = 3600.0) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._most = most
        self._duration = duration

    def __len__(self) -> int:
        return len(self._sessions)

    def enter(self, name: str, user: str, cipher: Cipher | None, now: float) -> Session:
        """Keep a new session."""
        session = Session(name, user, cipher, now + self._duration)
        self._sessions[name] = session
        while len(self._sessions) > self._most:
            self._sessions.popitem(last=False)
        return session

    def find(self, name: object, now: float) -> Session | None:
        """Give a session that is still good, and count this as use."""
        session = self._sessions.get(name) if isinstance(name, str) else None
        if session is None or session.expires < now:
            return None
        session.expires = now + self._duration
        self._sessions.move_to_end(session.name)
        return session
