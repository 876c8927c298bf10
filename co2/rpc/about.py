"""What a server says of itself: `ping` and `system.get_properties`."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psutil
from zope.interface import implementer

from co2 import __version__
from co2.interfaces import IProcedureSource, IProperties
from co2.model.calls import Level
from co2.model.procedure import Procedure


@implementer(IProcedureSource)
class About:
    """See the module.

    Args:
        host_id: gives who this server is now.
        now: UNIX seconds.
        uptime: seconds of a clock that is never set back.
        parts: what else knows properties; later ones win.
    """

    def __init__(
        self,
        host_id: Callable[[], str],
        now: Callable[[], float],
        uptime: Callable[[], float],
        parts: Sequence[IProperties],
    ) -> None:
        self._host_id = host_id
        self._now = now
        self._uptime = uptime
        self._parts = parts
        self._started = uptime()
        self._start_time = datetime.fromtimestamp(int(now()), UTC)
        self._process = psutil.Process(os.getpid())

    def procedures(self) -> Iterable[Procedure]:
        """Give the methods that every server has of this kind."""
        return (
            Procedure("ping", self.ping, Level.OPEN, aliases=("web.ping",), whole=True),
            Procedure(
                "system.get_properties",
                self.get_properties,
                Level.READ,
                aliases=("web.get_properties", "co2.get_properties", "sys.get_properties"),
            ),
        )

    def ping(self, params: tuple[Any, ...]) -> dict[str, Any]:
        """Answer, whatever the arguments: `{'host_id', 'time', 'uptime'}`, times in seconds."""
        return {
            "host_id": self._host_id(),
            "time": self._now(),
            "uptime": self._uptime() - self._started,
        }

    def get_properties(self, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Tell about this host: software, hardware, plugins, uptime; takes no options."""
        properties: dict[str, Any] = {
            "co2_author": "the co2 developers",
            "co2_version": __version__,
            "operating_system": platform.system(),
            "kernel": platform.release(),
            "hardware": platform.machine(),
            "processor": platform.processor() or platform.machine(),
            "sw_platform": f"Python {platform.python_version()}",
            "hw_platform": platform.platform(),
            "host_id": self._host_id(),
            "uptime": int(self._uptime() - self._started),
            "start_time": self._start_time,
            "server_time": datetime.fromtimestamp(int(self._now()), UTC),
            "process": self._figures(),
        }
        for part in self._parts:
            properties.update(part.properties())
        return properties

    def _figures(self) -> dict[str, Any]:
        with self._process.oneshot():
            times = self._process.cpu_times()
            return {
                "pid": self._process.pid,
                "memory": self._process.memory_info().rss,
                "cpu_seconds": times.user + times.system,
                "threads": self._process.num_threads(),
                "open_files": self._process.num_fds(),
            }
