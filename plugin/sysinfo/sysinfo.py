"""Measures this host, sends the figures, and keeps the last ones of every other host.

co2 call sysinfo.sysinfo.hosts
co2 call sysinfo.sysinfo.here
"""

from __future__ import annotations

import os
import time
from typing import Any

import psutil
from twisted.internet import reactor
from twisted.internet.task import LoopingCall

from co2.api import Co2Plugin, level

TOPIC = "sysinfo.figures"
MOST_HOSTS = 10_000
"""Bounds what is remembered; the host that was heard of longest ago goes first."""


def measure(disk: str) -> dict[str, Any]:
    """Give this host's figures.

    Args:
        disk: a path on the disk that is measured.

    Returns:
        'load' (one, five, fifteen minutes), 'cpus', 'cpu_percent' since the last measure,
        'memory' and 'disk' as {'total', 'used', 'percent'} in bytes, 'uptime' in seconds.
    """
    memory = psutil.virtual_memory()
    space = psutil.disk_usage(disk)
    return {
        "name": os.uname().nodename,
        "load": list(os.getloadavg()),
        "cpus": psutil.cpu_count() or 1,
        "cpu_percent": psutil.cpu_percent(),
        "memory": {"total": memory.total, "used": memory.used, "percent": memory.percent},
        "disk": {"total": space.total, "used": space.used, "percent": space.percent},
        "uptime": int(time.time() - psutil.boot_time()),
    }


class X_Sysinfo(Co2Plugin):
    """See the module; `sysinfo_config.py` may set `interval` and `disk`."""

    interval: float = 10.0
    disk: str = "/"

    def __init__(self, var_dict: dict[str, Any], clock: Any = reactor) -> None:
        super().__init__(var_dict)
        self._clock = clock
        self._hosts: dict[str, tuple[float, dict[str, Any]]] = {}
        self._loop = LoopingCall(self.tell)
        self._loop.clock = clock
        self._loop.start(self.interval, now=True)

    def tell(self) -> None:
        """Measure, and send the figures to all other hosts."""
        self.send({"data": measure(self.disk)}, topic=TOPIC, retain=True)

    def receive(self, data_dict: dict[str, Any]) -> None:
        """Keep what another host's sysinfo has sent."""
        if data_dict.get("topic") != TOPIC or not isinstance(data_dict["data"], dict):
            return
        random = data_dict["host_id"].partition("@")[0]
        self._hosts.pop(random, None)
        host = {
            "host_id": data_dict["host_id"],
            "time": data_dict.get("time", time.time()),
            "stale": data_dict.get("stale") is True,
            "figures": data_dict["data"],
        }
        self._hosts[random] = (self._clock.seconds(), host)
        if len(self._hosts) > MOST_HOSTS:
            del self._hosts[next(iter(self._hosts))]

    @level("read")
    def x_here(self) -> dict[str, Any]:
        """Give the figures of the host that is asked."""
        return measure(self.disk)

    @level("read")
    def x_hosts(self) -> list[dict[str, Any]]:
        """List the last figures of every other host.

        Returns:
            for each 'host_id', 'figures', 'time' by that host's clock, 'age' in seconds since they
            came here, and 'stale': the host was away already when this one came.
        """
        now = self._clock.seconds()
        return [{**host, "age": now - came} for came, host in self._hosts.values()]

    def __exit__(self, *exc_info: Any) -> None:
        """Stop measuring."""
        if self._loop.running:
            self._loop.stop()
