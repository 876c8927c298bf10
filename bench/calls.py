"""Calls a second: a small message echoed, by 1, 16 and 64 connections.

co2 is a whole satellite with a plugin: registry, rights, signature check and limits on.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from xmlrpc.client import dumps

from bench import harness
from bench.load import calls_per_second

MESSAGE = {
    "host_id": "124571645@127.0.0.1:2004",
    "data": [1, 2, 3, "shrubbery", {"john": "cleese", "terry": "gilliam"}, 0.815],
}
BODY = dumps((MESSAGE,), "bench.bench.echo").encode()
SECONDS = 2.0
ROUNDS = 3
CONNECTIONS = (1, 16, 64)


def _co2(connections: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.py")
        config.write_text(
            f"listen = 0\nrelay = None\nplugin_list = ['bench']\n"
            f"plugin_dirs = [{str(harness.ROOT / 'bench' / 'plugins')!r}]\n"
        )
        with harness.process(0, "-m", "co2", "satellite", "--config", str(config)) as child:
            url = harness.line(child, "co2 satellite is here: ")
            return _load(int(url.rstrip("/").rpartition(":")[2]), connections)


def _peer(name: str, connections: int) -> float:
    with harness.process(0, "-m", "bench.peers", name) as child:
        return _load(int(harness.line(child, "port ")), connections)


def _load(port: int, connections: int) -> float:
    calls_per_second(port, BODY, connections, 0.5)
    return calls_per_second(port, BODY, connections, SECONDS)


def run() -> str:
    """Measure, and give the table."""
    rows = []
    candidates: dict[str, Callable[[int], float]] = {
        "co2 satellite": _co2,
        "twisted.web.xmlrpc": partial(_peer, "twisted"),
        "standard library, threads": partial(_peer, "stdlib"),
    }
    for connections in CONNECTIONS:
        print(f"calls, {connections} connections", flush=True)
        figures = harness.alternate(
            {name: partial(one, connections) for name, one in candidates.items()}, ROUNDS
        )
        ours = figures["co2 satellite"]
        for name, theirs in figures.items():
            ratio = "" if theirs is ours else harness.ratios(ours, theirs)
            rows.append((str(connections), name, f"{statistics.median(theirs):,.0f}", ratio))
    columns = ("connections", "server", "calls/s (median)", "co2 is faster by (spread)")
    return harness.table(columns, rows)
