"""The intruder, who tries everything, and the servers that it tries it at."""

from __future__ import annotations

import http.client
import sys
from pathlib import Path
from typing import NamedTuple

from e2e.network import Server
from e2e.processes import run

INTRUDER = Path(__file__).with_name("intruder.py")
SECRET = "probe.probe.secret"
DENIED = 1000


class Pair(NamedTuple):
    """A relay and its satellite, and a satellite that is its own relay."""

    relay: Server
    one: Server
    middle: Server


def intrude(url: str, nick: str, folder: Path, *through: str) -> dict[str, str]:
    """Run the intruder, and give what came of each try; none may have had a result."""
    code, said = run([*through, sys.executable, "-I", INTRUDER, url, nick, SECRET], folder)
    assert code == 0, said
    tries = dict(line.split(" -> ", 1) for line in said.splitlines() if " -> " in line)
    levels = {name: tries.pop(f"level {name}") for name in ("open", "read", "call")}
    assert len(tries) >= 16 * 16
    assert "the administrator's" not in said
    results = {name: outcome for name, outcome in tries.items() if outcome.startswith("RESULT")}
    assert not results
    return {**tries, **levels}


def post(server: Server, body: str, headers: dict[str, str], method: str = "POST") -> str:
    """Send a request as it stands, and give status line, headers and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.putrequest(method, "/RPC2", skip_host=True, skip_accept_encoding=True)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body.encode())
        answer = connection.getresponse()
        return f"HTTP {answer.status} \n{answer.headers}{answer.read().decode()}"
    finally:
        connection.close()
