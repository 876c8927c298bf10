"""The worker as a process: the recorded sessions, signals, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gatherer.processes import PATIENCE, ROOT, RealWorker, children_of

pytestmark = pytest.mark.process
RECORDED = json.loads((ROOT / "tests/data/gatherer_transcript.json").read_text(encoding="utf-8"))
FIXTURES = Path("/tmp/gatherer-fixtures")  # the path stands in the recordings

# where docs/gatherer.md differs on purpose: names are sorted
SORTED = {
    "glob": "#0#\n2\n/tmp/gatherer-fixtures/a.txt\n/tmp/gatherer-fixtures/b.txt\n#1#\n",
    "glob rel": "#0#\n3\na.txt\nb.txt\nsp ace.txt\n#1#\n",
}
# what is recorded of the end of input and of unknown commands holds with --strict
STRICT = {"eof", "eof after noop", "blank", "case"}


@pytest.fixture(scope="module")
def fixtures():
    FIXTURES.mkdir(exist_ok=True)
    for name in ("a.txt", "b.txt", "sp ace.txt"):
        (FIXTURES / name).write_text(name)
    return FIXTURES


@pytest.mark.parametrize("case", RECORDED, ids=[case["name"] for case in RECORDED])
def test_recorded_sessions(case, fixtures):
    """The sessions recorded from the original come out the same, but for the listed differences."""
    strict = ["--strict"] if case["name"] in STRICT else []
    with RealWorker(*strict, cwd=fixtures) as worker:
        worker.until(out=b"#0#\n")
        for step in case["steps"]:
            if step.startswith("wait "):
                _settle(worker, case)
            elif step == "SIGINT":
                worker.signal()
            else:
                worker.send(step.encode())
        code = worker.finish()
    expected = SORTED.get(case["name"], case["stdout"]).encode("latin-1")
    assert (worker.out, worker.err, code) == (expected, case["stderr"].encode(), case["exit"])


def _settle(worker: RealWorker, case: dict) -> None:
    # instead of sleeping as the recording did: a running command shows as a child
    if case["name"] == "sigint running" and b"INTERRUPTED" not in worker.err:
        _until(lambda: len(worker.out) >= 4)
    if case["name"] == "sigint running" and children_of(worker.process.pid):
        worker.until(out=b"#0#\n")


def _until(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)


SCRIPT = b"noop\nexec\nsleep 30\n"


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("offset", [0, 1, 2, 4, 5, 7, 10, 14, 18, len(SCRIPT)])
def test_interrupts_of_a_real_worker(late, offset):
    """At twenty places SIGINT leaves framing and number right, and no child."""
    with RealWorker(*(["--interrupt=late"] if late else [])) as worker:
        worker.until(out=b"#0#\n")
        worker.send(SCRIPT[:offset])
        running = offset == len(SCRIPT)
        if running:
            worker.until(out=b"#1#\n")
        worker.signal()
        number = int(offset >= 5)
        if not late and offset < 10 and not running:
            assert worker.finish() == 0
            assert b"INTERRUPTED" not in worker.err
            return
        if late:
            worker.until(err=b"#%d# INTERRUPTED\n" % number)
        after = number + (1 if late or running else 0)
        again = b"#1#\n" if after == 1 else b""  # the same number is prompted a second time
        worker.until(out=again + b"#%d#\n" % after if not late else b"#%d#\n" % after)
        assert children_of(worker.process.pid) == []
        worker.send(b"exec\necho lol\nexit\n")
        assert worker.finish() == 0
        assert worker.out.endswith(b"0\n4\nlol\n\n0\n\n#%d#\n" % (after + 1))


def test_an_interrupt_ends_what_a_command_started():
    """A child that ignores SIGTERM, and one that moved to another session, end all the same."""
    line = b"trap '' TERM; setsid sleep 1234 & (trap '' TERM; sleep 1234) & sleep 1234"
    with RealWorker("--interrupt=late") as worker:
        worker.until(out=b"#0#\n")
        worker.send(b"exec\n" + line + b"\n")
        _until(lambda: len(_all_below(worker.process.pid)) >= 4)
        below = _all_below(worker.process.pid)
        worker.signal()
        worker.until(err=b"#0# INTERRUPTED\n", out=b"#1#\n")
        assert not [one for one in below if _lives(one)]
        worker.send(b"exit\n")
        assert worker.finish() == 0


def _all_below(process: int) -> list[int]:
    found = children_of(process)
    for child in list(found):
        found += _all_below(child)
    return found


def _lives(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] != b"Z"


@pytest.mark.parametrize("killed", ["client", "worker"])
def test_nothing_outlives_the_client_or_the_worker(killed):
    """When the client, or the worker itself, is gone at once, its command ends."""
    with RealWorker() as worker:
        worker.until(out=b"#0#\n")
        worker.send(b"glob\n/etc/*\nexec\nexec sleep 1234\n")
        _until(lambda: len(_all_below(worker.process.pid)) >= 2)
        below = _all_below(worker.process.pid)
        if killed == "client":
            worker.process.stdout.close()
        else:
            worker.process.kill()
        _until(lambda: not [one for one in below if _lives(one)])


@pytest.mark.parametrize("sent", [b"", b"pi", b"exec\n", b"exec\nsle", b"exec\nsleep 0.2\n"])
def test_alive_in_every_state(sent):
    """SIGUSR1 is answered at a prompt, within a line, among parameters, and while running."""
    with RealWorker() as worker:
        worker.until(out=b"#0#\n")
        worker.send(sent)
        worker.signal(signal.SIGUSR1)
        worker.until(err=b"ALIVE\n")
        rest = {b"": b"noop\n", b"pi": b"ng\n", b"exec\n": b"true\n", b"exec\nsle": b"ep 0\n"}
        worker.send(rest.get(sent, b""))
        worker.until(out=b"#1#\n")
        worker.send(b"exit\n")
        assert worker.finish() == 0


def test_alive_while_nobody_reads():
    """SIGUSR1 is answered while an answer waits for its reader, and the answer stays whole."""
    with RealWorker() as worker:
        worker.until(out=b"#0#\n")
        worker.send(b"exec\nhead -c 3000000 /dev/zero\n")
        worker.until(out=b"#0#\n0\n3000000\n")
        worker.signal(signal.SIGUSR1)
        while b"ALIVE" not in worker.err:
            worker.err += os.read(worker.process.stderr.fileno(), 100)
        worker.signal(signal.SIGINT)
        worker.until(out=b"#1#\n", err=b"ALIVE\n")
        assert len(worker.out) == len(b"#0#\n0\n3000000\n\n0\n\n#1#\n") + 3000000
        assert b"INTERRUPTED" not in worker.err


def test_a_command_gets_no_input():
    """A command that reads its input does not eat the requests that wait behind it."""
    with RealWorker() as worker:
        worker.until(out=b"#0#\n")
        worker.send(b"exec\ncat\nping\nexit\n")
        assert worker.finish() == 0
        assert worker.out == b"#0#\n0\n0\n\n0\n\n#1#\n#2#\n" and worker.err == b"ALIVE\n"


def test_descriptors_do_not_leak():
    """A thousand requests and twenty interrupts leave as many open descriptors as before."""
    with RealWorker("--interrupt=late") as worker:
        worker.send(b"stat\n/etc\nexec\ntrue\n")
        worker.until(out=b"#2#\n")
        before = len(os.listdir(f"/proc/{worker.process.pid}/fd"))
        number = 2
        for _ in range(20):
            worker.send(b"stat\n/etc\n" * 50 + b"cp\n/etc/hostname\n/nowhere/x\n0\n")
            number += 51
            worker.until(out=b"#%d#\n" % number)
            worker.signal()
            number += 1
            worker.until(out=b"#%d#\n" % number)
        assert len(os.listdir(f"/proc/{worker.process.pid}/fd")) == before


@pytest.mark.parametrize(
    ("number", "err", "out"),
    [(signal.SIGINT, b"", b"#0#\n"), (signal.SIGUSR1, b"ALIVE\n", b"#0#\n#1#\n")],
)
def test_signals_before_the_first_prompt(number, err, out):
    """A signal that comes while the worker is starting is heeded at its first prompt."""

    def pending():
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
        os.kill(os.getpid(), number)

    ran = subprocess.run(
        [sys.executable, "-m", "plugin.gatherer"],
        input=b"noop\n" if number == signal.SIGUSR1 else None,
        stdin=None if number == signal.SIGUSR1 else subprocess.PIPE,
        capture_output=True,
        preexec_fn=pending,
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == (out, err, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_by_the_signal_that_ends_it(number):
    """Who waits for the worker sees the signal, and the command it ran is gone."""
    with RealWorker() as worker:
        worker.until(out=b"#0#\n")
        worker.send(b"exec\nsleep 1234\n")
        _until(lambda: children_of(worker.process.pid))
        below = _all_below(worker.process.pid)
        worker.signal(number)
        assert worker.finish() == -number
        assert not [one for one in below if _lives(one)]


def test_closed_descriptors():
    """A worker that is started without stdin and stderr reads nothing, and leaves."""
    ran = subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m plugin.gatherer <&- 2>&-"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert (ran.stdout, ran.returncode) == (b"#0#\n", 0)
