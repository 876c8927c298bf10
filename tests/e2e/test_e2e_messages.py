"""A relay, two satellites and a foreign one: who gets what, and what it looks like."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from e2e.network import Network, Server
from e2e.processes import Watched, eventually

pytestmark = pytest.mark.process

FOREIGN = Path(__file__).with_name("foreign_satellite.py")
HOST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}@127\.0\.0\.1:[0-9]+\Z")


class Four(NamedTuple):
    """The network of issue 2: a relay, two satellites, and a foreign host."""

    relay: Server
    one: Server
    two: Server
    foreign: Watched


@pytest.fixture(scope="module")
def four(shared_network: Network) -> Iterator[Four]:
    relay = shared_network.relay()
    one = shared_network.satellite("one", relay=relay.url)
    two = shared_network.satellite("two", relay=relay.url)
    with start_foreign(relay, shared_network.folder) as foreign:
        eventually(lambda: list(relay.states().values()), lambda all: all == ["online"] * 3)
        yield Four(relay, one, two, foreign)


def start_foreign(relay: Server, folder: Path) -> Watched:
    foreign = Watched([sys.executable, "-I", FOREIGN, relay.url], folder, takes_input=True)
    foreign.wait_for(r"registered as \S+")
    return foreign


def got(foreign: Watched, text: str) -> dict[str, Any]:
    """Wait for a message with that text in it at the foreign satellite."""
    line: dict[str, Any] = json.loads(foreign.wait_for(re.escape(text)).string)
    return line


def data_of(server: Server) -> list[Any]:
    return [message["data"] for message in server.probe("messages")]


def test_foreign_satellite_is_short() -> None:
    """Forty lines of standard library are a satellite."""
    lines = FOREIGN.read_text().splitlines()
    assert len(lines) <= 40
    imports = [line for line in lines if re.match(r"\s*(import|from)\b", line)]
    assert not any("co2" in line or "twisted" in line for line in imports)


def test_what_one_sends_all_others_get(four: Four) -> None:
    """A message reaches every other host and its plugins, and not the sender's own."""
    sent = ["from one", 1, {"a": [True, 0.5]}]
    four.one.probe("send", sent)
    assert got(four.foreign, "from one")["data"] == sent
    eventually(lambda: sent in data_of(four.two))
    four.one.probe("send", "behind it")
    eventually(lambda: "behind it" in data_of(four.two))
    assert data_of(four.two).count(sent) == 1
    assert sent not in data_of(four.one)


def test_the_dict_is_the_seeds(four: Four) -> None:
    """It arrives with host_id as `<random>@<ip>:<port>`, and client_address as (ip, port)."""
    four.one.probe("send", "the dict")
    eventually(lambda: "the dict" in data_of(four.two))
    message = next(m for m in four.two.probe("messages") if m["data"] == "the dict")
    assert message["host_id"] == four.one.host_id
    assert HOST_ID.match(message["host_id"])
    assert message["host_id"].endswith(f"@{four.one.address}")
    assert message["address_type"] == "tuple"
    ip, port = message["client_address"]
    assert ip == "127.0.0.1"
    assert 0 < port < 65536
    assert "token" not in message and "secret" not in message
    foreign = got(four.foreign, "the dict")
    assert foreign["host_id"] == four.one.host_id
    assert "token" not in foreign and "secret" not in foreign


def test_foreign_host_sends(four: Four) -> None:
    """What 30 lines send without any token, from loopback, reaches every plugin."""
    four.foreign.write("from the foreign host")
    for server in (four.one, four.two):
        eventually(lambda server=server: "from the foreign host" in data_of(server))
        message = next(m for m in server.probe("messages") if m["data"] == "from the foreign host")
        registered = four.foreign.wait_for(r"registered as (\S+)")[1]
        assert message["host_id"] == registered
        assert len(message["id"]) == 26
    four.one.probe("send", "after it")
    got(four.foreign, "after it")
    assert "from the foreign host" not in four.foreign.log


def test_host_id_of_a_plugin_is_overwritten(four: Four) -> None:
    """A plugin that puts another host_id into its message sends under its own all the same."""
    four.one.probe("forge", "666@127.0.0.1:1")
    eventually(lambda: "forged" in data_of(four.two))
    message = next(m for m in four.two.probe("messages") if m["data"] == "forged")
    assert message["host_id"] == four.one.host_id


def test_order_and_number(four: Four) -> None:
    """Two hundred messages come in order, each once, at co2 hosts and at one with one thread."""
    for number in range(200):
        four.two.probe("send", f"number {number}.")
    wanted = [f"number {number}." for number in range(200)]
    numbered = r"number \d+\."
    eventually(lambda: [d for d in data_of(four.one) if re.match(numbered, str(d))] == wanted)
    got(four.foreign, "number 199.")
    assert re.findall(numbered, four.foreign.log) == wanted


def test_large_messages(four: Four) -> None:
    """Megabytes travel too, and what comes behind them keeps its place."""
    large = "x" * 3_000_000
    four.two.probe("send", large, False, 3)
    four.two.probe("send", "behind them")
    eventually(lambda: data_of(four.one)[-1:], lambda data: data == ["behind them"])
    got(four.foreign, "behind them")
    assert data_of(four.one)[-4:] == [large] * 3 + ["behind them"]
    assert four.foreign.log.count(large) == 3


def test_sending_is_answered(four: Four) -> None:
    """`await self.send(…)` tells the relay's number and how many hosts it goes to."""
    answer = four.one.probe("send_and_wait", "answered")
    assert answer["recipients"] == 2
    assert answer["seq"] > 0
    assert len(answer["id"]) == 26


def test_local_reaches_own_plugins_too(four: Four) -> None:
    """With local=True the sender's own plugins get the same dict as everybody else."""
    four.one.probe("send", "for all of us", True)
    eventually(lambda: "for all of us" in data_of(four.two))
    mine = next(m for m in four.one.probe("messages") if m["data"] == "for all of us")
    theirs = next(m for m in four.two.probe("messages") if m["data"] == "for all of us")
    assert mine["host_id"] == theirs["host_id"] == four.one.host_id
    assert mine["id"] == theirs["id"]
    assert mine["address_type"] == "tuple"


def test_call_by_the_relay(four: Four) -> None:
    """relay.call reaches a co2 host and a foreign one, and brings back their faults."""
    call = {"nick": "two", "method": "probe.probe.touched"}
    assert four.relay.call("relay.call", call) == four.two.probe("touched")
    registered = four.foreign.wait_for(r"registered as (\S+)")[1]
    answer = four.relay.call(
        "relay.call", {"host_id": registered, "method": "notify", "params": ["by relay.call"]}
    )
    assert answer is True
    fault = four.relay.refused("relay.call", {"host_id": registered, "method": "nonsense"})
    assert "nonsense" in fault.faultString


def test_records_of_the_relay(four: Four) -> None:
    """relay.get_satellites tells where each is, by the names that the original used."""
    records = {one["nick"]: one for one in four.relay.call("relay.get_satellites")}
    assert four.relay.call("co2.get_num_satellites") == 3
    record = records["one"]
    assert record["addr"] == ["127.0.0.1", four.one.port]
    assert record["host_id"] == four.one.host_id
    named = {"ctime", "ping_current", "ping_count", "ping_min", "ping_max", "ping_avg"}
    assert named | {"ping_fails", "state", "lease", "queued", "delivered_seq"} <= set(record)
