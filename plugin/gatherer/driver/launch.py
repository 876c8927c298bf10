"""How a worker is started, and how a signal reaches it."""

from __future__ import annotations

import sys
from typing import Final

from attrs import frozen

START_LIMIT: Final = 30.0
"""Seconds for a worker to come to its first prompt."""

PATIENCE: Final = 5.0
"""Seconds for a worker to come back from an interrupt before it is killed."""


@frozen
class Launch:
    """How a worker is started.

    Attributes:
        command: program and arguments; it must be, or lead to, `co2-gatherer --interrupt=late`.
        signal: program and arguments that carry a signal to it, in which `{signal}` (INT, USR1,
            KILL) and `{pid}` are filled in; empty for a local process.
        environment: what is added to the environment.
        start_limit: seconds for it to come to its first prompt.
        patience: seconds for it to come back from an interrupt, or to end, before it is killed.
    """

    command: tuple[str, ...]
    signal: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = (("LC_ALL", "C.UTF-8"),)
    start_limit: float = START_LIMIT
    patience: float = PATIENCE


def local_launch(root: str = "") -> Launch:
    """Give the launch of a worker on this machine."""
    arguments = ("--interrupt=late", *(("--root", root) if root else ()))
    return Launch((sys.executable, "-m", "plugin.gatherer", *arguments))


def ssh_launch(host: str, options: tuple[str, ...] = ()) -> Launch:
    """Give the launch of a worker on another machine, where co2-gatherer is installed."""
    ssh = ("ssh", "-o", "BatchMode=yes", *options, host)
    return Launch((*ssh, "co2-gatherer --interrupt=late"), (*ssh, "kill", "-{signal}", "{pid}"))
