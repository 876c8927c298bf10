"""Limits where a size says nothing: files that announce none, and files that grow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gatherer.processes import RealWorker
from gatherer.test_requests import ask
from plugin.gatherer.protocol.answers import Answered, Asked, Client
from plugin.gatherer.protocol.records import Found, More, decode

pytestmark = pytest.mark.process
LARGE, SHORT = "/proc/kallsyms", "/proc/filesystems"


def contents(bodies):
    """Give what records bring: by path, the object and its content."""
    found, last = {}, None
    for record in (one for body in bodies for one in decode(body)):
        if isinstance(record, Found):
            last = record.path
            found[last] = (record, bytes(record.piece))
        elif isinstance(record, More):
            found[last] = (found[last][0], found[last][1] + bytes(record.piece))
    return found


@pytest.mark.parametrize("path", [LARGE, SHORT])
@pytest.mark.parametrize("limit", [1, 100, 70_000])
def test_a_file_that_announces_no_size(path, limit, tmp_path):
    """Its last bytes come, as many as the limit says, and what was before them is counted."""
    if not os.access(path, os.R_OK) or os.stat(path).st_size:
        pytest.skip(f"{path} is not there, or announces a size")
    whole, again, copy, most = b"", b"changed", tmp_path / "copy", b"%d" % limit
    while whole != again:  # a module that is loaded meanwhile changes them
        whole = Path(path).read_bytes()
        copied, (code, count, _), (_, body) = ask(
            (b"cp", path.encode(), os.fsencode(copy), most),
            (b"plan", path.encode(), most, b"0", b"0"),
            (b"pull", b"0"),
        )
        again = Path(path).read_bytes()
    assert copy.read_bytes() == whole[-limit:]
    assert copied[2:4] == (b"%d" % len(whole[-limit:]), b"%d" % max(0, len(whole) - limit))
    assert (code, count) == (b"0", b"1")
    [(found, content)] = contents([body]).values()
    assert content == whole[-limit:]
    assert (found.total, found.left_out) == (len(content), len(whole) - len(content))


@pytest.mark.parametrize("before", [0, 10, 900, 1000, 50_000, 100_000])
@pytest.mark.parametrize("after", [1000, 60_000, 3_000_000])
def test_a_file_that_grows_after_it_was_planned(before, after, tmp_path):
    """However small it was when the limit was divided, no more than the limit comes of it."""
    limit = 1000
    file, client = tmp_path / "grows", Client()
    data = b"".join(b"%d\n" % one for one in range(before + after))[: before + after]
    file.write_bytes(data[:before])
    with RealWorker() as worker:
        worker.send(client.ask(Asked(b"plan"), os.fsencode(file), b"%d" % limit, b"0", b"0"))
        worker.until(out=b"#1#\n")
        with file.open("ab") as more:
            more.write(data[before:])
        worker.send(client.ask(Asked(b"pull"), b"0") + b"exit\n")
        assert worker.finish() == 0, worker.err
    answers = [event.values for event in client.hear(worker.out) if isinstance(event, Answered)]
    [(found, content)] = contents([answers[1][1]]).values()
    size = len(data)
    assert len(content) == limit and data.endswith(content)
    assert (found.total, found.left_out, found.size) == (limit, size - limit, size)
