"""How this host is, as items: load, memory, disk, one reading of each for all of them.

co2-markd rack here -m plugin.mktl.examples.host
co2-mark watch 'rack.*'
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psutil

from plugin import mktl

_PERCENT = {"type": "numeric", "units": "%", "format": "%.1f", "settable": False}
MEASURES: dict[str, tuple[dict[str, Any], Callable[[], float]]] = {
    "load": (
        {"type": "numeric", "format": "%.2f", "settable": False},
        lambda: os.getloadavg()[0],
    ),
    "cpu": (_PERCENT, psutil.cpu_percent),
    "memory": (_PERCENT, lambda: psutil.virtual_memory().percent),
    "disk": (_PERCENT, lambda: psutil.disk_usage("/").percent),
}


class Measure(mktl.Item):
    """One figure, read every `period` seconds and published when it has changed."""

    blocking = False

    def __init__(self, *args: Any, read: Callable[[], float], period: float, **named: Any) -> None:
        super().__init__(*args, **named)
        self._read = read
        self.poll(period)

    def perform_get(self) -> float:
        """Read it."""
        return self._read()


class Daemon(mktl.Daemon):
    """Serves the figures."""

    period = 2.0

    def describe_items(self) -> dict[str, Any]:
        """Describe one item for each figure."""
        return {key: about for key, (about, _) in MEASURES.items()}

    def setup(self) -> None:
        """Read each of them by itself."""
        for key, (_, read) in MEASURES.items():
            self.add_item(Measure, key, read=read, period=self.period)
