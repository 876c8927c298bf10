"""Durable messages a second: one sender, one server, and an answer for each once it is kept.

co2's relay answers after fsync. Redis (streams) does with `appendfsync always`. NATS JetStream
answers when the message is written to the file, and syncs by the clock: up to 2.9 (which Debian 12
has) every 60 seconds, and nothing sets it (`defaultSyncInterval` in its server/filestore.go); from
2.10 on every 2 minutes, and `sync_interval: always` has it sync every write, which is not measured
here. RabbitMQ is left out: it needs Erlang.

All clients are alike: requests written beforehand, one connection, so many under way, on a core of
their own; more than one under way are a `system.multicall` for co2, as its satellites send, and
written ahead for the others. So it is the servers that are measured.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from xmlrpc.client import dumps

from bench import harness
from bench.fanout import DATA, register
from bench.load import ENDS, post

ROUNDS = 5
MESSAGES = {1: 500, 64: 12_800}
"""By how many are under way."""

BODY = dumps((DATA,)).encode()
_CONFIG = "listen = 0\nmessage_rate = 1e9\nmessage_burst = 10**9\n"
_STREAM = {"name": "bench", "subjects": ["bench"], "storage": "file", "retention": "limits"}

SYNC = {
    "co2 relay": "fsync before every answer, one for all that wait (SQLite, WAL, FULL)",
    "Redis streams": "fsync before every answer, one for all that wait (`appendfsync always`)",
    "NATS JetStream": "no fsync before the answer: file storage, synced by the clock",
}


def _co2(window: int) -> float:
    with _folder() as folder:
        config = Path(folder, "config.py")
        config.write_text(_CONFIG)
        arguments = ("-m", "co2", "relay", "--config", str(config))
        with harness.process(0, *arguments, cwd=folder) as relay:
            url = harness.line(relay, "co2 relay is here: ")
            me = register(url)
            port = int(url.rstrip("/").rpartition(":")[2])
            messages = [{**me, "id": f"m{n}", "data": DATA} for n in range(MESSAGES[window])]
            if window == 1:
                alone = [dumps((message,), "relay.relay").encode() for message in messages]
                return _rate(port, [post("127.0.0.1", one) for one in alone], 1, ENDS, b"<fault>")
            # So do co2's own satellites send what waits.
            parts = [messages[first : first + window] for first in range(0, len(messages), window)]
            return window * _rate(port, list(map(_multicall, parts)), 1, ENDS, b"fault")


def _multicall(messages: list[dict[str, object]]) -> bytes:
    calls = [{"methodName": "relay.relay", "params": [message]} for message in messages]
    return post("127.0.0.1", dumps((calls,), "system.multicall").encode())


def _redis(window: int) -> float:
    with _folder() as folder:
        port = _free_port()
        options = f"--port {port} --bind 127.0.0.1 --appendonly yes --appendfsync always --save"
        with _program("redis-server", *options.split(), "", "--dir", str(folder), port=port):
            request = _resp(b"XADD", b"bench", b"*", b"data", BODY)
            # The answer to each is its number in the stream, in two lines: $15, 1732…-0.
            return _rate(port, [request] * MESSAGES[window], window, b"-", b"ERR")


def _resp(*words: bytes) -> bytes:
    parts = [b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(one), one) for one in words)]
    return b"".join(parts)


def _nats(window: int) -> float:
    with _folder() as folder:
        port = _free_port()
        options = f"-js -a 127.0.0.1 -p {port} -sd {folder}"
        with _program("nats-server", *options.split(), port=port):
            request = _pub("bench", "answers.1", BODY)
            made = _pub("$JS.API.STREAM.CREATE.bench", "answers.0", json.dumps(_STREAM).encode())
            hello = b'CONNECT {"verbose":false}\r\nSUB answers.* 1\r\n'
            # The first answer is that of the stream's making; it holds "created".
            return _rate(
                port, [request] * MESSAGES[window], window, b'"seq":', b"error", hello + made
            )


def _pub(subject: str, answer: str, body: bytes) -> bytes:
    return f"PUB {subject} {answer} {len(body)}\r\n".encode() + body + b"\r\n"


def _rate(
    port: int,
    requests: list[bytes],
    window: int,
    answer: bytes,
    refusal: bytes,
    hello: bytes = b"",
) -> float:
    """Send requests, so many unanswered at once; give the answers a second.

    Args:
        answer: what is once in every answer, and nowhere else in it.
        refusal: what is in none.
        hello: sent first; it has one answer, which holds "created".
    """
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(60)
        if hello:
            connection.sendall(hello)
            received = b""
            while b'"created"' not in received:
                received += connection.recv(65536)
        began = time.perf_counter()
        for start in range(0, len(requests), window):
            batch = requests[start : start + window]
            connection.sendall(b"".join(batch))
            received = b""
            while received.count(answer) < len(batch):
                data = connection.recv(262144)
                received += data
                if not data or refusal in received:
                    raise RuntimeError(f"refused: {received[-400:]!r}")
        return len(requests) / (time.perf_counter() - began)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def _program(name: str, *arguments: str, port: int) -> Iterator[None]:
    """Run a server on the first core until it listens, and end it afterwards."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    assert found is not None
    child = subprocess.Popen(
        [found, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.sched_setaffinity(child.pid, {0})
    try:
        _await_port(port)
        yield
    finally:
        child.kill()
        child.wait()


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            continue
        return
    raise RuntimeError(f"nobody listens on {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sync_takes() -> float:
    """Give the median of the milliseconds that a write of 4 KiB and its fsync take here."""
    took = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def _version(*command: str) -> str:
    found = shutil.which(command[0], path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        return ""
    said = subprocess.run([found, *command[1:]], capture_output=True, text=True, check=True)
    return said.stdout.strip().split(" sha=")[0]


def _candidates(window: int) -> dict[str, Callable[[], float]]:
    ours: dict[str, Callable[[], float]] = {"co2 relay": partial(_co2, window)}
    if _version("redis-server", "--version"):
        ours["Redis streams"] = partial(_redis, window)
    if _version("nats-server", "--version"):
        ours["NATS JetStream"] = partial(_nats, window)
    return ours


def run() -> str:
    """Measure, and give the table."""
    rows = []
    for window in MESSAGES:
        print(f"durable messages, {window} under way", flush=True)
        figures = harness.alternate(_candidates(window), ROUNDS)
        ours = figures["co2 relay"]
        for name, theirs in figures.items():
            ratio = "" if theirs is ours else harness.ratios(ours, theirs)
            rows.append((str(window), name, f"{statistics.median(theirs):,.0f}", ratio, SYNC[name]))
    columns = (
        "under way",
        "server",
        "messages/s (median)",
        "co2 relay in proportion (spread)",
        "sync",
    )
    versions = [_version("redis-server", "--version"), _version("nats-server", "--version")]
    notes = f"A write of 4 KiB and its fsync take {_sync_takes():.2f} ms here. "
    return harness.table(columns, rows) + "\n" + notes + ". ".join(filter(None, versions)) + ".\n"
