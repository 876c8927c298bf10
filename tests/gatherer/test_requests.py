"""The requests beyond the seed's, asked of a real worker."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from gatherer.processes import RealWorker, children_of
from plugin.gatherer.protocol.answers import Answered, Asked, Client
from plugin.gatherer.protocol.records import Found, More, decode

pytestmark = pytest.mark.process


def ask(*requests, arguments=()):
    """Ask a real worker; give the values of each answer."""
    client = Client()
    data = b"".join(client.ask(Asked(name), *params) for name, *params in requests)
    with RealWorker(*arguments) as worker:
        worker.send(data + b"exit\n")
        assert worker.finish() == 0, worker.err
        assert b"Traceback" not in worker.err, worker.err
    return [event.values for event in client.hear(worker.out) if isinstance(event, Answered)]


def test_exec2file(tmp_path):
    """Both streams go into files, the last bytes of them, and what was cut is told."""
    out, err = os.fsencode(tmp_path / "out"), os.fsencode(tmp_path / "err")
    line = b"seq 1 1000; echo complaint >&2; exit 7"
    [values] = ask((b"exec2file", line, out, err, b"100"))
    assert values == (b"7", b"0", b"100", b"1", b"0", b"10", b"0")
    assert (tmp_path / "out").read_bytes().endswith(b"\n999\n1000\n")
    assert (tmp_path / "err").read_text() == "complaint\n"


def test_exec2file_where_nothing_can_be_written(tmp_path):
    """A missing directory is its errno, and the other stream is written all the same."""
    err = os.fsencode(tmp_path / "err")
    [values] = ask((b"exec2file", b"echo a; echo b >&2", b"/nowhere/out", err, b"0"))
    assert values[1] == b"%d" % errno.ENOENT and values[2] == b"0"
    assert (tmp_path / "err").read_text() == "b\n"


def test_run_keeps_the_last_bytes():
    """A command that says more than the limit gives its last bytes, and how many are gone."""
    [values] = ask((b"run", b"seq 1 400000", b"1000"))
    whole = b"".join(b"%d\n" % number for number in range(1, 400001))
    assert values == (b"0", b"%d" % (len(whole) - 1000), whole[-1000:], b"0", b"")


def test_an_endless_command_takes_no_memory():
    """`exec` of gigabytes would fill a disk at most: the worker stays small."""
    with RealWorker("--interrupt=late") as worker:
        worker.until(out=b"#0#\n")
        worker.send(b"run\nhead -c 300000000 /dev/zero\n1000\n")
        worker.until(out=b"#1#\n", seconds=60)
        status = Path(f"/proc/{worker.process.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0])
        assert peak < 60_000, peak


def test_stat_and_read(tmp_path):
    """What an object is, and pieces of it."""
    (tmp_path / "f").write_bytes(b"0123456789")
    (tmp_path / "f").chmod(0o640)
    (tmp_path / "l").symlink_to("f")
    file, link = os.fsencode(tmp_path / "f"), os.fsencode(tmp_path / "l")
    stat, linked, missing, piece, refused = ask(
        (b"stat", file),
        (b"stat", link),
        (b"stat", b"/nowhere"),
        (b"read", file, b"3", b"4"),
        (b"read", b"/dev/null", b"0", b"4"),
    )
    assert stat[:3] == (b"0", b"f", b"640") and stat[5] == b"10"
    assert (linked[1], linked[7]) == (b"l", b"f")
    assert missing[0] == b"%d" % errno.ENOENT
    assert piece == (b"0", b"10", b"3456", b"")
    assert refused[0] == b"%d" % errno.EPERM


def test_numbers_that_are_none():
    """A parameter that should be a number and is not is EINVAL, and nothing worse."""
    answers = ask(
        (b"cp", b"/etc/hostname", b"/tmp/x", b"many"),
        (b"read", b"/etc/hostname", b"-1", b"1"),
        (b"plan", b"/etc/hostname", b"1e9", b"0", b"0"),
        (b"plan", b"relative", b"0", b"0", b"0"),
    )
    assert [values[0] for values in answers] == [b"%d" % errno.EINVAL] * 4


def test_globcp_twice(tmp_path):
    """What was copied with as many bytes is not copied again; a longer one is."""
    (tmp_path / "out").mkdir()
    (tmp_path / "f").write_bytes(b"0123456789")
    params = os.fsencode(tmp_path / "f"), os.fsencode(tmp_path / "out")
    first, second, third = ask(
        (b"globcp", *params, b"4", b"0"),
        (b"globcp", *params, b"0", b"0"),
        (b"globcp", *params, b"0", b"0"),
    )
    assert (first[3], first[4]) == (b"4", b"6") and first[-1] == b"4"
    assert (second[1], second[3]) == (b"0", b"10")
    assert (third[1], third[3]) == (b"%d" % errno.EEXIST, b"0")


def test_many_files_come_whole(tmp_path):
    """Small and large files, more than a body holds, come as they are, hard links as links."""
    draw = random.Random(3)
    contents = {}
    for number in range(300):
        contents[f"f{number:03d}"] = draw.randbytes(draw.choice([0, 10, 3000, 70_000]))
    contents["large"] = draw.randbytes(3_500_000)
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    os.link(tmp_path / "large", tmp_path / "other")
    requests = [(b"plan", os.fsencode(tmp_path), b"0", b"0", b"0"), *[(b"pull", b"0")] * 30]
    (code, count, _), *pulls = ask(*requests)
    assert (code, count) == (b"0", b"303")
    found, links, name = {}, {}, ""
    for more, body in pulls:
        assert len(body) <= 1 << 20 and (more == b"1") is bool(body)
        for record in decode(body):
            if isinstance(record, Found):
                name = os.path.basename(os.fsdecode(record.path))
                if record.kind == "h":
                    links[name] = os.path.basename(os.fsdecode(record.text))
                elif record.kind == "f":
                    found[name] = bytes(record.piece)
            elif isinstance(record, More):
                found[name] += bytes(record.piece)
    assert found == contents and links == {"other": "large"}


@pytest.mark.parametrize("seed", range(6))
def test_random_bytes_on_stdin(seed, tmp_path):
    """Random bytes never wedge a worker: it answers or ends, and leaves no child."""
    draw = random.Random(seed)
    words = [b"glob\n", b"stat0\n", b"cp\n", b"3\n", b"abc", b"\n", b"\0", b"globcp\n", b"pull\n"]
    data = b"".join(draw.choice(words) for _ in range(400)) + draw.randbytes(300) + b"\n" * 3
    with RealWorker("--interrupt=late", cwd=tmp_path) as worker:
        worker.until(out=b"#0#\n")
        worker.send(data.replace(b"exit", b"ping"))
        worker.signal()
        code = worker.finish()
        assert code == 0 and b"Traceback" not in worker.err, worker.err
        assert not children_of(worker.process.pid)
