"""A server in the foreground: `co2 satellite`, `co2 relay`, `python -m co2 …`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from twisted.internet.defer import maybeDeferred
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from co2.app.memory import collect_seldom
from co2.app.tap import FAILED, reader, reload_on_hangup
from co2.errors import SettingsError
from co2.model.clocks import keep_steady
from co2.service.server import Server

_PASTE = """
co2 {role} is here: {url}
Its state is in {folder}; Ctrl-C ends it. In another terminal, try:

    {export}{first}
    co2 methods
    python3 -c "import xmlrpc.client as x; print(x.ServerProxy('{url}').system.listMethods())"

"""
_FIRST = {"satellite": "co2 call example.example.greet world", "relay": "co2 satellites"}
_USUAL_URL = "http://127.0.0.1:2004/"


def run_server(role: str, options: Mapping[str, Any], verbose: bool = False) -> int:
    """Run a server until it is told to stop.

    Args:
        role: 'satellite' or 'relay'.
        options: as given on the command line, see `co2.app.tap.given`.
        verbose: log what plugins write with `debug` too.

    Returns:
        the exit code.
    """
    from twisted.internet import reactor

    keep_steady(reactor)
    collect_seldom()
    log_to(sys.stderr, verbose)
    read = reader(role, options)
    try:
        settings = read()
    except SettingsError as error:
        sys.stderr.write(f"co2 {role}: {error.text}\n")
        return FAILED
    exit_code = 0

    def failed(why: str) -> None:
        nonlocal exit_code
        exit_code = FAILED
        sys.stderr.write(f"co2 {role}: {why}\n")
        _stop(reactor)

    def started(url: str, folder: Path) -> None:
        sys.stdout.write(_welcome(role, url, folder))
        sys.stdout.flush()

    server = Server(settings, reactor, read, started, failed)
    _run(server, reactor)
    return exit_code


def _run(server: Server, reactor: Any) -> None:
    reload_on_hangup(server, reactor)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: maybeDeferred(server.stopService))
    reactor.callWhenRunning(server.startService)
    reactor.run()


def _welcome(role: str, url: str, folder: Path) -> str:
    export = "" if url == _USUAL_URL else f"export CO2_URL={url}\n    "
    return _PASTE.format(role=role, url=url, folder=folder, export=export, first=_FIRST[role])


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()
    else:
        reactor.callWhenRunning(reactor.stop)


def log_to(stream: TextIO, verbose: bool) -> None:
    """Send the log to a stream, from the level info on, or debug."""
    least = LogLevel.debug if verbose else LogLevel.info
    observer = FilteringLogObserver(
        textFileLogObserver(stream), [LogLevelFilterPredicate(defaultLogLevel=least)]
    )
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
