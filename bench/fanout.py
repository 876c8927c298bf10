"""Notifications a second: one sender, one relay, 10 to 1,000 satellites that call `receive`.

The relay has a core of its own, the satellites share the other one with the sender. A run ends
when the last satellite has received the last message.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import tempfile
import time
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy, dumps

from bench import harness
from bench.load import post

DATA = [1, 2, 3, "shrubbery", {"john": "cleese", "terry": "gilliam"}, 0.815]
ROUNDS = 3
SATELLITES = (10, 100, 1000)
CO2_NOTIFICATIONS = 100_000
STOCK_NOTIFICATIONS = 4_000
WINDOW = 64
_CONFIG = (
    "listen = 0\nmessage_rate = 1e9\nmessage_burst = 10**9\nping_interval = 600\nlease = 3600\n"
)


def _co2(count: int) -> float:
    messages = max(10, CO2_NOTIFICATIONS // count)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.py")
        config.write_text(_CONFIG)
        with harness.process(0, "-m", "co2", "relay", "--config", str(config)) as relay:
            url = harness.line(relay, "co2 relay is here: ")
            port = int(url.rstrip("/").rpartition(":")[2])
            arguments = ("-m", "bench.satellites", str(port), str(count), str(messages))
            with harness.process(1, *arguments) as satellites:
                harness.line(satellites, "made")
                _await_online(url, count)
                me = register(url)
                return _measure(port, "relay.relay", me, messages, count, satellites, WINDOW)


def register(url: str) -> dict[str, Any]:
    """Register a host that only sends; give what it shows with every message."""
    with ServerProxy(url) as relay:
        answer: Any = relay.relay.register({"port": 9, "callback": False})
    return {"host_id": answer["host_id"], "token": answer["token"]}


def _await_online(url: str, count: int) -> None:
    deadline = time.monotonic() + 60
    with ServerProxy(url) as relay:
        while time.monotonic() < deadline:
            records: Any = relay.relay.get_satellites()
            if sum(one["state"] == "online" for one in records) == count:
                return
    raise RuntimeError(f"not all of {count} satellites came online")


def _stock(count: int) -> float:
    messages = max(4, STOCK_NOTIFICATIONS // count)
    with harness.process(1, "-m", "bench.peers", "satellites", str(count), str(messages)) as many:
        ports = harness.line(many, "ports ").split()
        with harness.process(0, "-m", "bench.peers", "relay", *ports) as relay:
            port = int(harness.line(relay, "port "))
            # Its relay opens a connection for every call, so few messages at once are best for it.
            window = 1 if count >= 1000 else 4
            return _measure(
                port, "relay", {"host_id": "1@127.0.0.1:9"}, messages, count, many, window
            )


def _measure(
    port: int,
    method: str,
    members: dict[str, Any],
    messages: int,
    count: int,
    satellites: subprocess.Popen[str],
    window: int,
) -> float:
    """Send messages, `window` of them unanswered, and time the last receipt."""
    structs = [{**members, "id": f"m{number}", "data": DATA} for number in range(messages)]
    if method == "relay.relay":
        requests = [_batch(method, structs[at : at + window]) for at in range(0, messages, window)]
    else:
        requests = [post("127.0.0.1", dumps((one,), method).encode()) for one in structs]
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(min(window, 4))]
    began = time.perf_counter()
    if method == "relay.relay":
        _send_batches(connections[0], requests)
    else:
        _send_in_turn(connections, requests)
    harness.line(satellites, "all")
    elapsed = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return messages * count / elapsed


def _send_batches(connection: socket.socket, requests: list[bytes]) -> None:
    """Send as a co2 satellite does: what waits goes together, in a `system.multicall`."""
    for request in requests:
        connection.sendall(request)
        received = b""
        while b"</methodResponse>" not in received:
            data = connection.recv(262144)
            if not data or b"faultCode" in data:
                raise RuntimeError(f"refused: {data[-400:]!r}")
            received += data


def _batch(method: str, structs: list[dict[str, Any]]) -> bytes:
    calls = [{"methodName": method, "params": [one]} for one in structs]
    return post("127.0.0.1", dumps((calls,), "system.multicall").encode())


def _send_in_turn(connections: list[socket.socket], requests: list[bytes]) -> None:
    """Keep one message under way on each connection."""
    for start in range(0, len(requests), len(connections)):
        batch = requests[start : start + len(connections)]
        for connection, request in zip(connections, batch, strict=False):
            connection.sendall(request)
        for connection, _ in zip(connections, batch, strict=False):
            response = HTTPResponse(connection)
            response.begin()
            body = response.read()
            if b"<fault>" in body:
                raise RuntimeError(f"refused: {body[:400]!r}")


def run() -> str:
    """Measure, and give the table."""
    os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
    rows = []
    for count in SATELLITES:
        print(f"fan-out to {count} satellites", flush=True)
        candidates = {
            "co2 relay and satellites": partial(_co2, count),
            "twisted.web.xmlrpc with Proxy": partial(_stock, count),
        }
        figures = harness.alternate(candidates, ROUNDS)
        ours = figures["co2 relay and satellites"]
        for name, theirs in figures.items():
            ratio = "" if theirs is ours else harness.ratios(ours, theirs)
            rows.append((str(count), name, f"{statistics.median(theirs):,.0f}", ratio))
    columns = ("satellites", "network", "notifications/s (median)", "co2 is faster by (spread)")
    return harness.table(columns, rows)
