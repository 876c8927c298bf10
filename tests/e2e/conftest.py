"""Networks for one test, and for the tests of one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.intruding import Pair
from e2e.network import Network


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as network:
        yield network


@pytest.fixture(scope="module")
def shared_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with Network(tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest.fixture(scope="module")
def pair(shared_network: Network) -> Pair:
    relay = shared_network.relay()
    one = shared_network.satellite("one", relay=relay.url)
    middle = shared_network.satellite("middle", plugin_list=["probe", "example"])
    relay.sees("one")
    middle.sees("middle")
    return Pair(relay, one, middle)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Give what prints figures, also when the test passes."""

    def print_it(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}")  # noqa: T201

    return print_it
