"""The worker's arguments, and how it comes to be from them."""

from __future__ import annotations

import argparse
import os
from typing import Final

from plugin.gatherer.protocol.requests import REQUESTS
from plugin.gatherer.protocol.session import Session
from plugin.gatherer.worker.worker import Worker

VERSION: Final = 1
"""Of the protocol; it grows when a request changes, not when one is added."""


def capabilities() -> tuple[bytes, ...]:
    """Give what `version` answers: protocol, process, and the requests that are understood."""
    names = b" ".join(sorted(REQUESTS))
    return (b"gatherer %d" % VERSION, b"pid %d" % os.getpid(), b"requests " + names)


def run(arguments: list[str] | None = None) -> int:
    """Run a worker as its arguments say; give its exit code."""
    parser = argparse.ArgumentParser(
        prog="co2-gatherer", description="Obeys requests on stdin: see docs/gatherer.md."
    )
    parser.add_argument("--root", default="", help="a directory that all paths are meant in")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="an unknown command, and the end of the input, end it with code 255",
    )
    parser.add_argument(
        "--interrupt",
        choices=("seed", "late"),
        default="seed",
        help="late: SIGINT drops whatever is read or run, tells its number, and never ends it",
    )
    chosen = parser.parse_args(arguments)
    root = os.fsencode(os.path.abspath(chosen.root)) if chosen.root else b""
    problem = _problem(root)
    if problem:
        parser.error(problem)
    late = chosen.interrupt == "late"
    session = Session(strict=chosen.strict, late=late, version=capabilities())
    return Worker(session, root).run()


def _problem(root: bytes) -> str:
    if root and not os.path.isdir(root):
        return f"--root {os.fsdecode(root)}: no such directory"
    if root and os.geteuid() != 0:
        return "--root needs the right to change the root directory: run it as root"
    return ""
