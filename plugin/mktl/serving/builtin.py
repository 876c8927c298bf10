"""The items that every daemon has, `_<alias>` and a short word: who it is, and how it does."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

import psutil

from plugin.mktl.items.item import Item

if TYPE_CHECKING:
    from plugin.mktl.serving.daemon import Daemon

_TEXT = {"type": "string", "settable": False}
_NUMBER = {"type": "numeric", "settable": False}


def describe_builtin(alias: str) -> dict[str, dict[str, Any]]:
    """Give the descriptions of a daemon's own items."""
    fields: dict[str, dict[str, Any]] = {
        "cat": {"settable": False, "description": "The catalog of this daemon's items."},
        "clk": {
            **_NUMBER,
            "units": "seconds",
            "format": "%.3f",
            "description": "Uptime, a heartbeat every second.",
        },
        "cpu": {
            **_NUMBER,
            "units": "percent",
            "format": "%.2f",
            "description": "Processor use of this daemon.",
        },
        "dev": {
            "type": "string",
            "persist": True,
            "initial": "",
            "description": "A remark of its developers.",
        },
        "drop": {**_NUMBER, "description": "Publications that slow subscribers did not get."},
        "host": {**_TEXT, "description": "The host that this daemon runs on."},
        "mem": {**_NUMBER, "units": "kilobytes", "description": "Memory that this daemon uses."},
        "pid": {**_NUMBER, "description": "The daemon's process number."},
        "uuid": {**_TEXT, "description": "The unique identifier of this daemon's catalog."},
    }
    return {f"_{alias}{word}": about for word, about in fields.items()}


class Measured(Item):
    """A builtin item that is measured every second."""

    blocking = False

    def __init__(self, *args: Any, measure: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._measure = measure
        self.poll(1.0)

    def perform_get(self) -> Any:
        """Measure."""
        return self._measure()


def add_builtin(daemon: Daemon) -> None:
    """Add them to a daemon; what its author has added already is left."""
    process = psutil.Process()
    started = time.monotonic()
    measured = {
        "clk": lambda: time.monotonic() - started,
        "cpu": process.cpu_percent,
        "drop": daemon.pub.dropped,
        "mem": lambda: process.memory_info().rss // 1024,
    }
    fixed = {"host": socket.gethostname(), "pid": os.getpid(), "uuid": daemon.uuid}
    for word, measure in measured.items():
        daemon.add_missing(Measured, f"_{daemon.alias}{word}", measure=measure)
    for word in (*fixed, "dev", "cat"):
        daemon.add_missing(Item, f"_{daemon.alias}{word}")
    for word, value in fixed.items():
        daemon.store[f"_{daemon.alias}{word}"].publish(value)
    daemon.store[f"_{daemon.alias}cat"].publish(
        {key: dict(about.fields) for key, about in daemon.described.items()}
    )
