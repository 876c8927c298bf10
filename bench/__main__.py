"""Run every benchmark, and write its table: `python -m bench [calls] [fanout] [durable]`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from bench import calls, durable, fanout, harness

PROGRAMS: dict[str, Callable[[], str]] = {
    "calls": calls.run,
    "fanout": fanout.run,
    "durable": durable.run,
}


def main() -> None:
    """Run those that the command line names, or all."""
    for name in sys.argv[1:] or PROGRAMS:
        os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
        text = PROGRAMS[name]()
        print(text)
        harness.report(name, f"\n{harness.machine()}\n\n{text}\n")


if __name__ == "__main__":
    main()
