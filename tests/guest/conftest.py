"""Real parts for tests: Debian's xenstored without a hypervisor, qemu-ga, and our daemon."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.processes import Watched

from guest.qemu import BLOCKED, CONFIG
from guest.running import Agents
from guest.xen import Store, XenParts


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    """Start co2-guest with config files, below a root of the test's own."""
    with Agents(tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def xen_parts(request: pytest.FixtureRequest) -> XenParts:
    """Give Debian's xenstored and its tools, or skip with the reason."""
    return XenParts.found(Path(request.config.cache.mkdir("guest-xen")))


@pytest.fixture
def store(xen_parts: XenParts, tmp_path: Path) -> Iterator[Store]:
    """A running xenstored of the test's own."""
    with Store(xen_parts, tmp_path / "xenstored") as running:
        yield running


@pytest.fixture
def qemu_ga() -> str:
    """Give qemu-ga's path, or skip."""
    found = shutil.which("qemu-ga") or shutil.which("/usr/sbin/qemu-ga")
    if not found:
        pytest.skip("qemu-ga is not installed: apt-get install qemu-guest-agent")
    return found


@pytest.fixture
def ours(agents: Agents) -> str:
    """Give the socket of our daemon, which may start programs but writes below a folder only."""
    path = str(agents.folder / "ours")
    config = CONFIG.format(path=path, folder=str(agents.folder), block=BLOCKED)
    agents.start(config, root=False)
    return path


@pytest.fixture
def theirs(qemu_ga: str, tmp_path: Path) -> Iterator[str]:
    """Give the socket of Debian's qemu-ga, with all blocked that would act on this machine."""
    path, state = str(tmp_path / "theirs"), tmp_path / "state"
    state.mkdir()
    command = [qemu_ga, "-m", "unix-listen", "-p", path, "-t", str(state)]
    with Watched([*command, "-f", str(state / "pid"), "-b", BLOCKED], tmp_path):
        yield path


@pytest.fixture
def full_queue(tmp_path: Path) -> Iterator[socket.socket]:
    """A listening socket whose queue has one place, which is taken."""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as first:
        server.bind(str(tmp_path / "full"))
        server.listen(0)
        first.connect(server.getsockname())
        yield server
