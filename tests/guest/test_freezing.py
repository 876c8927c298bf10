"""File systems frozen and thawed: nothing stays frozen for good, whoever dies."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from e2e.processes import Watched

from guest.qemu import Talk
from guest.running import Agents
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.machine import Machine
from plugin.guest.qga.freezing import FIFREEZE, FITHAW, FreezeCalls
from plugin.guest.qga.parser import QemuParser
from plugin.guest.qga.schema import CallFailed

MOUNTS = """\
20 1 252:0 / / rw - ext4 /dev/vda rw
21 20 0:5 / /proc rw - proc proc rw
22 20 252:1 / /srv\\040data rw - xfs /dev/vdb rw
"""


class Kernel:
    """What the kernel does with two file systems, and a clock that the test moves."""

    def __init__(self, refuses: str = "") -> None:
        self.frozen: dict[str, int] = {}
        self.refuses = refuses
        self.due: list[tuple[float, Callable[[], object]]] = []

    def control(self, path: str, request: int, argument: bytes) -> bytes:
        """Freeze or thaw one, as the ioctls do."""
        if request == FIFREEZE:
            if path == self.refuses:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self.frozen[path] = self.frozen.get(path, 0) + 1
        elif request == FITHAW:
            if not self.frozen.get(path):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            self.frozen[path] -= 1
        return b""

    def alarm(self, seconds: float, function: Callable[[], object]) -> Callable[[], object]:
        """Remember what is due."""
        entry = (seconds, function)
        self.due.append(entry)
        return lambda: self.due.remove(entry) if entry in self.due else None

    @property
    def count(self) -> int:
        """How many are frozen."""
        return sum(map(bool, self.frozen.values()))


class Told(Machine):
    """A machine that may run programs, with mounts of the test's own."""

    programs = True

    def read_text(self, path: str) -> str | None:
        """Give the mounts."""
        return MOUNTS if path == "/proc/self/mountinfo" else super().read_text(path)


def calls(kernel: Kernel, machine: Machine | None = None, thaw_after: float = 60.0) -> FreezeCalls:
    """Give the commands on that kernel."""
    return FreezeCalls(machine or Told(), thaw_after, kernel.control, kernel.alarm)


def test_what_is_frozen_is_thawed() -> None:
    """Both, however often they were frozen; nothing is due then any more."""
    kernel = Kernel()
    kernel.frozen["/srv data"] = 2  # by somebody else
    one = calls(kernel)
    assert (one.status(), one.freeze(), one.status()) == ("thawed", 2, "frozen")
    assert (one.thaw(), one.status(), kernel.count, kernel.due) == (2, "thawed", 0, [])
    assert one.thaw() == 0


def test_a_client_that_dies_leaves_nothing_frozen() -> None:
    """After a while it is thawed without a client; one that comes back then is told of none."""
    kernel = Kernel()
    one = calls(kernel)
    one.freeze()
    ((seconds, overdue),) = kernel.due
    overdue()
    assert (seconds, kernel.count, one.status(), one.thaw()) == (60.0, 0, "thawed", 0)
    overdue()  # too late, as it may be in a thread


def test_never_is_a_choice() -> None:
    """With 0 nothing is due."""
    kernel = Kernel()
    calls(kernel, thaw_after=0).freeze()
    assert (kernel.due, kernel.count) == ([], 2)


def test_an_agent_that_was_killed_is_followed_by_one_that_thaws() -> None:
    """The new one does not know that they are frozen, and thaws them all the same."""
    kernel = Kernel()
    calls(kernel).freeze()
    assert (calls(kernel).thaw(), kernel.count) == (2, 0)


def test_one_that_cannot_be_frozen_leaves_none_frozen() -> None:
    """The error says which, and writing goes on."""
    kernel, machine = Kernel(refuses="/"), Told()
    with pytest.raises(CallFailed, match="failed to freeze /: Input/output error"):
        calls(kernel, machine).freeze()
    assert (kernel.count, machine.frozen, kernel.due) == (0, False, [])


def test_a_list_of_places() -> None:
    """Only those; where none of them is mounted nothing is frozen."""
    kernel, machine = Kernel(), Told()
    one = calls(kernel, machine)
    assert (one.freeze_list(["/nowhere"]), machine.frozen, kernel.due) == (0, False, [])
    assert (one.freeze_list(["/srv data"]), kernel.frozen) == (1, {"/srv data": 1})


def test_other_commands_wait_for_the_thaw() -> None:
    """They are disabled, as they might write; a stop thaws."""
    machine = Told()
    parser = QemuParser(Surroundings(machine))
    machine.frozen = True

    def asked(name: str) -> Any:
        return json.loads(parser.answer({"execute": name}))

    assert asked("guest-get-time")["error"]["desc"] == "Command guest-get-time has been disabled"
    assert asked("guest-fsfreeze-status") == {"return": "frozen"}
    assert asked("guest-ping") == {"return": {}}


SERVES = """
import agentlib, plugins, commands.command_list, commands
agentlib.register(plugins.UnixSocket({qemu!r}), plugins.QemuParser(thaw_after={thaw_after}))
agentlib.register(plugins.UnixSocket({nova!r}), plugins.JsonParser(commands.init()))
"""


def started(agents: Agents, thaw_after: float) -> tuple[Watched, str, str]:
    """Start an agent, in a dry run with two mounts; give it and its sockets."""
    (agents.root / "proc" / "self").mkdir(parents=True)
    (agents.root / "proc" / "self" / "mountinfo").write_text(MOUNTS)
    qemu, nova = (str(agents.folder / name) for name in ("qemu", "nova"))
    config = SERVES.format(qemu=qemu, nova=nova, thaw_after=thaw_after)
    return agents.start(config), qemu, nova


@pytest.mark.process
def test_nothing_is_logged_while_frozen(agents: Agents) -> None:
    """A log line would wait for the thaw, and the thaw for who writes it."""
    agent, qemu_path, nova_path = started(agents, 0)
    with Talk(qemu_path) as qemu, Talk(nova_path) as nova:
        assert qemu.ask(b'{"execute": "guest-fsfreeze-freeze"}\n') == b'{"return": 2}\n'
        assert json.loads(nova.line(b'{"name": "version"}\n'))["returncode"] == "0"
        assert qemu.ask(b'{"execute": "guest-fsfreeze-thaw"}\n') == b'{"return": 2}\n'
        nova.line(b'{"name": "features"}\n')
        agent.wait_for("command features")
        assert "command version" not in agent.log


@pytest.mark.process
def test_the_daemon_thaws_by_itself(agents: Agents) -> None:
    """The client is gone, and the log tells what happened."""
    agent, qemu_path, _ = started(agents, 0.2)
    with Talk(qemu_path) as qemu:
        assert qemu.line(b'{"execute": "guest-fsfreeze-freeze"}\n') == b'{"return": 2}\n'
    agent.wait_for("2 file systems were frozen for too long, and thawed")
