"""Nothing is written outside the destination, whatever links and names say."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatherer.processes import RealWorker, children_of
from plugin.gatherer.archive import tarring
from plugin.gatherer.archive.naming import inner_link, safe_parts
from plugin.gatherer.archive.tarring import Member
from plugin.gatherer.files.copying import open_below
from plugin.gatherer.protocol.requests import spell

NAMES = st.lists(
    st.sampled_from([b"..", b".", b"", b"a", b"b", b"etc", b"\xff", b"x\ny"]),
    min_size=1,
    max_size=8,
)


def everything_below(top):
    return {
        os.path.join(folder, name): os.lstat(os.path.join(folder, name)).st_mtime_ns
        for folder, folders, files in os.walk(top)
        for name in folders + files
    }


def random_tree(draw, top):
    """Make a tree whose links lead everywhere, out of it too."""
    folders = [top]
    for number in range(40):
        where = draw.choice(folders) / f"n{number}"
        kind = draw.choice("dffll")
        if kind == "d":
            where.mkdir()
            folders.append(where)
        elif kind == "f":
            where.write_text(f"content {number}")
        else:
            ups = "../" * draw.randint(0, 8)
            names = [f"n{draw.randint(0, 39)}", ".", str(top), f"{ups}outside", "/etc/hostname"]
            where.symlink_to(draw.choice(names))


@pytest.mark.process
@pytest.mark.parametrize("seed", range(12))
def test_random_trees_stay_within(seed, tmp_path):
    """Copied onto a destination that is itself full of links outwards, nothing outside changes."""
    draw = random.Random(seed)
    source, destination, outside = (tmp_path / one for one in ("source", "out", "outside"))
    for one in (source, destination, outside):
        one.mkdir()
    random_tree(draw, source)
    inside = Path(f"{destination}{tmp_path}")
    inside.mkdir(parents=True)
    # what lies at the destination leads out of it, by the names that are copied to
    inside.joinpath("source").mkdir()
    for number in range(0, 40, 3):
        inside.joinpath("source", f"n{number}").symlink_to(
            draw.choice([str(outside), "../" * 12 + str(outside), str(outside / f"n{number}")])
        )
    before = everything_below(outside), everything_below(source)
    with RealWorker() as worker:
        for pattern in ("", "/*", "/*/*", "/**/n1*"):
            params = os.fsencode(f"{source}{pattern}"), os.fsencode(destination), b"0", b"0"
            worker.send(spell(b"globcp0", *params))
        worker.send(b"exit\n")
        assert worker.finish() == 0, worker.err
    assert (everything_below(outside), everything_below(source)) == before
    assert sorted(os.listdir(tmp_path)) == ["out", "outside", "source"]


@pytest.mark.process
@pytest.mark.parametrize("make", [os.link, os.symlink])
def test_what_lies_in_wait_under_the_temporary_name(make, tmp_path):
    """Another name of a file elsewhere, put where a copy is begun, is not written through."""
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.write_text("precious")
    out.mkdir()
    (tmp_path / "source").write_text("content")
    with RealWorker() as worker:
        worker.send(b"stat\n/\n")
        worker.until(out=b"#1#\n")
        [hand] = children_of(worker.process.pid)
        make(outside, out / f".gatherer-{hand}.partial")
        names = os.fsencode(tmp_path / "source"), os.fsencode(out / "copy")
        worker.send(spell(b"cp", *names, b"0") + b"exit\n")
        assert worker.finish() == 0, worker.err
    assert outside.read_text() == "precious"
    assert (out / "copy").read_text() == "content" and os.listdir(out) == ["copy"]


@pytest.mark.process
def test_links_that_are_exchanged_while_copies_are_made(tmp_path):
    """A directory of the destination that becomes a link outwards, and back, leads nowhere."""
    source, out, outside = (tmp_path / one for one in ("source", "out", "outside"))
    for one in (source / "d", out, outside):
        one.mkdir(parents=True)
    for number in range(30):
        (source / f"d/f{number}").write_text("content")
    inside = Path(f"{out}{source}")
    inside.mkdir(parents=True)
    program = (
        "import os,sys\n"
        "os.chdir(sys.argv[1])\n"
        "while True:\n"
        "    try:\n"
        "        os.symlink(sys.argv[2], 'l'); os.mkdir('k')\n"
        "        os.rename('l', 'd') if not os.path.isdir('d') else os.rename('d', 'old')\n"
        "    except OSError: pass\n"
        "    os.system('rm -rf l k old d')\n"
    )
    exchanging = subprocess.Popen([sys.executable, "-c", program, str(inside), str(outside)])
    try:
        with RealWorker() as worker:
            params = os.fsencode(source), os.fsencode(out), b"0", b"0"
            worker.send(spell(b"globcp0", *params) * 12 + b"exit\n")
            assert worker.finish() == 0, worker.err
    finally:
        exchanging.kill()
        exchanging.wait()
    assert list(outside.iterdir()) == []


@given(NAMES)
@settings(max_examples=200)
def test_no_name_leads_out_of_a_directory(parts):
    """A path with dots is refused, and what is opened lies below the top."""
    with tempfile.TemporaryDirectory() as folder:
        top = os.fsencode(folder)
        try:
            directory, name = open_below(top, b"/" + b"/".join(parts))
        except OSError:
            return
        real = os.readlink(b"/proc/self/fd/%d" % directory)
        os.close(directory)
        assert (real + b"/").startswith(os.path.realpath(top) + b"/")
        assert name not in (b"", b".", b"..") and b"/" not in name


@given(NAMES, NAMES, st.booleans())
def test_links_in_the_archive_stay_within(where, target, absolute):
    """Whatever a host says, a link's target stays below the host's own files."""
    parts = safe_parts(b"/" + b"/".join(where))
    if not parts:
        return
    link = inner_link(parts, (b"/" if absolute else b"") + b"/".join(target))
    assert not link.startswith(b"/")
    depth = len(parts) - 1
    for one in link.split(b"/"):
        depth += -1 if one == b".." else 1 if one not in (b"", b".") else 0
        assert depth >= 0


@pytest.mark.parametrize(
    ("where", "target", "expected"),
    [
        (b"/etc/localtime", b"/usr/share/zoneinfo/UTC", b"../usr/share/zoneinfo/UTC"),
        (b"/etc/a", b"../b", b"../b"),
        (b"/etc/a", b"../../../../b", b"../b"),
        (b"/a", b"/", b"."),
        (b"/d/dirlink", b"sub", b"sub"),
    ],
)
def test_links_keep_their_meaning(where, target, expected):
    """A link leads to the same place in the archive as on the host."""
    assert inner_link(safe_parts(where), target) == expected


@given(NAMES)
def test_archive_names_lead_downwards(parts):
    """What Python's tarfile reads back is the name that was given, which has no dots."""
    name = b"/".join([b"top", *safe_parts(b"/".join(parts))])
    data = tarring.header(Member(name, "f")) + tarring.END
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        [member] = tar.getmembers()
    assert os.fsencode(member.name) == name and ".." not in member.name.split("/")
