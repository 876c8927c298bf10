"""A first plugin: what arrives, what others can call, and what only the administrator may.

co2 call hello.hello.greet world
co2 call hello.hello.greet name=world times=3
co2 call hello.hello.forget
"""

from __future__ import annotations

from typing import Any

from co2.api import Co2Plugin, level


class X_Hello(Co2Plugin):
    """Made once when the satellite starts, since its name begins with X_ and it is a Co2Plugin."""

    def __init__(self, var_dict: dict[str, Any]) -> None:
        """Hand `var_dict` on first; then do what you like."""
        super().__init__(var_dict)
        self.greeted: list[str] = []

    def receive(self, data_dict: dict[str, Any]) -> None:
        """Take what another host has sent: 'data' is what, 'host_id' is who."""
        self.log(self, f"{data_dict['host_id']} sent {data_dict['data']!r}")

    def x_greet(self, name: str, times: int = 1) -> str:
        """Greet somebody, and tell all other hosts about it.

        Callable as hello.hello.greet; the types are checked before the call.
        """
        self.greeted.append(name)
        self.send({"data": {"greeted": name}}, topic="hello.greeted")
        return " ".join([f"hello, {name}!"] * times)

    @level("read")
    def x_greeted(self) -> list[str]:
        """List who was greeted; callers who may only look may call this."""
        return self.greeted

    @level("admin")
    def x_forget(self) -> int:
        """Forget who was greeted, and tell how many they were; for the administrator only.

        The co2 command shows the admin token by itself in the folder the satellite was started in.
        """
        count = len(self.greeted)
        self.greeted.clear()
        return count
