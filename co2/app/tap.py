"""Options of `twistd satellite` and `twistd relay`, and from them to a service."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from co2.app.memory import collect_seldom
from co2.app.settings import read_settings
from co2.errors import SettingsError
from co2.model.clocks import keep_steady
from co2.model.settings import Settings
from co2.service.server import Server

DEFAULT_CONFIG = "config.py"

FAILED = 1
"""Exit code of a server that could not start."""


class ServerOptions(usage.Options):
    """What both roles take on the command line; each outranks its setting."""

    optParameters = [
        ["config", "c", None, "configuration file (default: config.py, if there is one)"],
        ["listen", "l", None, "endpoint or port to listen on, like tcp:2004:interface=127.0.0.1"],
        ["nick", "n", None, "a name for this host"],
        ["state-dir", None, None, "folder for identity, admin token and roster"],
    ]


class SatelliteOptions(ServerOptions):
    """What `twistd satellite` takes."""

    optParameters = [
        ["relay", "r", None, "'embedded', 'none', or the URL of a relay"],
        ["plugin-dir", "p", None, "folder with plugin packages, looked into first"],
    ]


class RelayOptions(ServerOptions):
    """What `twistd relay` takes."""


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give those settings that the options name."""
    named = {
        "listen": options.get("listen"),
        "nick": options.get("nick"),
        "relay": options.get("relay"),
        "state_dir": _absolute(options.get("state-dir")),
        "plugin_dirs": [_absolute(options["plugin-dir"])] if options.get("plugin-dir") else None,
    }
    return {name: value for name, value in named.items() if value is not None}


def reader(role: str, options: Mapping[str, Any]) -> Callable[[], Settings]:
    """Give a function that reads the settings, again whenever it is called."""
    config = options.get("config")
    path = Path(config).absolute() if config else Path(DEFAULT_CONFIG).absolute()

    def read() -> Settings:
        there = path if config or path.is_file() else None
        return read_settings(role, there, given(options))

    return read


def _absolute(folder: str | None) -> str | None:
    # Relative to where the command was given: twistd may change the folder, config.py has its own.
    return str(Path(folder).absolute()) if folder else None


def make_satellite(options: Mapping[str, Any]) -> IService:
    """Make the service of `twistd satellite`."""
    return _make("satellite", options)


def make_relay(options: Mapping[str, Any]) -> IService:
    """Make the service of `twistd relay`."""
    return _make("relay", options)


def _make(role: str, options: Mapping[str, Any]) -> Server:
    from twisted.internet import reactor

    keep_steady(reactor)
    collect_seldom()
    read = reader(role, options)
    try:
        settings = read()
    except SettingsError as error:
        # twistd has read its options by now, and would show a UsageError as a crash.
        raise SystemExit(f"co2 {role}: {error.text}") from None

    def failed(why: str) -> None:
        sys.stderr.write(f"co2 {role}: {why}\n")
        # twistd ends with 0 when a service stops the reactor. Registered last, this runs first,
        # when twistd is done; what restarts failed services must see that this one failed.
        atexit.register(os._exit, FAILED)
        stop: Callable[[], None] = reactor.stop
        reactor.callWhenRunning(stop)

    server = Server(settings, reactor, read, lambda url, folder: None, failed)
    reload_on_hangup(server, reactor)
    return server


def reload_on_hangup(server: Server, reactor: Any) -> None:
    """Let SIGHUP read the settings again, once the reactor has taken the signals it wants."""

    def install() -> None:
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(server.reload))

    reactor.callWhenRunning(install)
