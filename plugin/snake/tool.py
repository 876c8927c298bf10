"""`co2-snaked -genus NAME [-config FILE]`: the daemon of one genus as a program.

Takes the arguments that HTCondor's master gives its daemons, and reacts to signals as they do:
SIGHUP reconfigures, SIGTERM ends, SIGUSR1 and SIGUSR2 wake the poller if one of them is its.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from co2.api import keep_steady
from plugin.snake.daemon.daemon import SnakeDaemon
from plugin.snake.daemon.logs import DaemonLog
from plugin.snake.handlers.imports import CodeError
from plugin.snake.language.genus import Genus, read_genus
from plugin.snake.language.macros import ConfigError, parse

BAD_START = 255


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; options have one dash, as HTCondor's have."""
    parser = argparse.ArgumentParser("co2-snaked", description=__doc__, allow_abbrev=False)
    parser.add_argument("-genus", metavar="NAME", help="whose NAME_… settings count; needed")
    parser.add_argument("-config", metavar="FILE", help="instead of $CONDOR_CONFIG")
    parser.add_argument("-p", metavar="PORT", type=int, help="instead of NAME_PORT")
    parser.add_argument("-local-name", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("-f", action="store_true", help="stay in the foreground, as it always does")
    parser.add_argument("-t", action="store_true", help="log to the terminal, not to NAME_LOG")
    return parser.parse_args(words)


def reader(genus: str, config: str | None, overrides: dict[str, str]) -> Callable[[], Genus]:
    """Give what reads a genus's configuration, each time anew.

    Args:
        genus: its name.
        config: the file; `$CONDOR_CONFIG` if None, and nothing at all if that is not set either.
        overrides: knobs that go before everything else.
    """

    def read() -> Genus:
        file = config or os.environ.get("CONDOR_CONFIG")
        environment = {f"_CONDOR_{knob}": value for knob, value in overrides.items()}
        return read_genus(genus, parse(_text(file), {**os.environ, **environment}))

    return read


def _text(file: str | None) -> str:
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{Path(file).name}: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{Path(file).name}: {error.reason}, at byte {error.start}"]) from None


def main(words: Sequence[str] | None = None) -> int:
    """Run until told to stop; gives the exit status."""
    options = arguments(sys.argv[1:] if words is None else words)
    if not options.genus:
        return _complain(["-genus NAME is needed: whose settings count"])
    overrides: dict[str, str] = {}
    if options.p is not None:
        overrides[f"{options.genus}_PORT"] = str(options.p)
    if options.t:
        overrides[f"{options.genus}_LOG"] = ""
    return _run(reader(options.genus, options.config, overrides))


def _run(read: Callable[[], Genus]) -> int:
    from twisted.internet import reactor as installed

    # the module is typed as a module; what it is at run time is the installed reactor
    reactor: Any = installed
    keep_steady(reactor)
    daemon = SnakeDaemon(read, reactor, DaemonLog(_to_terminal), lambda: _stop(reactor))
    try:
        daemon.start()
    except (ConfigError, CodeError) as error:
        return _complain(error.complaints)
    except OSError as error:
        return _complain([f"{error.strerror or error}"])
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stop)
    # what was loaded stays; looking through it again and again costs queries
    gc.collect()
    gc.freeze()
    reactor.callWhenRunning(_take_signals, daemon, reactor)
    reactor.run()
    return 0


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()


def _take_signals(daemon: SnakeDaemon, reactor: Any) -> None:
    def on(number: int, act: Callable[[], object]) -> None:
        # a signal arrives between any two instructions; the event loop takes it from there
        signal.signal(number, lambda *_: reactor.callFromThread(act))

    on(signal.SIGHUP, daemon.reconfigure)
    on(signal.SIGUSR1, lambda: daemon.wake("SIGUSR1"))
    on(signal.SIGUSR2, lambda: daemon.wake("SIGUSR2"))


def _to_terminal(line: str) -> None:
    sys.stderr.write(line + "\n")


def _complain(complaints: list[str]) -> int:
    for complaint in complaints:
        _to_terminal(f"co2-snaked: {complaint}")
    return BAD_START


if __name__ == "__main__":
    sys.exit(main())
