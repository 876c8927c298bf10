"""co2-markguided: the registry, which knows what every daemon has."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred

from co2.api import keep_steady
from plugin.mktl.commands.ways import add_ways, begin_log, read_ways, stop_on_signals
from plugin.mktl.keeping.home import home
from plugin.mktl.serving.registry import Registry
from plugin.mktl.work import runtime


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until a signal."""
    from twisted.internet import reactor as installed

    reactor: Any = installed
    keep_steady(reactor)
    parser = argparse.ArgumentParser("co2-markguided", description=__doc__)
    parser.add_argument("--home", help="base directory; MKTL_HOME, or ~/.mKTL")
    add_ways(parser)
    parsed = parser.parse_args(arguments)
    if parsed.home:
        home(parsed.home)
    begin_log()
    try:
        registry = Registry(runtime.use(reactor), read_ways(parsed))
    except (RuntimeError, OSError, ValueError) as error:
        sys.exit(f"co2-markguided: {error}")

    async def begin() -> None:
        await registry.begin()
        print(f"registry {registry.ports}", flush=True)  # noqa: T201

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(begin()))
    reactor.addSystemEventTrigger("before", "shutdown", registry.stop)
    stop_on_signals(reactor)
    reactor.run(installSignalHandlers=False)


if __name__ == "__main__":
    main()
