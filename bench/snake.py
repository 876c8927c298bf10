"""Queries a second of HTCondor's own client: co2-snaked against a bare socket.

    python bench/snake.py [QUERIES]

The bare server knows nothing: it sends the bytes that co2-snaked sent in a recording of the same
client, one recorded turn for each message that comes, so it is as fast as a Python server that
answers this client can be. Both are asked in turns by one client process, in three ways: raw, in a
resumed session, and with encryption (where a recording cannot be replayed, and only co2-snaked is
measured). PyPI's `htcondor` has to be installed.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).parent.parent
SEED = ROOT / "tests" / "data" / "snake_seed"
CLIENT = """
import sys, time
import htcondor2
ways, count, rounds = sys.argv[1].split("+"), int(sys.argv[2]), int(sys.argv[3])
collectors = [htcondor2.Collector(way) for way in ways]
for collector in collectors:
    for _ in range(20):
        assert len(collector.query(htcondor2.AdType.Startd)) == 2
for _ in range(rounds):
    for collector in collectors:
        begin = time.perf_counter()
        for _ in range(count):
            collector.query(htcondor2.AdType.Startd)
        print(count / (time.perf_counter() - begin))
"""
ROUNDS = 15


def read_message(connection: socket.socket) -> bytes:
    """Read the packets of one message; empty at the end."""
    whole = b""
    while True:
        header = connection.recv(5, socket.MSG_WAITALL)
        if len(header) < 5:
            return b""
        length = int.from_bytes(header[1:], "big")
        whole += header + connection.recv(length, socket.MSG_WAITALL)
        if header[0]:
            return whole


def record(
    address: tuple[str, int], listener: socket.socket, recordings: list[list[bytes]]
) -> None:
    """Stand between client and server; note what the server says after each message."""
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(address)
        turns: list[bytes] = []
        recordings.append(turns)
        while message := read_message(client):
            server.sendall(message)
            server.settimeout(0.2)
            answer = b""
            try:
                while chunk := server.recv(65536):
                    answer += chunk
            except TimeoutError:
                pass
            turns.append(answer)
            client.sendall(answer)
        client.close()
        server.close()


BARE = """
import socket, sys
first, later = eval(sys.stdin.readline())
listener = socket.create_server(("127.0.0.1", 0), backlog=500)
print(listener.getsockname()[1], flush=True)
turns = first
while True:
    connection, _ = listener.accept()
    for answer in turns:
        connection.recv(65536)
        if answer:
            connection.sendall(answer)
    connection.recv(65536)
    connection.close()
    turns = later
"""


def client(ways: list[str], count: int, rounds: int, **knobs: str) -> list[list[float]]:
    """Run the client process; give its figures, a list for each way."""
    settings = {f"_CONDOR_{name}": value for name, value in knobs.items()}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, "+".join(ways), str(count), str(rounds)],
        check=True, capture_output=True, text=True,
        env={**os.environ, "CONDOR_CONFIG": "/dev/null", **settings},
    )  # fmt: skip
    figures = [float(line) for line in done.stdout.split()]
    return [figures[index :: len(ways)] for index in range(len(ways))]


def recorded(address: tuple[str, int], **knobs: str) -> tuple[list[bytes], list[bytes]]:
    """Give the turns of a first and of a later query of the real client."""
    recordings: list[list[bytes]] = []
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=record, args=(address, listener, recordings), daemon=True).start()
    code = (
        "import htcondor2, sys\nc = htcondor2.Collector(sys.argv[1])\n"
        "for _ in range(2): c.query(htcondor2.AdType.Startd)\n"
    )
    settings = {f"_CONDOR_{name}": value for name, value in knobs.items()}
    subprocess.run(
        [sys.executable, "-c", code, f"<127.0.0.1:{listener.getsockname()[1]}>"],
        check=True, env={**os.environ, "CONDOR_CONFIG": "/dev/null", **settings},
    )  # fmt: skip
    return recordings[0], recordings[1]


def compare(name: str, sinful: str, address: tuple[str, int], count: int, **knobs: str) -> None:
    """Measure both servers in one run, and print a row."""
    turns = recorded(address, **knobs)
    bare = subprocess.Popen(
        [sys.executable, "-c", BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert bare.stdin is not None and bare.stdout is not None  # they are pipes
    bare.stdin.write(repr(turns) + "\n")
    bare.stdin.flush()
    port = bare.stdout.readline().strip()
    try:
        ways = [sinful, f"<127.0.0.1:{port}>"]
        ours, theirs = client(ways, count, ROUNDS, **knobs)
    finally:
        bare.kill()
        bare.wait()
    # both are measured in turns, so a busy machine slows the two of a round alike
    ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    show(name, statistics.median(ours), statistics.median(theirs), ratio)


def show(name: str, ours: float, theirs: float | None = None, ratio: float = 0.0) -> None:
    """Print a row of the table."""
    shown = "- | -" if theirs is None else f"{theirs:.0f} | {ratio:.2f}"
    print(f"| {name} | {ours:.0f} | {shown} |", flush=True)


def main() -> None:
    """Start co2-snaked with the seed's files, and measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(SEED, folder, dirs_exist_ok=True)
        snaked = subprocess.Popen(
            [sys.executable, "-m", "plugin.snake.tool", "-genus", "CREDMON_OAUTH",
             "-config", "condor_config", "-t"],
            cwd=folder, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert snaked.stderr is not None  # it is a pipe
        try:
            sinful = next(line for line in snaked.stderr if "command socket" in line).split()[-1]
            host, port = sinful.strip("<>").partition("?")[0].split(":")
            print("| way | co2-snaked, queries/s | bare socket | ratio |\n|---|---|---|---|")
            compare("raw", sinful, (host, int(port)), count, SEC_CLIENT_NEGOTIATION="NEVER")
            compare("resumed session", sinful, (host, int(port)), count)
            (ours,) = client([sinful], count, ROUNDS, SEC_CLIENT_ENCRYPTION="REQUIRED")
            show("encrypted, resumed", statistics.median(ours))
        finally:
            snaked.terminate()
            snaked.wait()


if __name__ == "__main__":
    main()
