"""Discovery: who is answered, and from which address."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from e2e.processes import Watched, eventually
from twisted.internet.defer import Deferred

from mktl.loop import Loop
from mktl.processes import ROOT, command
from plugin.mktl.keeping.history import Chronicle, Value
from plugin.mktl.net import discovery

pytestmark = pytest.mark.process


@pytest.mark.parametrize("bound", ["127.0.0.1", "127.9.8.7"])
def test_the_answer_comes_from_where_the_ports_are(bound: str) -> None:
    """Askers connect to the address that answers, which is the one that is bound."""
    with Loop() as loop:
        ports = {"new": 4711, "old": 4712}
        listening = loop.do(
            lambda: discovery.respond(loop.reactor, discovery.DAEMON_PORT, ports, None, bound)
        )

        def search() -> set[tuple[str, int, str]]:
            asking = discovery.search(loop.reactor, discovery.DAEMON_PORT, everybody=True, wait=0.3)
            return set(map(tuple, loop.do(lambda: Deferred.fromCoroutine(asking))))

        # Who asks may be held up for as long as it waits: then it has heard nobody.
        found = eventually(search, lambda found: len(found) >= 2)
        assert found == {(bound, 4711, "new"), (bound, 4712, "old")}
        for port in listening:
            loop.do(port.stopListening)


def test_a_daemon_that_still_starts_can_be_stopped(tmp_path: Path) -> None:
    """SIGTERM while `setup` runs: it starts, stops in order, and the process ends."""
    (tmp_path / "slow_start.py").write_text(
        "import mktl, select, sys\n"
        "class Daemon(mktl.Daemon):\n"
        "    def describe_items(self): return {'a': {}}\n"
        "    def setup(self):\n"
        "        print('setting up', flush=True)\n"
        "        select.select([sys.stdin], [], [])\n"
        "    def cleanup(self): print('cleaned up', flush=True)\n"
    )
    program = command("markd", "slow", "main", "-m", "slow_start", "--home", tmp_path / "home")
    with Watched(program, tmp_path, {"PYTHONPATH": str(ROOT)}, takes_input=True) as process:
        process.wait_for("setting up")
        process._process.send_signal(signal.SIGTERM)
        process.write("go on")
        assert process.ended() == 0
        assert "cleaned up" in process.log


def test_the_history_is_bounded() -> None:
    """The oldest single values go first; what was summed up stays."""
    chronicle = Chronicle(":memory:", most=10)
    chronicle.add([Value("k", float(number), number) for number in range(25)])
    chronicle.add([Value("k", 25.0, 25)])
    assert [row[1] for row in chronicle.tell("k", 0, 0, 0, 100.0)] == list(range(16, 26))
    assert chronicle.tell("k", 0, 0, 60, 100.0) == [[0, 12.5, 0, 25, 26]]
    chronicle.close()
