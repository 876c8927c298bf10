"""Run the long tests: `python -m soak [crash] …`; without a name all of them, which takes hours."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from soak import crash


def _crash(folder: Path, chosen: argparse.Namespace) -> str:
    figures = crash.run(folder, chosen.kills, chosen.seed)
    figures.check()
    return str(figures)


PROGRAMS: dict[str, Callable[[Path, argparse.Namespace], str]] = {"crash": _crash}


def main() -> int:
    """Run those that the command line names, or all; the first broken promise ends it."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *PROGRAMS], metavar="name")
    parser.add_argument("--kills", type=int, default=200, help="of each kind (crash)")
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
