"""mKTL's daemon beside a bare pyzmq server that answers a constant: `python -m bench.mktl`.

One pyzmq client, one server process at a time, tcp on loopback, both in one run and in turns, so
that what else the machine does falls on both. The bare server parses nothing, checks nothing, keeps
nothing: it is what Python and ZeroMQ allow at most.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

HEAD = [b"a", b"00000001"]
GET = [*HEAD, b"GET", b"bench.number", b"", b""]
ITEMS = {
    "number": {"type": "numeric", "range": [0, 1_000_000]},
    "kept": {"type": "numeric", "persist": True},
    "burst": {"type": "numeric"},
    "news": {"type": "numeric"},
}

BARE = """
import sys, time, zmq
context = zmq.Context()
router, pub = context.socket(zmq.ROUTER), context.socket(zmq.PUB)
router.set_hwm(0); pub.set_hwm(0)
ports = [socket.bind_to_random_port('tcp://127.0.0.1') for socket in (router, pub)]
print(*ports, flush=True)
text = b'{"value":1,"time":1795306157.87}'
while True:
    frames = router.recv_multipart()
    if frames[4] == b'bench.burst':
        for number in range(int(frames[6].split(b':')[1].rstrip(b'}'))):
            pub.send_multipart([b'bench.news.', b'a', text])
    router.send_multipart([frames[0], b'a', frames[2], b'REP', frames[4], b'', text])
"""

DAEMON = """
from plugin import mktl

class Burst(mktl.Item):
    blocking = False
    def perform_set(self, count):
        news = self.store['news']
        for number in range(int(count)):
            news.publish(number)

class Daemon(mktl.Daemon):
    def setup(self):
        self.add_item(Burst, 'burst')
"""


def set_request(target: bytes, value: int) -> list[bytes]:
    """Give the frames of a SET, with what real clients send along."""
    payload = {"value": value}
    if target != b"bench.burst":
        payload |= {"time": 1795306157.87, "_hostname": "host", "_pid": 1234}
    return [*HEAD, b"SET", target, b"", json.dumps(payload, separators=(",", ":")).encode()]


class Client:
    """A DEALER and a SUB."""

    def __init__(self, request_port: int, news_port: int) -> None:
        self._context = zmq.Context()
        self.dealer = self._context.socket(zmq.DEALER)
        self.dealer.set_hwm(0)
        self.dealer.set(zmq.RCVTIMEO, 60_000)
        self.dealer.connect(f"tcp://127.0.0.1:{request_port}")
        self.sub = self._context.socket(zmq.SUB)
        self.sub.set_hwm(0)
        self.sub.set(zmq.RCVTIMEO, 10_000)
        self.sub.connect(f"tcp://127.0.0.1:{news_port}")
        self.sub.subscribe(b"bench.news.")
        time.sleep(0.3)  # a SUB is not told when its subscription has arrived

    def close(self) -> None:
        """Close both."""
        self._context.destroy(linger=0)

    def reply(self) -> list[bytes]:
        """Give the next REP."""
        while True:
            frames = self.dealer.recv_multipart()
            if frames[2] == b"REP":
                return list(frames)

    def blocking(self, make: Callable[[int], list[bytes]], count: int) -> float:
        """Ask and wait, one after the other; gives requests a second."""
        requests = [make(number) for number in range(count)]
        begun = time.perf_counter()
        for frames in requests:
            self.dealer.send_multipart(frames)
            self.reply()
        return count / (time.perf_counter() - begun)

    def pipelined(self, make: Callable[[int], list[bytes]], count: int) -> float:
        """Ask all, then read all the answers."""
        requests = [make(number) for number in range(count)]
        begun = time.perf_counter()
        for frames in requests:
            self.dealer.send_multipart(frames)
        for _ in requests:
            self.reply()
        return count / (time.perf_counter() - begun)

    def publications(self, count: int) -> float:
        """Let the server publish a burst; gives values received a second, all of them or raises."""
        begun = time.perf_counter()
        self.dealer.send_multipart(set_request(b"bench.burst", count))
        for _ in range(count):
            self.sub.recv_multipart()
        rate = count / (time.perf_counter() - begun)
        self.reply()
        return rate


def start_bare() -> tuple[subprocess.Popen[str], int, int]:
    """Start the server that answers a constant; gives it with its ports."""
    process = subprocess.Popen([sys.executable, "-c", BARE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ports = process.stdout.readline().split()
    return process, int(ports[0]), int(ports[1])


def start_ours(folder: Path, items: dict[str, Any]) -> tuple[subprocess.Popen[str], int, int]:
    """Start co2-markd with these items; gives it with its ports of the new dialect."""
    (folder / "items.json").write_text(json.dumps(items))
    (folder / "bench_daemon.py").write_text(DAEMON)
    command = [
        sys.executable,
        "-m",
        "plugin.mktl.commands.markd",
        "bench",
        "main",
        "-c",
        "items.json",
    ]
    process = subprocess.Popen(
        [*command, "-m", "bench_daemon", "--home", str(folder / "home")],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert process.stdout is not None
    if not process.stdout.readline().startswith("serving"):
        raise RuntimeError("co2-markd did not start")
    ports = {
        path.name.partition(".")[2]: int(path.read_text())
        for path in (folder / "home/daemon/port/bench").iterdir()
        if path.suffix != ".lock"
    }
    return process, ports["req"], ports["pub"]


def measure(client: Client, quick: bool) -> dict[str, float]:
    """Do everything once with one server."""
    scale = 4 if quick else 1
    number = lambda n: set_request(b"bench.number", n)  # noqa: E731
    found = {
        "blocking GET /s": client.blocking(lambda _: GET, 4000 // scale),
        "blocking SET /s": client.blocking(number, 4000 // scale),
    }
    for burst in (1000, 10_000, 50_000):
        found[f"pipelined SET /s, {burst} at once"] = client.pipelined(number, burst)
    found["publications /s, 30000 at once"] = client.publications(30_000)
    return found


def memory_with_items(count: int) -> tuple[float, int]:
    """Give resident MB and threads of a daemon with so many items."""
    items = {f"item{number}": {"type": "numeric"} for number in range(count)} | ITEMS
    with tempfile.TemporaryDirectory() as folder:
        process, port, _ = start_ours(Path(folder), items)
        try:
            context = zmq.Context()
            dealer = context.socket(zmq.DEALER)
            dealer.connect(f"tcp://127.0.0.1:{port}")
            for n in range(count):
                dealer.send_multipart(set_request(b"bench.item%d" % n, n))
            for _ in range(count):
                dealer.recv_multipart()
            context.destroy(linger=0)
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            status = dict(line.split(":", 1) for line in lines)
            return int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"])
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parsed = parser.parse_args()
    rounds: dict[str, list[tuple[float, float]]] = {}
    persistent: list[float] = []
    for _ in range(parsed.rounds):
        with tempfile.TemporaryDirectory() as folder:
            results = []
            for start in (start_bare, lambda: start_ours(Path(folder), ITEMS)):
                process, *ports = start()
                client = Client(*ports)
                try:
                    results.append(measure(client, parsed.quick))
                    if len(results) == 2:
                        kept = lambda n: set_request(b"bench.kept", n)  # noqa: E731
                        persistent.append(client.pipelined(kept, 5000))
                finally:
                    client.close()
                    process.terminate()
                    process.wait()
            for name in results[0]:
                rounds.setdefault(name, []).append((results[0][name], results[1][name]))
    print("| what | bare pyzmq | co2-markd | ratio |\n| --- | --- | --- | --- |")
    for name, pairs in rounds.items():
        bare, ours = (statistics.median(one) for one in zip(*pairs, strict=True))
        ratio = statistics.median(own / other for other, own in pairs)
        print(f"| {name} | {bare:,.0f} | {ours:,.0f} | {ratio:.2f} |")
    print(f"| persistent SET /s, 5000 at once | | {statistics.median(persistent):,.0f} | |")
    memory, threads = memory_with_items(2000)
    print(f"\n2000 items: {memory:.0f} MB, {threads} threads")


if __name__ == "__main__":
    main()
