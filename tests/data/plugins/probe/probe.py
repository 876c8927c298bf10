"""A plugin that keeps what it receives, sends what it is told to, and waits with its caller."""

from __future__ import annotations

import threading
from typing import Any

from twisted.internet.defer import Deferred

from co2.api import Co2Plugin, level


class X_Probe(Co2Plugin):
    """Each message is kept with what only Python shows: the type of its client_address."""

    def __init__(self, var_dict: dict[str, Any]) -> None:
        super().__init__(var_dict)
        self.messages: list[dict[str, Any]] = []
        self.waiting: list[tuple[int, Deferred[None]]] = []
        self.touched = 0

    def receive(self, data_dict: dict[str, Any]) -> None:
        address = data_dict["client_address"]
        self.messages.append({**data_dict, "address_type": type(address).__name__})
        for one in list(self.waiting):
            if len(self.messages) >= one[0]:
                self.waiting.remove(one)
                one[1].callback(None)

    async def x_wait(self, count: int) -> list[Any]:
        """Answer with the messages once there are that many."""
        if len(self.messages) < count:
            enough: Deferred[None] = Deferred()
            self.waiting.append((count, enough))
            await enough
        return self.messages

    def x_messages(self) -> list[Any]:
        """Give the messages so far."""
        return self.messages

    def x_send(self, data: Any, local: bool = False, count: int = 1) -> bool:
        """Send that, so many times."""
        for _ in range(count):
            self.send({"data": data}, local=local)
        return True

    async def x_send_and_wait(self, data: Any) -> Any:
        """Send that, and tell what became of it."""
        return await self.send({"data": data})

    def x_forge(self, host_id: str) -> bool:
        """Try to send as somebody else."""
        self.send({"data": "forged", "host_id": host_id})
        return True

    def x_send_in_thread(self, data: Any) -> bool:
        """Send that from a thread."""
        threading.Thread(target=self.send, args=({"data": data},)).start()
        return True

    def x_touch(self) -> int:
        """Count how often this was called."""
        self.touched += 1
        return self.touched

    @level("read")
    def x_touched(self) -> int:
        """Tell how often `touch` was called."""
        return self.touched

    @level("admin")
    def x_secret(self) -> str:
        """Be for administrators only."""
        return "the administrator's"

    def __exit__(self, *exc_info: Any) -> None:
        self.log(self, "the probe ends")
        self.send({"data": "goodbye"})
