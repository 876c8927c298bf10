"""A plugin that sends numbered messages, and writes down what it sent, was answered and received.

Each line is one write to a file opened for appending: what stands there was so, whatever has
killed the process since.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from co2.api import Co2Error, Co2Plugin
from co2.errors import ShuttingDown

_MOST = 64


class X_Recorder(Co2Plugin):
    """`load` keeps so many messages under way, each with the next number, until `rest`.

    Files, in the folder that the server runs in: `sent` and `answered` hold numbers, `refused` a
    number and why, `received` author, number and whether the message was marked as redelivered.
    """

    def __init__(self, var_dict: dict[str, Any]) -> None:
        super().__init__(var_dict)
        self.me = Path.cwd().name
        self.files = {name: _open(name) for name in ("sent", "answered", "refused", "received")}
        self.number = max(map(int, Path("sent").read_text().split()), default=0)
        self.under_way = 0
        self.most = 0
        self.padding = ""
        self.delays: list[float] = []
        self.resting: list[Deferred[None]] = []

    def receive(self, data_dict: dict[str, Any]) -> None:
        author, number = data_dict["data"][:2]
        self.delays.append(time.time() - data_dict["time"])
        self.write("received", f"{author} {number} {data_dict.get('redelivered', False):d}")

    def x_load(self, most: int = _MOST, padding: int = 0) -> bool:
        """Begin to send, so many at once, each with so many bytes more."""
        self.most, self.padding = most, "x" * padding
        self.go_on()
        return True

    async def x_rest(self) -> int:
        """Stop sending, wait for the answers, and give the last number."""
        self.most = 0
        if self.under_way:
            rested: Deferred[None] = Deferred()
            self.resting.append(rested)
            await rested
        return self.number

    def x_delays(self) -> list[float]:
        """Give how long each message took, in seconds, since this was asked last."""
        delays, self.delays = self.delays, []
        return delays

    def x_send(self, count: int, padding: int = 0) -> int:
        """Send so many at once; give the last number."""
        self.padding = "x" * padding
        for _ in range(count):
            self.send_next()
        return self.number

    def go_on(self) -> None:
        while self.under_way < self.most:
            self.send_next()

    def send_next(self) -> None:
        self.number += 1
        self.under_way += 1
        self.write("sent", str(self.number))
        sent = self.send({"data": [self.me, self.number, self.padding]})
        sent.as_deferred().addBoth(self.answered, self.number)

    def answered(self, result: Any, number: int) -> None:
        self.under_way -= 1
        if isinstance(result, dict):
            self.write("answered", str(number))
        else:
            result.trap(Co2Error)
            if not result.check(ShuttingDown):
                self.write("refused", f"{number} {result.value.text}")
        self.go_on()
        if not self.under_way:
            resting, self.resting = self.resting, []
            for one in resting:
                one.callback(None)

    def write(self, name: str, line: str) -> None:
        os.write(self.files[name], f"{line}\n".encode())


def _open(name: str) -> int:
    return os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
