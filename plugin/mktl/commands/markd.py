"""co2-markd: run a daemon of items, the plain caching one or a subclass."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from co2.api import keep_steady
from plugin.mktl.commands.ways import add_ways, begin_log, read_ways, stop_on_signals
from plugin.mktl.keeping.home import home, read_configuration, save_configuration
from plugin.mktl.serving.daemon import Daemon
from plugin.mktl.serving.subclass import find_class
from plugin.mktl.values.description import check_items, check_store
from plugin.mktl.work import runtime

_EPILOG = """examples:
    co2-markd rosebud innocence
    co2-markd rosebud innocence --module kane --subclass Sled -c items.json
"""


def make_parser() -> argparse.ArgumentParser:
    """Give the parser: the options of both generations."""
    parser = argparse.ArgumentParser(
        "co2-markd",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", help="name of the store")
    parser.add_argument("alias", help="this daemon's configuration; unique in the store")
    parser.add_argument("-m", "--module", default="", help="module with the Daemon subclass")
    parser.add_argument("-s", "--subclass", default="Daemon", help="the class in that module")
    parser.add_argument(
        "-c",
        "--configuration",
        "--catalog",
        help="file with the items; it supplants the kept configuration of that alias",
    )
    parser.add_argument("-a", "--appconfig", help="handed to the subclass, for its own use")
    parser.add_argument(
        "-o", "--override", action="store_true", help="replace a daemon that no longer runs"
    )
    parser.add_argument("--home", help="base directory; MKTL_HOME, or ~/.mKTL")
    add_ways(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until a signal."""
    parsed = make_parser().parse_args(arguments)
    parsed.identifier = parsed.catalog = parsed.alias
    parsed.ways = read_ways(parsed)
    if parsed.home:
        home(parsed.home)
    begin_log()
    sys.exit(_run(parsed))


def _run(parsed: argparse.Namespace) -> int:
    from twisted.internet import reactor as installed
    from twisted.internet.threads import deferToThread

    reactor: Any = installed
    keep_steady(reactor)
    status: list[int] = []
    ending: list[bool] = []

    def begin() -> None:
        runtime.use(reactor)
        making = deferToThread(_make, parsed)
        making.addCallbacks(started, failed)
        reactor.addSystemEventTrigger("before", "shutdown", end, making)

    def started(daemon: Daemon) -> Daemon:
        daemon.stopped.addCallback(stopped)
        ports = {name: where["rep"] for name, where in daemon.where.items()}
        print(f"serving {daemon.name} {daemon.alias} {ports}", flush=True)  # noqa: T201
        return daemon

    def failed(failure: Any) -> None:
        status.append(1)
        print(f"co2-markd: {failure.getErrorMessage()}", file=sys.stderr)  # noqa: T201
        stopped(None)

    def stopped(_: None) -> None:
        """The start failed, or the daemon's own code has stopped it."""
        if not ending:
            reactor.stop()

    def end(making: Deferred[Daemon | None]) -> Deferred[Any]:
        """Stop the daemon, once it has started: its thread waits for the reactor until then."""
        ending.append(True)
        return making.addCallback(
            lambda daemon: None if daemon is None else deferToThread(daemon.stop)
        )

    reactor.callWhenRunning(begin)
    stop_on_signals(reactor)
    reactor.run(installSignalHandlers=False)
    return status[0] if status else 0


def _make(parsed: argparse.Namespace) -> Daemon:
    if parsed.configuration:
        path = Path(parsed.configuration)
        items = read_configuration(path)
        check_items(items, path.name)
        save_configuration(home(), check_store(parsed.store), parsed.alias.lower(), items)
    kind = find_class(parsed.module, parsed.subclass)
    return kind(parsed.store, parsed.alias, parsed, override=parsed.override)


if __name__ == "__main__":
    main()
