"""Nobody on this machine gets `admin` without the token, and nobody sends as another."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.intruding import DENIED, SECRET, Pair, intrude
from e2e.network import Network, Server, call

pytestmark = pytest.mark.process


@pytest.mark.parametrize("which", ["relay", "one", "middle"])
def test_loopback_is_no_administrator(pair: Pair, tmp_path: Path, which: str) -> None:
    """From loopback no call, meta-call, multicall, relayed call or header reaches admin."""
    server: Server = getattr(pair, which)
    outcome = intrude(server.url, "middle" if which == "middle" else "one", tmp_path)
    assert outcome["open"].startswith("RESULT")
    assert outcome["read"].startswith("RESULT")
    if which != "relay":
        assert outcome["call"].startswith("RESULT")
        assert outcome["no header, call"].startswith(f"{DENIED} ")
        assert outcome["foreign origin, call"].startswith(f"{DENIED} ")


def test_token_makes_an_administrator(pair: Pair) -> None:
    """With the token in state_dir, which only its owner can read, the same call works."""
    assert (pair.one.state / "admin.token").stat().st_mode & 0o777 == 0o600
    assert pair.one.state.stat().st_mode & 0o777 == 0o700
    assert pair.one.call(SECRET, **pair.one.as_admin) == "the administrator's"
    url = pair.one.url.replace("http://", f"http://admin:{pair.one.token}@")
    assert call(url, SECRET) == "the administrator's"
    assert pair.one.refused(SECRET, **pair.middle.as_admin).faultCode == DENIED


def test_relay_lends_no_rights(pair: Pair, network: Network) -> None:
    """The relay's administrator is one at a satellite only where that one says so."""
    request = {"nick": "one", "method": SECRET}
    fault = pair.relay.refused("relay.call", request, **pair.relay.as_admin)
    assert fault.faultCode == DENIED
    assert "trust_relay_admin" in fault.faultString
    network.satellite("trusting", relay=pair.relay.url, trust_relay_admin=True)
    pair.relay.sees("one", "trusting")
    request = {"nick": "trusting", "method": SECRET}
    assert pair.relay.call("relay.call", request, **pair.relay.as_admin) == "the administrator's"
    assert pair.relay.refused("relay.call", request).faultCode == DENIED
    request = {"nick": "middle", "method": SECRET}
    answer = pair.middle.call("relay.call", request, **pair.middle.as_admin)
    assert answer == "the administrator's"


def test_denial_quotes_the_rule(pair: Pair) -> None:
    """Who is refused learns which level is needed, which they have, and why; no secret."""
    fault = pair.one.refused(SECRET, Authorization="Bearer a-guess")
    assert "admin" in fault.faultString
    assert "credential shown is not valid" in fault.faultString
    assert "a-guess" not in fault.faultString + pair.one.log
    assert pair.one.token not in fault.faultString + pair.one.log


def test_notify_is_for_the_relay(pair: Pair) -> None:
    """Nobody but the relay hands messages to a satellite's plugins."""
    for more in ({}, {"token": "guess"}, {"token": ""}, {"secret": "guess"}):
        message = {"host_id": pair.one.host_id, "data": "smuggled", **more}
        assert pair.one.refused("notify", message).faultCode == 1002
    assert pair.one.probe("messages") == []


def test_sender_is_who_it_says(pair: Pair) -> None:
    """A message under another's host_id needs that host's token, and its address."""
    other = pair.one.host_id
    for host_id in (other, other.replace("127.0.0.1", "10.0.0.1"), "nobody@127.0.0.1:1"):
        message = {"host_id": host_id, "data": "spoofed", "token": "guess"}
        assert pair.relay.refused("relay.relay", message).faultCode in (1001, 1002)
