"""A hands-on tour of the plugin API. Copy what you need.

Every class here whose name begins with `X_` and that is a subclass of `Co2Plugin` is made once when
the satellite starts. Its methods whose names begin with `x_` can be called by any XML-RPC program
as `<package>.<module>.<method>`, here `example.example.…`. Try them:

    co2 call example.example.greet world
    co2 call example.example.fade lamp=3 seconds=0.5
    co2 send '"hello"'
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.task import LoopingCall

from co2.api import ApplicationFailed, Co2Plugin, level


class X_Echo(Co2Plugin):
    """Remembers the last message that reached this host, and answers calls."""

    def __init__(self, var_dict: dict[str, Any]) -> None:
        # The one rule for a constructor of your own: hand var_dict on, first of all.
        super().__init__(var_dict)
        self.last: dict[str, Any] = {}

    def receive(self, data_dict: dict[str, Any]) -> None:
        # Called with every message that another host has sent: 'data' is what it sent, 'host_id'
        # who it is. Return soon; the sender's relay waits for you (or set threaded = True).
        self.last = data_dict
        self.debug(self, f"{data_dict['host_id']} sent {data_dict['data']!r}")

    def x_echo(self, value):  # type: ignore[no-untyped-def]  # as a plugin of 2003 has it
        """Give the value back. Without an annotation any value may come."""
        return value

    def x_greet(self, name: str, loud: bool = False) -> str:
        """Greet somebody.

        The annotations are checked before the call: a caller who sends a number as the name is
        told so, with this signature. The default makes `loud` optional.
        """
        text = f"hello, {name}"
        return text.upper() if loud else text

    @level("read")
    def x_last(self) -> dict[str, Any]:
        """Tell the last message: a level of 'read' lets callers in who may only look."""
        return {"host_id": str(self.last.get("host_id", "")), "data": self.last.get("data", "")}


class X_Counter(Co2Plugin):
    """Sends a number to all other hosts every few seconds; `example_config.py` may say how many."""

    seconds: float = 5.0  # a variable of the same name in example_config.py replaces it

    def __init__(self, var_dict: dict[str, Any]) -> None:
        super().__init__(var_dict)
        self.count = 0
        self.loop = LoopingCall(self.tick)
        # A plugin runs inside Twisted's reactor, so timers are Twisted's.
        self.loop.clock = reactor
        self.loop.start(self.seconds, now=False)

    def tick(self) -> None:
        """Count, and tell everybody; the topic says what the number is about."""
        self.count += 1
        self.send({"data": self.count}, topic="example.count")

    def x_count(self) -> int:
        """Tell how far it has counted."""
        return self.count

    def __exit__(self, *exc_info: Any) -> None:
        # Called when the satellite stops, which waits for it: stop timers, close files.
        if self.loop.running:
            self.loop.stop()


class X_Lamp(Co2Plugin):
    """A device with typed parameters, a method that changes something, and one that fails."""

    def __init__(self, var_dict: dict[str, Any]) -> None:
        super().__init__(var_dict)
        self.brightness = {1: 0.0, 2: 0.0, 3: 0.0}

    def x_fade(self, lamp: int, to: float = 1.0, seconds: float = 1.0) -> dict[str, Any]:
        """Fade a lamp.

        Callable with positions, `fade(3, 0.5)`, or with one struct, `fade({'lamp': 3, 'to': 0.5})`.
        `seconds` is how long it takes.
        """
        if lamp not in self.brightness:
            # An error with a text for the caller; anything else that is raised is shown too, but
            # counts as the plugin's own failure and goes to the log with its traceback.
            known = ", ".join(str(one) for one in self.brightness)
            raise ApplicationFailed(f"there is no lamp {lamp}; there are {known}")
        self.brightness[lamp] = to
        self.send({"data": {"lamp": lamp, "to": to, "seconds": seconds}}, topic="example.lamp")
        return {"lamp": lamp, "brightness": to}

    def x_fail(self) -> None:
        """Raise, on purpose: the caller gets a fault, and nobody else notices."""
        raise RuntimeError("this method always fails")

    def x_steps(self, to: int = 3):  # type: ignore[no-untyped-def]  # a generator needs no type
        """Count up to a number: a generator sends one reply after the other.

        Called plainly, the caller gets the list of them.
        """
        yield from range(1, to + 1)
