"""Options that the daemons' commands share."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from plugin.mktl.client.begin import discovery_interface
from plugin.mktl.net.ports import Ways

STOP_WITHIN = 5.0
"""Seconds from the order to stop until the process has ended."""


def add_ways(parser: argparse.ArgumentParser) -> None:
    """Add the options about networks."""
    group = parser.add_argument_group("network")
    group.add_argument(
        "--interface",
        default="127.0.0.1",
        help="address to listen on; mKTL has no access control: who reaches it may set every item",
    )
    group.add_argument("--hostname", default="", help="what clients are told to connect to")
    group.add_argument(
        "--discovery-interface",
        help="name or address of the network whose broadcasts are answered ('*': all)",
    )
    group.add_argument(
        "--registry", action="append", default=[], help="address of a registry, besides listed ones"
    )
    group.add_argument(
        "--old", default=True, action=argparse.BooleanOptionalAction, help="serve v0.8 clients too"
    )


def read_ways(parsed: argparse.Namespace) -> Ways:
    """Give what the options say."""
    discovery_interface(parsed.discovery_interface)
    return Ways(
        interface=parsed.interface,
        hostname=parsed.hostname,
        old_dialect=parsed.old,
        discovery_interface=parsed.discovery_interface,
        registries=parsed.registry,
    )


def begin_log() -> None:
    """Write what happens to standard error."""
    predicate = LogLevelFilterPredicate(LogLevel.info)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [predicate])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def stop_on_signals(reactor: Any) -> None:
    """Let SIGTERM and SIGINT end the reactor in order; a second one ends the process at once.

    So does an end that takes longer than `STOP_WITHIN`, whatever began it: the start, `cleanup` or
    a name's look-up may block for good. It loses nothing: what was acknowledged is on disk.
    """
    deadline = threading.Timer(STOP_WITHIN, _end_now)
    deadline.daemon = True
    ending = False

    def begin_end() -> None:
        if not deadline.is_alive():
            deadline.start()

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal ending
        if ending:
            os._exit(128 + number)
        ending = True
        begin_end()
        reactor.callFromThread(reactor.stop)

    reactor.addSystemEventTrigger("before", "shutdown", begin_end)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _end_now() -> None:
    text = f"not stopped after {STOP_WITHIN:g} s, because something blocks: ended at once\n"
    os.write(2, text.encode())  # whoever blocks may hold the lock of sys.stderr
    os._exit(1)
