"""Setting an item of a daemon in this process, as a client's request does it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from plugin.mktl.door.travelling import as_arrived
from plugin.mktl.serving.daemon import Daemon
from plugin.mktl.wire.message import Bulk, Payload, Request


async def set_own(daemon: Daemon, full_key: str, travelled: Any) -> None:
    """Set an item to a value that came by XML-RPC.

    Raises:
        RuntimeError: the item refuses it, in its words.
    """
    value = as_arrived(travelled)
    payload = Payload(None, bulk=value) if isinstance(value, Bulk) else Payload(value)
    answer = daemon.desk.answer(Request(b"", "SET", full_key, payload), "new")
    if isinstance(answer, Deferred):
        answer = await answer
    if answer.error:
        raise RuntimeError(f"{answer.error['type']}: {answer.error['text']}")
