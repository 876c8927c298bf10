"""Hosts that nobody can connect to: co2 satellites, and the loop of docs/poll.md as it is there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault

import pytest

from e2e.network import Network, Server
from e2e.processes import Watched, eventually, free_port

pytestmark = pytest.mark.process

PAGE = Path(__file__).parent.parent.parent / "docs" / "poll.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _fixed_relay(network: Network) -> Server:
    return network.relay(listen=f"tcp:{free_port()}:interface=127.0.0.1")


def _becomes(relay: Server, nick: str, state: str) -> None:
    eventually(lambda: relay.states().get(nick), lambda seen: seen == state)


def _receipt(relay: Server, id: str) -> dict[str, dict[str, Any]]:
    receipts = relay.call("relay.receipt", {"id": id}, **relay.as_admin)
    return {one["nick"]: one for one in receipts}


def _call(relay: Server, nick: str, method: str, *params: Any) -> Any:
    return relay.call("relay.call", {"nick": nick, "method": method, "params": list(params)})


def _answered(relay: Server, nick: str, method: str, *params: Any) -> Any:
    """Call until there is an answer: with a short lease a host may be away for a moment."""

    def ask() -> list[Any] | Fault:
        try:
            return [_call(relay, nick, method, *params)]
        except Fault as fault:
            return fault

    (answer,) = eventually(ask, lambda seen: isinstance(seen, list))
    return answer


def test_satellite_behind_nat(network: Network) -> None:
    """A satellite with only `relay` set sends, gets messages, and answers calls by polling."""
    relay = network.relay()
    one = network.satellite("one", relay=relay.url)
    network.satellite("hidden", relay=relay.url, listen=f"unix:{network.folder}/hidden.sock")
    _becomes(relay, "hidden", "poll")
    one.probe("send", "to nobody's port", False, 100)
    heard = _call(relay, "hidden", "probe.probe.wait", 100)
    assert [message["data"] for message in heard] == ["to nobody's port"] * 100
    assert _call(relay, "hidden", "probe.probe.touch") == 1
    eventually(lambda: _receipt(relay, heard[-1]["id"])["hidden"]["state"], "delivered".__eq__)
    assert _call(relay, "hidden", "probe.probe.send", "from inside") is True
    assert [message["data"] for message in one.hears(1)] == ["from inside"]


def test_satellite_behind_nat_and_relay_killed(network: Network) -> None:
    """The relay is killed and started again: who polls goes on by itself, and nothing repeats."""
    relay = _fixed_relay(network)
    one = network.satellite("one", relay=relay.url)
    network.satellite("hidden", relay=relay.url, listen=f"unix:{network.folder}/hidden.sock")
    _becomes(relay, "hidden", "poll")
    one.probe("send_and_wait", "before")
    _call(relay, "hidden", "probe.probe.wait", 1)
    relay.kill()
    relay = network.again("relay", "relay")
    one.probe("send_and_wait", "after")
    _becomes(relay, "hidden", "poll")
    heard = _call(relay, "hidden", "probe.probe.wait", 2)
    assert [message["data"] for message in heard] == ["before", "after"]


@pytest.fixture
def poller_file(tmp_path: Path) -> Path:
    """Give the program of the page, as it is there."""
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks[0].splitlines()) <= 26, "the page says 25 lines"
    file = tmp_path / "poller.py"
    file.write_text("\n\n".join(blocks))
    return file


@pytest.fixture
def relay(network: Network) -> Server:
    return _fixed_relay(network)


@pytest.fixture
def poller(poller_file: Path, relay: Server) -> Iterator[Watched]:
    with Watched([sys.executable, poller_file, relay.url], poller_file.parent) as poller:
        _becomes(relay, "poller", "poll")
        yield poller


def test_loop_of_the_page(network: Network, relay: Server, poller: Watched) -> None:
    """25 lines of standard library get messages in order, say so, and answer calls."""
    one = network.satellite("one", relay=relay.url)
    for number in range(50):
        one.probe("send", ["message", number])
    sent = one.probe("send_and_wait", "the last")
    poller.wait_for('"the last"')
    assert poller.log.splitlines() == [
        *(f'["message", {number}]' for number in range(50)),
        '"the last"',
    ]
    assert _call(relay, "poller", "add", 2, 3) == 5
    eventually(lambda: _receipt(relay, sent["id"])["poller"]["state"], "delivered".__eq__)
    with pytest.raises(Exception, match="KeyError"):
        _call(relay, "poller", "subtract", 2, 3)


def test_loop_of_the_page_outlives_its_relay(
    network: Network, relay: Server, poller: Watched
) -> None:
    """The relay is killed and started again, and the loop goes on without being told."""
    one = network.satellite("one", relay=relay.url)
    one.probe("send_and_wait", "before")
    poller.wait_for('"before"')
    relay.kill()
    relay = network.again("relay", "relay")
    one.probe("send_and_wait", "after")
    poller.wait_for('"after"')


def test_loop_of_the_page_comes_back(
    network: Network, relay: Server, poller_file: Path, poller: Watched
) -> None:
    """A poller that ends and comes back is the same host, and gets what came meanwhile."""
    one = network.satellite("one", relay=relay.url)
    poller.kill()
    one.probe("send_and_wait", "meanwhile")
    with Watched([sys.executable, poller_file, relay.url], poller_file.parent) as again:
        again.wait_for('"meanwhile"')
    assert sorted(relay.states()) == ["one", "poller"]


def test_several_satellites_behind_one_nat(network: Network) -> None:
    """To the relay they listen at one and the same address: each gets all, and stays itself."""
    relay = network.relay(lease=1.0)
    names = ["inner one", "inner two"]
    for number, name in enumerate(names):
        socket = f"unix:{network.folder}/hidden{number}.sock"
        network.satellite(name, relay=relay.url, listen=socket)
    outer = network.satellite("outer", relay=relay.url)
    for name in names:
        _becomes(relay, name, "poll")
    for number in range(20):
        outer.probe("send_and_wait", number)
    for name in names:
        heard = _answered(relay, name, "probe.probe.wait", 20)
        assert [message["data"] for message in heard] == list(range(20))
    assert _answered(relay, names[0], "probe.probe.send", "from one to the other") is True
    heard = _answered(relay, names[1], "probe.probe.wait", 21)
    assert heard[-1]["data"] == "from one to the other"
    assert sorted(relay.states()) == sorted([*names, "outer"])
