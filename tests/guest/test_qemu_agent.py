"""Real clients and the real qemu-ga: the same bytes in, the same bytes out."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from e2e.processes import eventually

from guest.qemu import CONFIG, Talk, masked
from guest.running import Agents
from guest.scripts import FILES, MALFORMED, QUESTIONS

pytestmark = pytest.mark.process


@pytest.mark.parametrize("script", [MALFORMED, QUESTIONS, FILES], ids=("bad", "questions", "files"))
def test_the_same_script_against_both(
    script: tuple[bytes, ...], ours: str, theirs: str, tmp_path: Path
) -> None:
    """Byte for byte the same answers, but for what docs/guest.md lists."""
    with Talk(ours) as here, Talk(theirs) as there:
        for line in script:
            for_us = line.replace(b"@FOLDER@", str(tmp_path / "a").encode())
            for_them = line.replace(b"@FOLDER@", str(tmp_path / "b").encode())
            (tmp_path / "a").mkdir(exist_ok=True)
            (tmp_path / "b").mkdir(exist_ok=True)
            answers = masked(here.ask(for_us)), masked(there.ask(for_them))
            folders = str(tmp_path / "a").encode(), str(tmp_path / "b").encode()
            assert answers[0].replace(folders[0], b"F") == answers[1].replace(folders[1], b"F"), (
                line
            )


def test_facts_of_this_machine_are_those_of_qemu_ga(ours: str, theirs: str) -> None:
    """What is a set is equal as one; counts that move are left out."""
    for name in (
        "guest-get-vcpus",
        "guest-get-memory-blocks",
        "guest-network-get-interfaces",
        "guest-get-fsinfo",
        "guest-get-disks",
        "guest-get-diskstats",
        "guest-get-cpustats",
    ):
        # The machine may change between the two answers: a mount or an interface that goes.
        eventually(
            lambda name=name: [facts(path, name) for path in (ours, theirs)],
            lambda told: told[0] == told[1],
        )


def facts(path: str, name: str) -> list[Any]:
    """Ask an agent for what is a set."""
    with Talk(path) as talk:
        answer = talk.ask(json.dumps({"execute": name}).encode() + b"\n")
    return sorted(map(still, json.loads(answer.partition(b"\n")[0])["return"]), key=repr)


def test_the_commands_are_those_of_qemu_ga(ours: str, theirs: str) -> None:
    """guest-info lists the same commands in the same state, and those of later versions."""
    told = []
    for path in (ours, theirs):
        with Talk(path) as talk:
            answer = json.loads(talk.ask(b'{"execute": "guest-info"}\n').partition(b"\n")[0])
            told.append({one["name"]: one for one in answer["return"]["supported_commands"]})
    more = {name: told[0].pop(name) for name in set(told[0]) - set(told[1])}
    assert told[0] == told[1]
    assert set(more) <= {"guest-get-load", "guest-network-get-route"}


def still(value: Any) -> Any:
    """Leave out the counts that move: every number below them becomes its name only."""
    if isinstance(value, dict):
        return {
            key: "moves"
            if key in ("statistics", "stats", "used-bytes") or _jiffies(key)
            else still(one)
            for key, one in sorted(value.items())
        }
    return [still(one) for one in value] if isinstance(value, list) else value


def _jiffies(key: str) -> bool:
    return key in (
        *("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"),
        *("guest", "guestnice"),
    )


def test_qemus_own_client(ours: str) -> None:
    """qemu.qmp of the QEMU project: a hundred calls at once, an error, a program's output."""
    protocol = pytest.importorskip("qemu.qmp", reason="pip install qemu.qmp")

    async def talk() -> None:
        client = protocol.QMPClient("test")
        client.await_greeting = False
        client.negotiate = False
        await client.connect(ours)
        try:
            calls = [client.execute("guest-sync", {"id": number}) for number in range(100)]
            assert await asyncio.gather(*calls) == list(range(100))
            with pytest.raises(protocol.ExecuteError):
                await client.execute("guest-shutdown")
            words = {"path": "/bin/echo", "arg": ["hi"], "capture-output": True}
            pid = (await client.execute("guest-exec", words))["pid"]
            while not (told := await client.execute("guest-exec-status", {"pid": pid}))["exited"]:
                await asyncio.sleep(0.01)
            assert told["out-data"] == "aGkK"
        finally:
            await client.disconnect()

    asyncio.run(talk())


def test_several_clients_at_once_and_half_requests(ours: str) -> None:
    """qemu-ga serves one; we serve many, and what a dead client left unfinished harms no other."""
    with ExitStack() as held:
        talks = [held.enter_context(Talk(ours)) for _ in range(10)]
        for talk in talks[:5]:
            talk._socket.sendall(b'{"execute": "guest-pi')
        for talk in talks[5:]:
            assert talk.ask(b'{"execute": "guest-ping"}\n') == b'{"return": {}}\n'
    with Talk(ours) as talk:
        assert talk.ask(b'{"execute": "guest-ping"}\n') == b'{"return": {}}\n'


def test_handles_outlive_connections_and_the_agent(agents: Agents, tmp_path: Path) -> None:
    """A handle is good on the next connection; after a restart numbers go on."""
    path = str(tmp_path / "s")
    config = CONFIG.format(path=path, folder=str(tmp_path), block="x")
    opened = json.dumps(
        {"execute": "guest-file-open", "arguments": {"path": "/etc/passwd"}}
    ).encode()
    agent = agents.start(config)
    with Talk(path) as talk:
        assert talk.ask(opened) == b'{"return": 1000}\n'
    with Talk(path) as talk:
        close = b'{"execute": "guest-file-close", "arguments": {"handle": 1000}}\n'
        assert talk.ask(close) == b'{"return": {}}\n'
    agent.stop()
    agents.start(config)
    with Talk(path) as talk:
        assert talk.ask(opened) == b'{"return": 1001}\n'


def test_a_large_write_comes_through(ours: str, tmp_path: Path) -> None:
    """Sixteen megabytes in one request, which come in pieces, take seconds and not minutes."""
    with Talk(ours) as talk:
        path = str(tmp_path / "large")
        arguments: dict[str, Any] = {"path": path, "mode": "w"}
        answer = talk.ask(
            json.dumps({"execute": "guest-file-open", "arguments": arguments}).encode()
        )
        handle = json.loads(answer)["return"]
        arguments = {"handle": handle, "buf-b64": "QUJD" * (4 << 20)}
        begin = time.monotonic()
        talk.ask(json.dumps({"execute": "guest-file-write", "arguments": arguments}).encode())
        assert time.monotonic() - begin < 20
    assert Path(path).stat().st_size == 12 << 20
