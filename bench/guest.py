"""Pings a second on one connection: Debian's qemu-ga (C) and co2-guest, in turns.

    python -m bench.guest [seconds]

Each agent runs in a process of its own and is asked over its Unix socket by the same blocking
client: one ping, its answer, the next one. Prints a table; the best of three turns counts. How
long an answer over XenStore takes is for `bench.guest_xenstore` to say.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PING = b'{"execute": "guest-ping"}\n'
CONFIG = """
import agentlib, plugins
agentlib.register(plugins.UnixSocket({socket!r}), plugins.QemuParser(state_dir={folder!r}))
"""


def start(folder: Path, ours: bool) -> tuple[subprocess.Popen[bytes], str]:
    """Start an agent, and give it and its socket's path."""
    path = str(folder / ("ours" if ours else "theirs"))
    if ours:
        config = folder / "config.py"
        config.write_text(CONFIG.format(socket=path, folder=str(folder)))
        words = [sys.executable, "-m", "plugin.guest.cli", "-n", "-q", "--dry-run"]
        words += ["-o", str(folder / "log"), str(config)]
    else:
        program = shutil.which("qemu-ga") or "/usr/sbin/qemu-ga"
        words = [program, "-m", "unix-listen", "-p", path, "-t", str(folder)]
        words += ["-f", str(folder / "pid"), "-b", "guest-shutdown,guest-exec,guest-set-time"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not os.path.exists(path):
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError(f"{words[0]} did not start")
        time.sleep(0.05)  # neither agent says when it listens
    return process, path


def pings(path: str, seconds: float) -> float:
    """Give how many pings a second are answered."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        count, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < seconds:
            for _ in range(100):
                client.sendall(PING)
                answer = client.recv(4096)
                assert answer == b'{"return": {}}\n', answer
            count += 100
        return count / (time.perf_counter() - begin)


def measure(seconds: float = 2.0, turns: int = 3) -> dict[str, float]:
    """Give the best rate of each agent."""
    best = {"qemu-ga": 0.0, "co2-guest": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        agents = {
            "qemu-ga": start(Path(folder), ours=False),
            "co2-guest": start(Path(folder), ours=True),
        }
        try:
            for _ in range(turns):
                for name, (_, path) in agents.items():
                    best[name] = max(best[name], pings(path, seconds))
        finally:
            for process, _ in agents.values():
                process.terminate()
                process.wait()
    return best


if __name__ == "__main__":
    rates = measure(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
    print("| agent | pings a second, one connection |")
    print("| --- | --- |")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.0f} |")
    print(f"\nratio {rates['co2-guest'] / rates['qemu-ga']:.2f}")
