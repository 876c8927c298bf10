"""A character device: here a pseudo terminal, whose other end comes and goes as a host does."""

from __future__ import annotations

import json
import os
import select
import time
import tty
from pathlib import Path

import pytest

from guest.running import Agents

pytestmark = pytest.mark.process


def ask(number: int, line: bytes) -> dict[str, object]:
    """Write a line to the device's other end, and read one."""
    os.write(number, line)
    got, deadline = b"", time.monotonic() + 20
    while not got.endswith(b"\n"):
        assert time.monotonic() < deadline, got
        if select.select([number], [], [], 1)[0]:
            got += os.read(number, 4096)
    answer: dict[str, object] = json.loads(got)
    return answer


def test_a_device_that_comes_later_and_goes_and_comes(agents: Agents, tmp_path: Path) -> None:
    """The agent waits for the device, answers, and is there for the next host too."""
    path = tmp_path / "port"
    agents.start(
        "import agentlib, plugins\n"
        f"agentlib.register(plugins.CharDevice({str(path)!r}), plugins.QemuParser())\n"
    )
    for _ in range(2):
        host, guest = os.openpty()
        tty.setraw(guest)
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(guest))
        sync = b'{"execute": "guest-sync", "arguments": {"id": 5}}\n'
        assert ask(host, sync) == {"return": 5}
        os.close(guest)
        os.close(host)
