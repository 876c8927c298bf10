"""Tar headers, read back by Python's tarfile and by GNU tar."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.gatherer.archive.tarring import END, Member, header, padding, sparse_map

NAME = st.lists(
    st.binary(min_size=1, max_size=90).filter(
        lambda one: not set(one) & {0, 47} and one not in (b".", b"..")
    ),
    min_size=1,
    max_size=6,
).map(b"/".join)


def written(member, content=b""):
    data = header(member)
    if member.stretches:
        data += sparse_map(member)
    return data + content + padding(len(content))


def read(data):
    with tarfile.open(fileobj=io.BytesIO(data + END)) as tar:
        [member] = tar.getmembers()
        file = tar.extractfile(member) if member.isreg() else None
        return member, file.read() if file else b""


@given(NAME, st.binary(max_size=1200), st.integers(0, (1 << 33) - 1), st.integers(0, 1 << 31))
def test_any_name_owner_and_time(name, content, seconds, owner):
    """Names of any bytes and length, large owners and late times come back as they were."""
    member = Member(name, "f", 0o640, owner, owner, seconds * 10**9, len(content))
    back, text = read(written(member, content))
    assert os.fsencode(back.name) == name.rstrip(b"/") and text == content
    assert (back.uid, back.gid, back.mtime, back.mode) == (owner, owner, seconds, 0o640)


@given(NAME, NAME, st.sampled_from(["l", "h"]))
def test_any_link(name, target, kind):
    """Links of any length come back with their targets."""
    back, _ = read(written(Member(name, kind, link=target)))
    assert os.fsencode(back.linkname) == target and (back.issym() if kind == "l" else back.islnk())


def test_holes():
    """A file with holes comes back whole, and its holes take no room."""
    size, stretches = 10_000_000, ((4096, 5), (9_000_000, 3))
    member = Member(b"top/sparse", "f", size=8, stretches=stretches, real_size=size)
    data = written(member, b"helloend")
    back, text = read(data)
    assert len(data) < 5000 and back.size == size
    assert text[4096:4101] == b"hello" and text[9_000_000:9_000_003] == b"end"
    assert text.count(0) == size - 8


def test_gnu_tar_unpacks_it():
    """GNU tar reads long names, odd bytes, links and holes."""
    if shutil.which("tar") is None:
        pytest.skip("there is no tar here")
    long = b"top/" + b"/".join([b"directory" * 9] * 3) + b"/file-\xe9\n"
    members = [
        (Member(b"top", "d", 0o755), b""),
        (Member(long, "f", size=4), b"long"),
        (Member(b"top/link", "l", link=b"x" * 150), b""),
        (Member(b"top/hard", "h", link=long), b""),
        (Member(b"top/sp", "f", size=3, stretches=((100_000, 3),), real_size=200_000), b"mid"),
    ]
    data = b"".join(written(*one) for one in members) + END
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "-xf", "-", "-C", folder], input=data, check=True)
        top = os.fsencode(folder)
        with open(top + b"/" + long, "rb") as file:
            assert file.read() == b"long"
        assert os.path.samefile(top + b"/top/hard", top + b"/" + long)
        assert os.readlink(top + b"/top/link") == b"x" * 150
        with open(top + b"/top/sp", "rb") as file:
            assert file.read() == bytes(100_000) + b"mid" + bytes(99_997)
