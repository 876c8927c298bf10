"""Relay or satellite killed and started again: everybody finds back, and nothing is doubled."""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import threading
import xmlrpc.client
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import pytest

from co2.net.state_sqlite import SqliteState
from e2e.network import PLUGINS, Network, Server, call, write_config
from e2e.processes import Watched, eventually, free_port
from e2e.test_e2e_messages import data_of, got, start_foreign

pytestmark = pytest.mark.process

ROUNDS = 30
FORKER = Path(__file__).with_name("forker.py")
PROBE = {"plugin_list": ["probe"], "plugin_dirs": [str(PLUGINS)]}


def at(port: int) -> str:
    return f"tcp:{port}:interface=127.0.0.1"


@pytest.fixture
def relay_settings() -> dict[str, Any]:
    return {"listen": at(free_port()), "lease": 2.0, "ping_interval": 0.5}


def test_relay_killed_and_started(network: Network, relay_settings: dict[str, Any]) -> None:
    """Satellites are back within their backoff without help; so is a foreign one; none twice."""
    relay = network.relay(**relay_settings)
    one = network.satellite("one", relay=relay.url)
    two = network.satellite("two", relay=relay.url)
    with start_foreign(relay, network.folder) as foreign:
        eventually(lambda: list(relay.states().values()), lambda all: all == ["online"] * 3)
        before = {each["nick"]: each["host_id"] for each in relay.call("relay.get_satellites")}
        relay.kill()
        one.probe("send", "while it was away")
        relay = network.again("relay", "relay")
        eventually(lambda: list(relay.states().values()), lambda all: all == ["online"] * 3)
        after = {each["nick"]: each["host_id"] for each in relay.call("relay.get_satellites")}
        assert after == before
        eventually(lambda: data_of(two), lambda data: data == ["while it was away"])
        one.probe("send", "from one again")
        two.probe("send", "from two again")
        got(foreign, "from one again")
        got(foreign, "from two again")
        eventually(lambda: data_of(one), lambda data: data == ["from two again"])
        foreign.write("foreign again")
        eventually(lambda: data_of(one)[-1], lambda data: data == "foreign again")
        wanted = ["while it was away", "from one again", "foreign again"]
        eventually(lambda: data_of(two), lambda data: data == wanted)


def test_relay_that_forgot_all(network: Network, relay_settings: dict[str, Any]) -> None:
    """A relay that comes back with an empty state folder is told again who is there."""
    relay = network.relay(**relay_settings)
    one = network.satellite("one", relay=relay.url)
    two = network.satellite("two", relay=relay.url)
    relay.sees("one", "two")
    relay.kill()
    shutil.rmtree(relay.state)
    relay = network.again("relay", "relay")
    relay.sees("one", "two")
    one.probe("send", "to the new relay")
    assert [m["data"] for m in two.hears(1)] == ["to the new relay"]


def test_satellite_killed_and_started(network: Network, relay_settings: dict[str, Any]) -> None:
    """A satellite keeps its identity, moves to its new port, and is there once."""
    relay = network.relay(**relay_settings)
    ports = free_port(), free_port()
    one = network.satellite("one", relay=relay.url, listen=at(ports[0]))
    two = network.satellite("two", relay=relay.url)
    relay.sees("one", "two")
    was = one.host_id
    one.kill()
    write_config(one.folder, **{**PROBE, "relay": relay.url, "nick": "one", "listen": at(ports[1])})
    one = network.again("satellite", "one")
    addresses = [("one", ports[1], "online"), ("two", two.port, "online")]
    eventually(lambda: _addresses(relay), lambda seen: seen == addresses)
    assert one.host_id.partition("@")[0] == was.partition("@")[0]
    two.probe("send", "to the new one")
    assert [m["data"] for m in one.hears(1)] == ["to the new one"]


def _addresses(relay: Server) -> list[tuple[str, int, str]]:
    records = relay.call("relay.get_satellites")
    return sorted((one["nick"], one["addr"][1], one["state"]) for one in records)


def test_dead_satellite_delays_nobody(network: Network, relay_settings: dict[str, Any]) -> None:
    """While one is gone and another stands still, the rest get everything."""
    relay = network.relay(**relay_settings)
    one = network.satellite("one", relay=relay.url)
    two = network.satellite("two", relay=relay.url)
    dead = network.satellite("dead", relay=relay.url)
    relay.sees("one", "two", "dead")
    dead.kill()
    one.probe("send", "on it goes", False, 100)
    assert [m["data"] for m in two.hears(100)] == ["on it goes"] * 100
    # All at once: on a busy machine a lease of two seconds can end for a moment.
    states = {"one": "online", "two": "online", "dead": "away"}
    eventually(relay.states, lambda seen: seen == states)


# -- the roster's file -------------------------------------------------------------------------


@pytest.fixture
def forker(tmp_path: Path) -> Iterator[Watched]:
    with Watched([sys.executable, FORKER], tmp_path, takes_input=True) as forker:
        forker.wait_for("ready")
        yield forker


def test_roster_survives_kills(forker: Watched, tmp_path: Path) -> None:
    """Killed while registrations are under way, again and again: every answered one is there."""
    randomness = random.Random(2003)
    answered: dict[str, str] = {}
    unanswered: set[str] = set()
    for _ in range(ROUNDS):
        relay_url, pid = _fork_relay(forker, tmp_path)
        crowd = Crowd(relay_url, answered, unanswered, randomness)
        crowd.wait_until_answered(randomness.randint(1, 40))
        _kill(forker, pid)
        crowd.end()
        there = _read_roster(tmp_path / "state" / "co2.sqlite")
        differing = {random for random, nick in answered.items() if there.get(random) != nick}
        assert differing <= unanswered
        assert set(answered) <= set(there) <= set(answered) | unanswered
    assert len(answered) > ROUNDS
    assert unanswered, "no kill came while a registration was under way"


class Crowd:
    """Programs that register one host after the other, until the relay is gone.

    `answered` grows by the random part and the nick of every registration that was answered,
    `unanswered` by the random parts of those that may or may not have been taken.
    """

    def __init__(
        self,
        url: str,
        answered: dict[str, str],
        unanswered: set[str],
        randomness: random.Random,
    ) -> None:
        self._answered = answered
        self._unanswered = unanswered
        self._count = 0
        self._changed = threading.Condition()
        again = randomness.sample(sorted(answered), min(20, len(answered)))
        self._threads = [
            threading.Thread(target=self._register, args=(url, number, again[number::3]))
            for number in range(3)
        ]
        for thread in self._threads:
            thread.start()

    def wait_until_answered(self, number: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._count >= number, 20)

    def end(self) -> None:
        for thread in self._threads:
            thread.join(20)

    def _register(self, url: str, number: int, again: list[str]) -> None:
        for count in range(100_000):
            # Every third one is there already, and comes back with another nick.
            old = count % 3 == 2 and again
            name = again.pop() if old else f"{id(self):x}-{number}-{count}"
            nick = f"{name} the {id(self):x}"
            self._unanswered.add(name)
            try:
                call(url, "relay.register", _request(name, nick, 1 + (number + 3 * count) % 60000))
            except (OSError, HTTPException, ExpatError, xmlrpc.client.ProtocolError, EOFError):
                return
            with self._changed:
                self._answered[name] = nick
                self._unanswered.discard(name)
                self._count += 1
                self._changed.notify_all()


def _request(name: str, nick: str, port: int) -> dict[str, Any]:
    return {
        "port": port,
        "random": name,
        "secret": f"the secret of {name}",
        "nick": nick,
        "callback": False,
        "properties": {"padding": "x" * 500},
    }


def _fork_relay(forker: Watched, folder: Path) -> tuple[str, int]:
    mark = forker.length
    forker.write(str(folder / "state"))
    pid = int(forker.wait_for(r"forked (\d+)", mark)[1])
    return forker.wait_for(r"listens at (http://\S+)", mark)[1], pid


def _kill(forker: Watched, pid: int) -> None:
    mark = forker.length
    forker.write(f"kill {pid}")
    forker.wait_for(f"killed {pid}", mark)


def _read_roster(file: Path) -> dict[str, str]:
    """Open the file as it was left, check it, and give nicks by random part."""
    database = sqlite3.connect(file)
    try:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        database.close()
    state = SqliteState(file)
    try:
        entries = state.load()
    finally:
        state.close()
    for entry in entries:
        assert entry.properties == {"padding": "x" * 500}
        assert entry.proof is not None and len(entry.proof) == 32
        assert entry.nick.startswith(f"{entry.random} the ")
    return {entry.random: entry.nick for entry in entries}
