"""The async face: Deferreds and coroutines in a reactor, asyncio's among them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.processes import PATIENCE

from mktl.processes import ROOT, Markd
from mktl.samples import UNIT
from plugin.mktl.net import discovery

pytestmark = pytest.mark.process

TWISTED = """
import sys
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from plugin import mktl
from plugin.mktl.net import discovery
discovery.REGISTRY_PORT, discovery.DAEMON_PORT = map(int, sys.argv[1:3])

async def main(reactor):
    mktl.use(reactor)
    item = await mktl.get_later("unitasync.number")
    assert await mktl.get_later("unitasync.number") is item
    news = []
    def heard(item, value, time):
        news.append(value)
    item.register(heard, prime=True)
    value = 0
    while value not in news:  # nobody says when a subscription has arrived
        value -= 1
        await item.set_later(value)
        await deferLater(reactor, 0.001)
    for value in (1, 2, 3):
        await item.set_later(value)
    print(await item.get_later(), await item.get_later(refresh=True))
    try:
        await (await mktl.get_later("unitasync", "limited")).set_later(99)
    except RuntimeError as error:
        print(error)
    try:
        item.get(refresh=True)
    except RuntimeError as error:
        print(error)
    while news[-1:] != [3]:
        await deferLater(reactor, 0.001)
    print(news[-3:])

react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
"""

ASYNCIO = """
import asyncio, sys
from twisted.internet import asyncioreactor
loop = asyncio.new_event_loop()
asyncioreactor.install(loop)
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from plugin import mktl
from plugin.mktl.net import discovery
discovery.REGISTRY_PORT, discovery.DAEMON_PORT = map(int, sys.argv[1:3])

async def main():
    item = await mktl.get_later("unitasync.string").asFuture(loop)
    await asyncio.gather(*(item.set_later(word).asFuture(loop) for word in "abc"))
    print(await item.get_later(refresh=True).asFuture(loop))
    try:
        await item.set_later([1]).asFuture(loop)
    except RuntimeError as error:
        print(error)

def begin(reactor):
    mktl.use(reactor)
    return Deferred.fromFuture(loop.create_task(main()))

react(begin)
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Markd]:
    with Markd(tmp_path_factory.mktemp("async"), "unitasync", UNIT) as running:
        yield running


def run(program: str, folder: Path) -> list[str]:
    """Run a program on this run's discovery ports; its words, line by line."""
    ports = (discovery.REGISTRY_PORT, discovery.DAEMON_PORT)
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, ports)],
        check=False,
        env={"PYTHONPATH": str(ROOT), "MKTL_HOME": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_coroutines_of_twisted(daemon: Markd, tmp_path: Path) -> None:
    """Find, set, get, refusal and callbacks by awaiting; what would block says what to use."""
    values, refusal, would_block, news = run(TWISTED, tmp_path)
    assert values == "3 3"
    assert "OutOfRange" in refusal
    assert "_later" in would_block
    assert news == "[1, 2, 3]"


def test_coroutines_of_asyncio(daemon: Markd, tmp_path: Path) -> None:
    """In asyncio's own loop, by `asFuture`; SETs of one item are done in order."""
    assert run(ASYNCIO, tmp_path) == [
        "c",
        "SET of unitasync.string failed: TypeError: string is text, not [1]",
    ]
