"""Tests of mktl find each other on UDP ports of this run alone, whoever else runs mKTL here."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from plugin.mktl.net import discovery


@pytest.fixture(scope="session", autouse=True)
def discovery_ports() -> Iterator[None]:
    """Two ports that are free on every loopback address, here and in every process of a test."""
    former = discovery.REGISTRY_PORT, discovery.DAEMON_PORT
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
        for probe in (one, two):
            probe.bind(("", 0))
        discovery.REGISTRY_PORT, discovery.DAEMON_PORT = (
            probe.getsockname()[1] for probe in (one, two)
        )
    yield
    discovery.REGISTRY_PORT, discovery.DAEMON_PORT = former
