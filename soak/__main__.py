"""Run the long tests: `python -m soak [crash] …`; without a name all, which takes an hour."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from soak import backlog, crash, crowd, partitions


def _crash(folder: Path, chosen: argparse.Namespace) -> str:
    figures = crash.run(folder, chosen.kills, chosen.seed)
    figures.check()
    return str(figures)


def _partitions(folder: Path, chosen: argparse.Namespace) -> str:
    figures, wire = partitions.run(
        folder, chosen.seed, messages=1_000, rounds=chosen.rounds, cut_for=chosen.cut_for
    )
    figures.check()
    return f"{figures}; frames passed {wire.passed:,}, dropped {wire.dropped:,}"


def _backlog(folder: Path, chosen: argparse.Namespace) -> str:
    result = backlog.run(folder, chosen.messages)
    result.check()
    return str(result)


def _crowd(folder: Path, chosen: argparse.Namespace) -> str:
    return str(crowd.run(folder, chosen.satellites, chosen.notifications))


PROGRAMS: dict[str, Callable[[Path, argparse.Namespace], str]] = {
    "crash": _crash,
    "partitions": _partitions,
    "backlog": _backlog,
    "crowd": _crowd,
}


def main() -> int:
    """Run those that the command line names, or all; the first broken promise ends it."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *PROGRAMS], metavar="name")
    parser.add_argument("--kills", type=int, default=200, help="of each kind (crash)")
    parser.add_argument("--rounds", type=int, default=3, help="of cutting everybody (partitions)")
    parser.add_argument("--cut-for", type=float, default=60.0, help="seconds (partitions)")
    parser.add_argument("--messages", type=int, default=100_000, help="to be away for (backlog)")
    parser.add_argument("--satellites", type=int, default=1_000, help="at once (crowd)")
    parser.add_argument("--notifications", type=int, default=100, help="to each (crowd)")
    parser.add_argument("--seed", type=int, default=None, help="of what is drawn at random")
    chosen = parser.parse_args()
    if chosen.seed is None:
        chosen.seed = random.randrange(2**32)
    for name in chosen.names or PROGRAMS:
        print(f"{name}: seed {chosen.seed}", flush=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            text = PROGRAMS[name](Path(folder), chosen)
        print(f"{name}: {text} ({time.monotonic() - began:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
