"""From request to answer over XenStore: co2-guest beside a poller as the agent of 2017 was one.

    python -m bench.guest_xenstore [requests]

Both serve the same xenstored (Debian's, as tests/guest/xen.py runs it without a hypervisor) in the
same run, asked in turns at moments that chance chooses. The peer is not the agent of 2017 itself,
which needs Python 2, but its interval: it looks, and when there is nothing it sleeps for a second.
"""

from __future__ import annotations

import importlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from plugin.guest.xenstore.blocking import BlockingStore
from plugin.guest.xenstore.wire import Operation, Packet, path_bytes

ROOT = Path(__file__).parents[1]
INTERVAL = 1.0
"""Seconds that the agent of 2017 sleeps when there was no request."""

BASE = "/local/domain/0/"
ANSWER = '{"message": "1.39.1", "returncode": "0"}'
CONFIG = """
import agentlib, plugins, commands, commands.command_list
agentlib.register(plugins.XSComm(), plugins.JsonParser(commands.init()))
"""


class Store(BlockingStore):
    """A client that also writes and removes."""

    def write(self, path: str, value: str) -> None:
        """Write a node."""
        self._answer(Packet(Operation.WRITE, 1, 0, path_bytes(path) + value.encode()))

    def remove(self, path: str) -> None:
        """Remove a node."""
        self._answer(Packet(Operation.REMOVE, 1, 0, path_bytes(path)))


def poll(place: str, host: str, guest: str, ended: threading.Event) -> None:
    """Answer what comes below `host`, looking once in an interval while nothing comes."""
    with Store(place) as store:
        while not ended.is_set():
            names = store.directory(host)
            for name in names:
                store.read(f"{host}/{name}")
                store.write(f"{guest}/{name}", ANSWER)
                store.remove(f"{host}/{name}")
            if not names:
                ended.wait(INTERVAL)


def ask(store: Store, host: str, guest: str) -> float:
    """Ask once; give the seconds until the answer is there."""
    name = str(uuid.uuid4())
    time.sleep(random.uniform(0, INTERVAL))  # people ask at any moment of the poller's interval
    begin = time.perf_counter()
    store.write(f"{host}/{name}", '{"name": "version"}')
    while store.read(f"{guest}/{name}") is None:
        if time.perf_counter() - begin > 10 * INTERVAL:
            raise RuntimeError(f"nobody answers {host}")
        time.sleep(0.0005)  # as dom0's plugin looks for its answer, and so often that it is seen
    return time.perf_counter() - begin


def measure(place: str, folder: Path, count: int) -> dict[str, list[float]]:
    """Give the seconds of each request, by who answered."""
    paths = {
        "co2-guest": (f"{BASE}data/host", f"{BASE}data/guest"),
        "poller": (f"{BASE}polled/host", f"{BASE}polled/guest"),
    }
    took: dict[str, list[float]] = {name: [] for name in paths}
    config, ended = folder / "config.py", threading.Event()
    config.write_text(CONFIG)
    words = [sys.executable, "-m", "plugin.guest.cli", "-n", "-q", "--dry-run"]
    words += ["-o", str(folder / "log"), "--xenstore", place, str(config)]
    poller = threading.Thread(target=poll, args=(place, *paths["poller"], ended))
    with subprocess.Popen(words) as agent, Store(place) as store:
        poller.start()
        try:
            ask(store, *paths["co2-guest"])  # it has started
            for _ in range(count):
                for name, (host, guest) in paths.items():
                    took[name].append(ask(store, host, guest))
        finally:
            ended.set()
            agent.terminate()
            poller.join()
    return took


def run(count: int) -> None:
    """Measure, and print a table."""
    sys.path.insert(0, str(ROOT / "tests"))
    xen: Any = importlib.import_module("guest.xen")
    cache = ROOT / ".pytest_cache" / "d" / "guest-xen"
    cache.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        xen.Store(xen.XenParts.found(cache), Path(folder) / "xenstored") as running,
    ):
        took = measure(running.path, Path(folder), count)
    print("| from request to answer over XenStore | median | slowest |\n| --- | --- | --- |")
    for name, shown in (("co2-guest", "co2-guest"), ("poller", f"a poller, every {INTERVAL:g} s")):
        median, worst = statistics.median(took[name]) * 1000, max(took[name]) * 1000
        print(f"| {shown} | {median:.1f} ms | {worst:.1f} ms |")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
