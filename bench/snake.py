"""Queries a second of HTCondor's own client: co2-snaked against a bare socket.

    python bench/snake.py [ROUNDS]

The bare server knows nothing: it sends the bytes that co2-snaked sent in a recording of the same
client, one recorded turn for each message that comes, so it is as fast as a Python server that
answers this client can be. One client process asks both, in three ways: raw, in a resumed session,
and in a resumed session with encryption. There a recording cannot be replayed as it is, because
each connection has a nonce and vectors of its own, so the bare server seals the recorded answer
anew, and opens nothing. PyPI's `htcondor` has to be installed.

So that a busy machine does not decide: the servers share one core and the client has another;
both are asked in turns, a block of few queries each, first one and then the other first. The kernel
says how long client and server waited for a core; a pair of neighbouring blocks counts only if both
were calm, that is hardly waited and took no more than twice their undisturbed time, because
waiting hides the servers and draws every ratio towards 1.
The ratio, and the rates, are the medians of the pairs that count. "Undisturbed" is the time of a
query that one in ten stays below, and the ratio of these. CPU is the server's own time for a query.
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
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
SEED = ROOT / "tests" / "data" / "snake_seed"
CLIENT = """
import os, sys, time
import htcondor2
if len(os.sched_getaffinity(0)) > 1:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
ways, pids = (argument.split("+") for argument in sys.argv[1:3])
warming, count, rounds = map(int, sys.argv[3:])
def waited(way):
    files = [f"/proc/{pid}/schedstat" for pid in ("self", pids[way])]
    return sum(int(open(file).read().split()[1]) for file in files)
collectors = [htcondor2.Collector(way) for way in ways]
for collector in collectors:
    for _ in range(warming):
        assert len(collector.query(htcondor2.AdType.Startd)) == 2
for round in range(rounds):
    for way in range(len(ways))[:: -1 if round % 2 else 1]:
        times, before = [], waited(way)
        for _ in range(count):
            begin = time.perf_counter()
            collectors[way].query(htcondor2.AdType.Startd)
            times.append(time.perf_counter() - begin)
        print(way, (waited(way) - before) / 1e9, *times)
"""
WARMING = 20
BLOCK = 5
ROUNDS = 400
CALM = 0.1
"""Part of a block's time that client and server may have waited for a core."""
SLOW = 2.0
"""Times of an undisturbed query that one of a calm block takes at most: a machine that is itself
a guest may sleep on without any process of its own waiting."""
BUSY = 0.0006
"""Seconds of a bare query that no undisturbed one takes."""
LEAST = 50
"""Pairs of calm blocks below which a ratio is worth nothing."""


class Server(NamedTuple):
    """A running co2-snaked."""

    sinful: str
    address: tuple[str, int]
    pid: int


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


BARE_SEALED = """
import hashlib, os, socket, sys
from plugin.snake.cedar.crypt import KeyExchange, Sealer
from plugin.snake.cedar.negotiation import UNAUTHENTICATED, Agreement, admission, answer
from plugin.snake.cedar.values import MessageReader, MessageWriter
from plugin.snake.cedar.wire import Wire

def sealed_values(packet):
    reader, writer = MessageReader(packet[5:]), MessageWriter(sized=True)
    while reader.integer():
        writer.integer(1)
        writer.ad(reader.ad())
    writer.integer(0)
    return writer.take()

def negotiated(connection):
    wire, exchange = Wire(), KeyExchange()
    wire.feed(connection.recv(65536))
    reader = wire.message()
    reader.integer()
    cipher = exchange.cipher(reader.literal_ad()["ecdhpublickey"])
    wire.send_ad(answer(Agreement(False, True, False), exchange.public))
    wire.seal(cipher, os.urandom(16))
    wire.send_ad(admission("bare:1", "5,6", UNAUTHENTICATED))
    connection.sendall(wire.data_to_send())
    wire.feed(connection.recv(65536))
    wire.message()
    writer = wire.writer()
    writer.gathered += body
    wire.send(writer)
    connection.sendall(wire.data_to_send())
    return cipher

_, (resumption, packet) = eval(sys.stdin.readline())
body, greeting = sealed_values(packet), hashlib.sha256(resumption).digest()
header = b"\\1" + (len(body) + 32).to_bytes(4, "big")
listener = socket.create_server(("127.0.0.1", 0), backlog=500)
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
cipher = negotiated(connection)
connection.recv(65536)
connection.close()
while True:
    connection, _ = listener.accept()
    request = connection.recv(65536)
    connection.sendall(resumption)
    seal = Sealer(cipher, os.urandom(16), greeting + hashlib.sha256(request).digest())
    connection.recv(65536)
    connection.sendall(header + seal.apply(header, body))
    connection.recv(65536)
    connection.close()
"""


class Block(NamedTuple):
    """A few queries of one way in a row: how long a core was waited for, and each query's time."""

    waited: float
    times: list[float]

    def calm(self, best: float) -> bool:
        """Tell whether nobody else's work was in the way, `best` being an undisturbed query."""
        whole = sum(self.times)
        return self.waited <= CALM * whole and whole <= SLOW * best * len(self.times)

    @property
    def rate(self) -> float:
        """Queries a second."""
        return len(self.times) / sum(self.times)


def undisturbed(blocks: list[Block]) -> float:
    """Give the time in seconds that one query in ten stays below."""
    return statistics.quantiles((time for block in blocks for time in block.times), n=10)[0]


def client(
    ways: list[str], pids: list[int], rounds: int, **knobs: str
) -> tuple[list[Block], list[Block]]:
    """Run the client process; give the blocks of both ways, those of servers with these pids."""
    settings = {f"_CONDOR_{name}": value for name, value in knobs.items()}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, "+".join(ways), "+".join(map(str, pids)),
         str(WARMING), str(BLOCK), str(rounds)],
        check=True, capture_output=True, text=True,
        env={**os.environ, "CONDOR_CONFIG": "/dev/null", **settings},
    )  # fmt: skip
    figures: tuple[list[Block], list[Block]] = [], []
    for line in done.stdout.splitlines():
        way, waited, *times = line.split()
        figures[int(way)].append(Block(float(waited), [float(time) for time in times]))
    return figures


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


class Spent:
    """CPU time that a process spends from here on."""

    def __init__(self, pid: int) -> None:
        self._file = Path(f"/proc/{pid}/schedstat")
        self._before = self._nanoseconds()

    def _nanoseconds(self) -> int:
        return int(self._file.read_text().split()[0])

    def microseconds(self, queries: int) -> float:
        """Give the time for each of so many queries."""
        return (self._nanoseconds() - self._before) / queries / 1000


def pin(pid: int) -> None:
    """Keep a server off the core that the client has."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(pid, {max(cores)})


def compare(
    name: str,
    server: Server,
    rounds: int,
    turns: tuple[list[bytes], list[bytes]],
    bare_code: str,
    **knobs: str,
) -> None:
    """Measure both servers in one run, and print a row."""
    bare = subprocess.Popen(
        [sys.executable, "-c", bare_code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert bare.stdin is not None and bare.stdout is not None  # they are pipes
    bare.stdin.write(repr(turns) + "\n")
    bare.stdin.flush()
    port = bare.stdout.readline().strip()
    pin(bare.pid)
    try:
        ways = [server.sinful, f"<127.0.0.1:{port}>"]
        spent = [Spent(server.pid), Spent(bare.pid)]
        ours, theirs = client(ways, [server.pid, bare.pid], rounds, **knobs)
        ours_cpu, theirs_cpu = (each.microseconds(BLOCK * rounds + WARMING) for each in spent)
    finally:
        bare.kill()
        bare.wait()
    pairs = list(zip(ours, theirs, strict=True))
    best, bare_best = undisturbed(ours), undisturbed(theirs)
    calm = [(one, other) for one, other in pairs if one.calm(best) and other.calm(bare_best)]
    rates = [(one.rate, other.rate) for one, other in (calm if len(calm) >= LEAST else pairs)]
    rate, bare_rate = (statistics.median(column) for column in zip(*rates, strict=True))
    print(
        f"| {name} | {rate:.0f} | {bare_rate:.0f} "
        f"| {statistics.median(one / other for one, other in rates):.2f} "
        f"| {len(calm)} of {len(pairs)} | {best * 1e6:.0f} | {bare_best * 1e6:.0f} "
        f"| {bare_best / best:.2f} | {ours_cpu:.0f} | {theirs_cpu:.0f} |",
        flush=True,
    )
    if len(calm) < LEAST or bare_best > BUSY:
        print(f"{name}: hardly anything was calm; these ratios are the scheduler's", flush=True)


def main() -> None:
    """Start co2-snaked with the seed's files, and measure."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
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
            server = Server(sinful, (host, int(port)), snaked.pid)
            pin(snaked.pid)
            print(
                "| way | queries/s | bare | ratio | calm pairs | undisturbed, µs | bare | ratio "
                "| CPU, µs | bare |\n"
                "|---|---|---|---|---|---|---|---|---|---|"
            )
            raw, sealed = {"SEC_CLIENT_NEGOTIATION": "NEVER"}, {"SEC_CLIENT_ENCRYPTION": "REQUIRED"}
            compare("raw", server, rounds, recorded(server.address, **raw), BARE, **raw)
            turns = recorded(server.address)
            compare("resumed session", server, rounds, turns, BARE)
            compare("encrypted, resumed", server, rounds, turns, BARE_SEALED, **sealed)
        finally:
            snaked.terminate()
            snaked.wait()


if __name__ == "__main__":
    main()
