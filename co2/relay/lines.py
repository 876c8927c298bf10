"""The connections to one satellite that carry pings and calls.

A host that is not co2's may have a single thread, so everything for it, messages included, goes
over one line, one request at a time. A co2 host gets a line for pings, and one for each call that
is under way, so that a slow method holds up nothing; a few of those are kept for the next call.
"""

from __future__ import annotations

from collections.abc import Callable

from co2.interfaces import IPeer
from co2.model.hosts import Registration
from co2.relay.presence import Presence

_KEPT = 2


class Lines:
    """See the module.

    Args:
        open_line: opens a peer for a registration's address, as a line of one request at a time.
    """

    def __init__(self, open_line: Callable[[Registration], IPeer]) -> None:
        self._open_line = open_line

    def shared(self, presence: Presence) -> IPeer:
        """Give the line for pings, and for everything else to a host that is not co2's."""
        if presence.line is None:
            presence.line = self._open_line(presence.registration)
        return presence.line

    async def call(self, presence: Presence, body: bytes, timeout: float) -> bytes:
        """Send a call, and give the answer's body; `timeout` in seconds."""
        if not presence.registration.co2:
            return await self.shared(presence).post((body,), timeout)
        idle = presence.idle_lines
        line = idle.pop() if idle else self._open_line(presence.registration)
        try:
            return await line.post((body,), timeout)
        finally:
            # Lines that were dropped meanwhile have been replaced by another list.
            if presence.idle_lines is idle and len(idle) < _KEPT:
                idle.append(line)
            else:
                line.close()

    def drop(self, presence: Presence) -> None:
        """Close what is open: the satellite is elsewhere now, or gone."""
        lines, presence.idle_lines = presence.idle_lines, []
        if presence.line is not None:
            lines.append(presence.line)
            presence.line = None
        for line in lines:
            line.close()
