"""`co2-gatherer`, `python -m plugin.gatherer`: the worker on stdin and stdout.

Signals may come as soon as the process is there, before the modules are: they wait until the
worker can take them, so that an early SIGINT or SIGUSR1 is answered like any other.
"""

from __future__ import annotations

import os
import signal
import sys

_EARLY = (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str] | None = None) -> int:
    """Run a worker; give its exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _EARLY)
    _stand_in_for_closed()
    # not before: what is imported takes longer than a signal
    from plugin.gatherer.worker import start

    return start.run(arguments)


def _stand_in_for_closed() -> None:
    """Let nothing else get the number of a stdin, stdout or stderr that is closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
