"""Two relays swap their addresses, as real processes: nothing that they had accepted is lost."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.network import Network, Server, write_config
from e2e.processes import eventually, free_port

pytestmark = pytest.mark.process

OTHER = {"first": "second", "second": "first"}
TIMING = {"lease": 5.0, "ping_interval": 0.5}


def at(port: int) -> str:
    return f"tcp:{port}:interface=127.0.0.1"


def data_of(server: Server) -> list[Any]:
    return [message["data"] for message in server.probe("messages")]


def _queued(relay: Server, nick: str) -> int:
    (found,) = [one for one in relay.call("relay.get_satellites") if one["nick"] == nick]
    return int(found["queued"])


def test_two_relays_swap_addresses(network: Network) -> None:
    """Satellites register where they look; what waited at either relay arrives, once."""
    ports = {name: free_port() for name in OTHER}
    relays = {name: network.relay(name, listen=at(port), **TIMING) for name, port in ports.items()}
    hosts = {
        f"{name} {number}": network.satellite(
            f"{name} {number}", relay=relay.url, listen=at(free_port())
        )
        for name, relay in relays.items()
        for number in (1, 2)
    }
    for name, relay in relays.items():
        relay.sees(f"{name} 1", f"{name} 2")
    # The numbers of the first relay's journal are far ahead of the other's.
    hosts["first 1"].probe("send", "early", False, 300)
    hosts["first 2"].hears(300)
    # What it had not acknowledged when it is killed would come again, as it should.
    eventually(lambda: _queued(relays["first"], "first 2"), lambda queued: queued == 0)
    ids = {}
    for name in OTHER:
        hosts[f"{name} 2"].kill()
        ids[name] = hosts[f"{name} 1"].probe("send_and_wait", f"kept by the {name}")["id"]
    for name, relay in relays.items():
        relay.kill()
        write_config(network.folder / name, listen=at(ports[OTHER[name]]), **TIMING)
    for name in OTHER:
        relays[name] = network.again("relay", name)
        hosts[f"{name} 2"] = network.again("satellite", f"{name} 2")
    assert {name: relay.port for name, relay in relays.items()} == {
        name: ports[other] for name, other in OTHER.items()
    }
    for name, relay in relays.items():
        assert f"kept by the {name}" in eventually(lambda name=name: data_of(hosts[f"{name} 2"]))
        found = eventually(
            lambda relay=relay, id=ids[name]: relay.call(
                "relay.receipt", {"id": id}, **relay.as_admin
            ),
            lambda found: [one["state"] for one in found] == ["delivered"],
        )
        assert found[0]["nick"] == f"{name} 2"
        relay.sees(*hosts)
    for name in OTHER:
        hosts[f"{name} 1"].probe("send_and_wait", f"{name} to the {OTHER[name]}")
    for name in OTHER:
        wanted = {f"kept by the {name}", f"{name} to the {OTHER[name]}"}
        data = eventually(
            lambda name=name: data_of(hosts[f"{name} 2"]),
            lambda data, wanted=wanted: wanted <= set(data),
        )
        assert len(data) == len(set(data))
