"""How a worker is started, and how a signal reaches it."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Final

from attrs import frozen

START_LIMIT: Final = 30.0
"""Seconds for a worker to come to its first prompt."""

PATIENCE: Final = 5.0
"""Seconds for a worker to come back from an interrupt before it is killed."""

PROGRAM: Final = "co2-gatherer"
_LATE: Final = "--interrupt=late"
_PLAIN: Final = (("LC_ALL", "C.UTF-8"),)


@frozen
class Launch:
    """How a worker is started.

    Attributes:
        command: program and arguments; it must be, or lead to, `co2-gatherer --interrupt=late`.
        signal: program and arguments that carry a signal to it, in which `{signal}` (INT, USR1,
            KILL) and `{pid}` are filled in; empty where what is started here is the worker.
        environment: what is added to the environment.
        start_limit: seconds for it to come to its first prompt.
        patience: seconds for it to come back from an interrupt, or to end, before it is killed.
    """

    command: tuple[str, ...]
    signal: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = _PLAIN
    start_limit: float = START_LIMIT
    patience: float = PATIENCE


def local_launch(root: str = "") -> Launch:
    """Give the launch of a worker on this machine."""
    arguments = (_LATE, *(("--root", root) if root else ()))
    # it finds what this process finds, whatever folder it is started in
    found = os.pathsep.join(one for one in sys.path if one)
    environment = (*_PLAIN, ("PYTHONPATH", found))
    return Launch((sys.executable, "-m", "plugin.gatherer", *arguments), environment=environment)


def ssh_launch(host: str, options: tuple[str, ...] = ()) -> Launch:
    """Give the launch of a worker on another machine, where co2-gatherer is installed."""
    ssh = ("ssh", "-o", "BatchMode=yes", *options, host)
    return Launch((*ssh, f"{PROGRAM} {_LATE}"), (*ssh, "kill", "-{signal}", "{pid}"))


def run_launch(line: str) -> Launch:
    """Give the launch of a worker by a command that leads to one.

    What stands before `co2-gatherer` in it (`docker exec -i web`, `nsenter -t 99 -m -p`) is the way
    in, and signals are carried by a second command that goes the same way. A command in which
    `co2-gatherer` does not stand, or stands first, is itself taken for the worker.

    Args:
        line: as a shell would read it.

    Raises:
        ValueError: it is empty, or a quotation in it does not end.
    """
    words = tuple(shlex.split(line))
    if not words:
        raise ValueError("there is no command")
    command = (*words, _LATE)
    at = next((n for n, one in enumerate(words) if os.path.basename(one) == PROGRAM), 0)
    if not at:
        return Launch(command)
    # the words are filled in later: what looks like a place to fill must not
    way = tuple(one.replace("{", "{{").replace("}", "}}") for one in words[:at])
    return Launch(command, (*way, "/bin/sh", "-c", "kill -{signal} {pid}"))
