"""Sessions of the worker of 2010 itself, replayed in the ways in which somebody may replay them.

tests/data/gatherer_sessions.json was recorded from the original worker, under Python 2.7.18, in a
folder that `fixtures` makes again. docs/gatherer.md lists where this worker differs on purpose.
"""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import tempfile
import threading
import tty
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatherer.processes import ROOT

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]
FOLDER = Path("/tmp/gatherer-sessions")  # the path stands in the recordings
SESSIONS = json.loads((ROOT / "tests/data/gatherer_sessions.json").read_text(encoding="utf-8"))
COMMAND = [sys.executable, "-m", "plugin.gatherer", "--strict"]
OPTIONS = {
    "cwd": FOLDER,
    "env": dict(os.environ, PYTHONPATH=str(ROOT), GTEST="value", LC_ALL="C.UTF-8"),
}


@pytest.fixture(scope="module", autouse=True)
def fixtures():
    if os.path.realpath("/bin/sh") != "/usr/bin/dash":
        pytest.skip("the recordings hold the words of dash, and /bin/sh is another shell")
    (FOLDER / "sub").mkdir(parents=True, exist_ok=True)
    for name in ("a.txt", "b.txt", "sp ace.txt", "sub/x.log", "sub/.hidden"):
        (FOLDER / name).write_text(name)
    for name in (b"new\nline", b"latin-\xe9.dat", b"\xc3\xa9-acute", b"back\\slash", b"*star"):
        (FOLDER / os.fsdecode(name)).touch()
    (FOLDER / "#hash").touch()
    for name, target in (("link", "a.txt"), ("dangling", "nowhere"), ("dirlink", "sub")):
        if not os.path.lexists(FOLDER / name):
            (FOLDER / name).symlink_to(target)


def by_pipes(data):
    """Everything at once, and the input is closed."""
    ran = subprocess.run(
        COMMAND, input=data, capture_output=True, timeout=60, check=False, **OPTIONS
    )
    return ran.stdout, ran.stderr, ran.returncode


def by_files(data):
    """Input, output and complaints are files."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out:
        given.write(data)
        given.seek(0)
        with tempfile.TemporaryFile() as err:
            code = subprocess.call(
                COMMAND, stdin=given, stdout=out, stderr=err, timeout=60, **OPTIONS
            )
            out.seek(0)
            err.seek(0)
            return out.read(), err.read(), code


def by_a_socket(data):
    """Input and output are one socket, of which the other side closes its half."""
    ours, theirs = socket.socketpair()
    with (
        ours,
        subprocess.Popen(
            COMMAND, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, **OPTIONS
        ) as worker,
    ):
        theirs.close()
        feeder = threading.Thread(target=feed, args=(ours, data))
        feeder.start()
        out = b"".join(iter(lambda: received(ours), b""))
        err = worker.stderr.read()
        feeder.join()
    return out, err, worker.returncode


def feed(ours, data):
    try:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
    except OSError:
        return  # it left before the end


def received(ours):
    try:
        return ours.recv(65536)
    except ConnectionResetError:
        return b""


def by_a_terminal(data):
    """The output is a terminal that changes nothing."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=theirs, stderr=subprocess.PIPE, **OPTIONS
    ) as worker:
        os.close(theirs)
        pieces = []
        reader = threading.Thread(target=read_terminal, args=(ours, pieces))
        reader.start()
        _, err = worker.communicate(data, timeout=60)
        reader.join()
    os.close(ours)
    return b"".join(pieces), err, worker.returncode


def read_terminal(ours, pieces):
    try:
        while data := os.read(ours, 65536):
            pieces.append(data)
    except OSError:
        return  # so a terminal says that nobody is there any more


def deviation(way, session):
    """Give what came otherwise than recorded, but for the order of names."""
    out, err, code = way("".join(session["steps"]).encode("latin-1"))
    expected = session["stdout"].encode("latin-1")
    if session["name"].startswith("glob"):
        out, expected = (sorted(one.split(b"\n")) for one in (out, expected))
    if (out, err, code) == (expected, session["stderr"].encode("latin-1"), session["exit"]):
        return None
    return session["name"], out[-200:], err[-200:], code


@pytest.mark.parametrize(
    ("way", "sessions"),
    [
        (by_pipes, SESSIONS),
        (by_files, SESSIONS[0::3]),
        (by_a_socket, SESSIONS[1::3]),
        (by_a_terminal, SESSIONS[2::3]),
    ],
)
def test_sessions_of_the_original(way, sessions):
    """Whatever the descriptors are, a session comes out as the original worker's did."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: deviation(way, one), sessions))
    assert [one for one in found if one] == []
