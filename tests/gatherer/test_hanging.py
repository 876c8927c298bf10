"""Nothing that blocks lasts past an interrupt: fifos, kernel pipes, and a mount that hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gatherer.processes import PATIENCE, SOON, RealWorker, children_of
from plugin.gatherer.protocol.requests import spell

pytestmark = pytest.mark.process


@pytest.fixture
def hung(tmp_path):
    """A mounted directory whose reads wait for ever."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting a FUSE file system needs root and /dev/fuse")
    where = tmp_path / "mount"
    where.mkdir()
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("hung_mount.py")), str(where)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        if server.stdout.readline() != b"ready\n":
            pytest.skip("this kernel does not mount FUSE here")
        yield where
        server.stdin.close()
        server.wait(PATIENCE)
    with contextlib.suppress(OSError):
        subprocess.run(["umount", "-l", str(where)], stderr=subprocess.DEVNULL, check=False)


def interrupted(worker, request, number):
    """Send a request that hangs; interrupt it; the worker is back soon."""
    worker.send(request)
    wait_until_it_hangs(worker)
    worker.signal()
    worker.until(err=b"#%d# INTERRUPTED\n" % number, out=b"#%d#\n" % (number + 1), seconds=SOON)


def wait_until_it_hangs(worker):
    """Wait until a child of the worker waits, and goes on waiting."""
    end, seen = time.monotonic() + PATIENCE, 0
    while seen < 10:  # every request waits for a moment; one that hangs goes on waiting
        assert time.monotonic() < end, f"nothing hangs: {worker.out!r}"
        time.sleep(0.02)
        seen = seen + 1 if any(_waits(one) for one in children_of(worker.process.pid)) else 0


def _waits(process):
    """Whether a process waits inside the hung file system or in a sleep."""
    with contextlib.suppress(OSError):
        where = Path(f"/proc/{process}/wchan").read_text()
        stat = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0]
        return "fuse" in where or "request_wait" in where or stat == b"D"
    return False


@pytest.mark.parametrize(
    "request_", [b"cp\n{}/hung\n{}.copy\n0\n", b"read\n{}/hung\n0\n0\n", b"glob\n{}/dead/*\n"]
)
def test_a_hung_mount_ends_with_the_interrupt(hung, request_):
    """A read that only SIGKILL ends is over soon after SIGINT, and the worker goes on."""
    with RealWorker("--interrupt=late") as worker:
        worker.until(out=b"#0#\n")
        interrupted(worker, request_.replace(b"{}", os.fsencode(hung)), 0)
        worker.send(b"exec\necho lol\nexit\n")
        assert worker.finish() == 0
        assert worker.out.endswith(b"#1#\n0\n4\nlol\n\n0\n\n#2#\n")
    assert not list(hung.parent.glob("*copy*")) and not list(hung.parent.glob(".*partial"))


def test_storing_a_commands_output_ends_with_the_interrupt(hung, tmp_path):
    """SIGINT while `exec2file` writes where nothing can be written: no answer, nothing left."""
    plain = os.fsencode(tmp_path / "err")
    params = b"echo said; echo complained >&2", os.fsencode(hung / "dead/out"), plain, b"0"
    with RealWorker("--interrupt=late") as worker:
        worker.until(out=b"#0#\n")
        interrupted(worker, spell(b"exec2file", *params), 0)
        again = b"echo said; echo complained >&2", plain + b"2", plain, b"0"
        worker.send(spell(b"exec2file", *again) + b"exit\n")
        assert worker.finish() == 0
        assert worker.out == b"#0#\n#1#\n0\n0\n5\n0\n0\n11\n0\n#2#\n"
    assert worker.err == b"#0# INTERRUPTED\n"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["err", "err2", "mount"]


def test_alive_while_storing_hangs(hung):
    """SIGUSR1 is answered meanwhile, and leaves the worker waiting, not spinning."""
    target = os.fsencode(hung / "dead/out")
    with RealWorker("--interrupt=late") as worker:
        worker.until(out=b"#0#\n")
        worker.send(spell(b"exec2file", b"echo said", target, b"", b"0"))
        wait_until_it_hangs(worker)
        worker.signal(signal.SIGUSR1)
        worker.until(err=b"ALIVE\n")
        before = _processor_ticks(worker.process.pid)
        time.sleep(0.5)  # the stretch that is measured
        assert _processor_ticks(worker.process.pid) - before < 0.1 * os.sysconf("SC_CLK_TCK")
        worker.signal()
        worker.until(err=b"#0# INTERRUPTED\n", out=b"#1#\n")


def _processor_ticks(process):
    fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_plan_passes_over_what_hung(hung):
    """What hung once is passed over the next time, told with EINTR, and the rest comes."""
    (hung.parent / "plain").write_text("fine")
    pattern = os.fsencode(hung.parent / "*")
    with RealWorker("--interrupt=late") as worker:
        worker.until(out=b"#0#\n")
        worker.send(spell(b"plan", os.fsencode(hung), b"0", b"0", b"0"))
        interrupted(worker, b"", 0)  # the listing of dead
        worker.send(spell(b"plan", os.fsencode(hung), b"0", b"0", b"0"))
        worker.until(out=b"#2#\n")
        interrupted(worker, spell(b"pull", b"0"), 2)  # the content of hung
        worker.send(spell(b"pull", b"0") + spell(b"plan", pattern, b"0", b"0", b"0"))
        worker.send(spell(b"pull", b"0") + b"exit\n")
        assert worker.finish() == 0
    assert worker.out.count(b"o 4 - ") >= 2  # EINTR, for dead and for hung
    assert b"plainfine" in worker.out


@pytest.mark.parametrize("line", [b"cat {}", b"sleep 1000", b"cat /proc/kmsg", b"yes >/dev/null"])
def test_blocked_commands_end_with_the_interrupt(tmp_path, line):
    """A command that waits for a fifo, the clock or the kernel ends with the interrupt."""
    os.mkfifo(tmp_path / "fifo")
    with RealWorker("--interrupt=late") as worker:
        worker.until(out=b"#0#\n")
        worker.send(b"exec\n" + line.replace(b"{}", os.fsencode(tmp_path / "fifo")) + b"\n")
        while not children_of(worker.process.pid):
            time.sleep(0.005)
        worker.signal()
        worker.until(err=b"#0# INTERRUPTED\n", out=b"#1#\n", seconds=SOON)
        assert not children_of(worker.process.pid)


@pytest.mark.parametrize(
    "path",
    ["/proc/kmsg", "/dev/kmsg", "/sys/kernel/tracing/trace_pipe", "/proc/self/mem", "{}"],
)
def test_what_would_block_is_not_even_opened(tmp_path, path):
    """A fifo, the kernel's pipes and devices are told and not read, at once."""
    os.mkfifo(tmp_path / "fifo")
    path = path.format(tmp_path / "fifo")
    if not os.path.lexists(path):
        pytest.skip(f"{path} does not exist here")
    with RealWorker() as worker:
        worker.until(out=b"#0#\n")
        copy = tmp_path / "copy"
        worker.send(b"cp\n%b\n%b\n0\nexit\n" % (path.encode(), os.fsencode(copy)))
        assert worker.finish() == 0
        code, kind, written, *_ = worker.out.split(b"\n")[1:]
        assert (code, kind) == ((b"0", b"p") if path.endswith("fifo") else (b"1", kind))
        assert written == b"0" and not copy.exists()


@pytest.mark.parametrize(
    "path",
    ["sys/kernel/tracing/trace_pipe", "sys/kernel/tracing/instances/a/trace_pipe", "proc/kmsg"],
)
def test_the_table_holds_in_another_root(tmp_path, path):
    """What the table names is not opened below --root either, though it could be read there."""
    if os.geteuid() != 0:
        pytest.skip("--root needs root")
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("it would block")
    with RealWorker("--root", str(tmp_path)) as worker:
        worker.send(b"read\n/%b\n0\n0\nexit\n" % path.encode())
        assert worker.finish() == 0
    assert worker.out.startswith(b"#0#\n1\n0\n0\n\n7\nblocked\n")


@pytest.fixture
def tracing(tmp_path):
    """The kernel's tracing files, mounted where the table of blocked paths does not know them."""
    where = tmp_path / "tracing"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tracefs", "none", str(where)], check=False).returncode:
        pytest.skip("tracefs cannot be mounted here: it needs root and a kernel that has it")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def test_a_pipe_of_the_kernel_under_another_name(tracing, tmp_path):
    """trace_pipe blocks who reads it; unknown to the table, it is opened so that it does not."""
    if not (tracing / "trace_pipe").exists():
        pytest.skip("this kernel has no trace_pipe")
    pipe = os.fsencode(tracing / "trace_pipe")
    with RealWorker("--interrupt=late") as worker:
        worker.until(out=b"#0#\n")
        worker.send(b"cp\n%b\n%b\n0\n" % (pipe, os.fsencode(tmp_path / "copy")))
        worker.until(out=b"#1#\n", seconds=SOON)
        assert worker.out.startswith(b"#0#\n11\nf\n0\n")  # EAGAIN
        worker.send(b"exec\ncat %b\n" % pipe)
        while not children_of(worker.process.pid):
            time.sleep(0.005)
        worker.signal()
        worker.until(err=b"#1# INTERRUPTED\n", out=b"#2#\n", seconds=SOON)
    assert not (tmp_path / "copy").exists()
