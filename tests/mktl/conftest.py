"""Tests of mktl find each other on UDP ports of this run alone, whoever else runs mKTL here."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest

from plugin.mktl.net import discovery


@pytest.fixture(scope="session", autouse=True)
def discovery_ports() -> Iterator[None]:
    """Two ports that are free on every loopback address, here and in every process of a test."""
    former = discovery.REGISTRY_PORT, discovery.DAEMON_PORT
    found = filter(_free, random.sample(range(20100, 30000), 1000))  # which no system gives away
    discovery.REGISTRY_PORT, discovery.DAEMON_PORT = next(found), next(found)
    yield
    discovery.REGISTRY_PORT, discovery.DAEMON_PORT = former


def _free(port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
