"""Networks of other shapes: peers with no relay, an embedded relay, a satellite alone."""

from __future__ import annotations

import pytest

from e2e.network import Network
from e2e.processes import eventually, free_port

pytestmark = pytest.mark.process

SECRET = "a secret that two hosts share"


def test_peers_without_a_relay(network: Network) -> None:
    """Two satellites that list each other exchange messages, with their host_id and in order."""
    ports = {"one": free_port(), "two": free_port()}
    one = network.satellite(
        "one",
        relay=None,
        listen=f"tcp:{ports['one']}:interface=127.0.0.1",
        peers=[(f"http://127.0.0.1:{ports['two']}/", SECRET)],
    )
    one.probe("send", "before two was there")
    two = network.satellite(
        "two",
        relay=None,
        listen=f"tcp:{ports['two']}:interface=127.0.0.1",
        peers=[(one.url, SECRET)],
    )
    two.probe("send", "from two", False, 3)
    one.probe("send", "from one")
    assert [m["data"] for m in one.hears(3)] == ["from two"] * 3
    heard = two.hears(2)
    assert [m["data"] for m in heard] == ["before two was there", "from one"]
    assert {m["host_id"] for m in heard} == {one.host_id}
    assert "secret" not in str(heard) and "token" not in str(heard)


def test_peers_with_another_secret(network: Network) -> None:
    """A host that shows another secret is refused, and its log says that it was."""
    port = free_port()
    one = network.satellite("one", relay=None, peers=[(f"http://127.0.0.1:{port}/", SECRET)])
    two = network.satellite(
        "two",
        relay=None,
        listen=f"tcp:{port}:interface=127.0.0.1",
        peers=[(one.url, SECRET + " not")],
    )
    one.probe("send", "unwanted")
    refusal = one.wait_for(r"was refused by .*").string
    assert SECRET not in refusal
    assert two.probe("messages") == []


def test_embedded_relay(network: Network) -> None:
    """A satellite with the default relay is one for others, and takes part itself."""
    middle = network.satellite("middle", relay="embedded")
    outer = network.satellite("outer", relay=middle.url)
    middle.sees("middle", "outer")
    outer.probe("send", "inwards")
    assert [m["data"] for m in middle.hears(1)] == ["inwards"]
    middle.probe("send", "outwards")
    assert [m["data"] for m in outer.hears(1)] == ["outwards"]
    assert [m["host_id"] for m in outer.hears(1)] == [middle.host_id]
    assert sorted(middle.call("system.get_properties")["roles"]) == ["relay", "satellite"]


def test_alone(network: Network) -> None:
    """A satellite with neither relay nor peers serves its methods and its own plugins."""
    alone = network.satellite("alone", relay=None)
    alone.probe("send", "to nobody")
    alone.probe("send", "to myself", True)
    assert [m["data"] for m in alone.hears(1)] == ["to myself"]


def test_sending_from_a_thread(network: Network) -> None:
    """`send` may be called in any thread."""
    middle = network.satellite("middle", relay="embedded")
    outer = network.satellite("outer", relay=middle.url)
    middle.sees("middle", "outer")
    outer.probe("send_in_thread", "threaded")
    assert [m["data"] for m in middle.hears(1)] == ["threaded"]


def test_no_relay_yet(network: Network) -> None:
    """What is sent while no relay answers is kept, and delivered when one does."""
    port = free_port()
    one = network.satellite("one", relay=f"http://127.0.0.1:{port}/")
    two = network.satellite("two", relay=f"http://127.0.0.1:{port}/")
    one.wait_for(r"not registered: .*; trying again")
    relay = network.relay(listen=f"tcp:{port}:interface=127.0.0.1")
    relay.sees("one", "two")
    one.probe("send", "kept or not")
    assert [m["data"] for m in two.hears(1)] == ["kept or not"]
    eventually(lambda: relay.call("relay.get_num_satellites"), lambda number: number == 2)
