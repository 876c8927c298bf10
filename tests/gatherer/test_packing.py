"""What a host may say, and what becomes of it in the archive: nothing that it says is trusted."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import Clock

from plugin.gatherer.archive import tarring
from plugin.gatherer.archive.manifest import Entry, HostManifest
from plugin.gatherer.archive.packing import STALL, Packer, Untrue
from plugin.gatherer.archive.placing import Placing
from plugin.gatherer.cleaning.cleaning import Cleaner
from plugin.gatherer.cleaning.mapping import Mapping, Names
from plugin.gatherer.protocol.records import Found, More, encode
from plugin.gatherer.protocol.reports import Began, Finished, Outcome, Records
from plugin.gatherer.wanted.profiles import Paths


class Memory:
    """An archive that keeps its bytes, with the same words as the real one."""

    def __init__(self):
        self.bytes = b""

    def begin(self, member):
        self.bytes += tarring.header(member)
        if member.stretches:
            self.bytes += tarring.sparse_map(member)

    def data(self, piece):
        self.bytes += bytes(piece)

    def end(self, member):
        self.bytes += tarring.padding(member.size)

    def whole(self, member, content=b""):
        self.begin(member)
        self.data(content)
        self.end(member)

    def moved(self, file):
        with file:
            file.seek(0)
            self.data(file.read())

    async def room(self):
        return None


class Host:
    """A packer for one host, told what a host may tell it."""

    def __init__(self, limit=0, cleaner=None):
        self.archive, self.clock, self.lock = Memory(), Clock(), DeferredLock()
        self.manifest = HostManifest("host", [Entry(Paths("/x", limit))])
        placing = Placing(b"top/host", cleaner)
        self.packer = Packer(self.archive, self.lock, self.clock, self.manifest, placing, cleaner)
        self.take(Began(0, "/x"))

    def take(self, report):
        """Have a report taken at once; raise what it raises."""
        results = []
        Deferred.fromCoroutine(self.packer.take(report)).addBoth(results.append)
        if results and results[0] is not None:
            results[0].raiseException()

    def say(self, *records):
        self.take(Records(b"".join(encode(one) for one in records)))

    def tar(self):
        return tarfile.open(fileobj=io.BytesIO(self.archive.bytes + tarring.END))


def found(path, kind="f", text=b"", piece=b"", total=None, left_out=0):
    total = len(piece) if total is None else total
    return Found(0, kind, 0o644, 0, 0, 0, total, left_out, total, path, text, piece)


PART = st.sampled_from([b"a", b"b", b"c", b"..", b".", b"", b"\xff", b"x\ny"])
PATH = st.lists(PART, min_size=1, max_size=5).map(lambda parts: b"/" + b"/".join(parts))
TARGET = st.tuples(st.sampled_from([b"", b"/"]), st.lists(PART, min_size=1, max_size=7)).map(
    lambda both: (both[0] + b"/".join(both[1])) or b"."
)
THING = st.one_of(
    st.builds(lambda path: found(path, piece=b"x"), PATH),
    st.builds(lambda path: found(path, "d"), PATH),
    st.builds(lambda path, target: found(path, "l", target), PATH, TARGET),
    st.builds(lambda path, target: found(path, "h", target), PATH, PATH),
)


@given(st.lists(THING, min_size=1, max_size=14))
@settings(max_examples=300, deadline=None)
def test_unpacked_nothing_leads_out(things):
    """Whatever links and names a host sends, an archive unpacked without care stays inside."""
    host = Host()
    host.say(*things)
    with tempfile.TemporaryDirectory() as folder:
        inside = os.path.realpath(f"{folder}/in/top/host/files")
        os.makedirs(inside)
        with host.tar() as tar:
            for member in tar:
                try:
                    tar.extract(member, f"{folder}/in", filter="fully_trusted")
                except OSError:
                    continue  # a file where a directory should be: it is the host's own tree
        for where, folders, files in os.walk(inside):
            for name in folders + files:
                real = os.path.realpath(os.path.join(where, name))
                assert real == inside or real.startswith(inside + "/"), (name, real)
        assert os.listdir(folder) == ["in"] and os.listdir(f"{folder}/in") == ["top"]
        assert os.listdir(f"{folder}/in/top/host") == ["files"]


@pytest.mark.parametrize(
    ("things", "names"),
    [
        ([found(b"/a", "l", b"b/../.."), found(b"/a/x", piece=b"1")], ["top/host/files/a"]),
        ([found(b"/a", piece=b"1"), found(b"/a/x", "l", b"x")], ["top/host/files/a"]),
        ([found(b"manifest.json", piece=b"{}")], []),
        ([found(b"commands/uname", piece=b"Linux")], ["top/host/commands/uname"]),
        ([found(b"/h", "h", b"/nowhere")], []),
        ([found(b"/l", "l", b"x"), found(b"/h", "h", b"/l")], ["top/host/files/l"]),
    ],
)
def test_what_a_host_may_not_send(things, names):
    """Nothing below a link or file, beside files and commands, or named after what is not there."""
    host = Host()
    host.say(*things)
    with host.tar() as tar:
        assert tar.getnames() == names
    assert host.manifest.entries[0].problem_count == len(things) - len(names)


@pytest.mark.parametrize(
    "body",
    [
        b"rubbish\n",
        b"o 0 f 644 0 0 0 99999999999999999999 0 0 2 0 0\n/a",
        b"o 0 f 644 0 0 0 -5 0 0 2 0 0\n/a",
        b"o 0 f 644 0 0 0 5000 0 0 2 0 0\n/a",
        b"o 0 l 644 0 0 0 5 0 0 2 1 0\n/ab",
    ],
)
def test_what_cannot_be_true(body):
    """Records that are none, and sizes beyond what was asked for, end this host's part only."""
    host = Host(limit=1000)
    with pytest.raises(Untrue):
        host.take(Records(body))
    assert not host.lock.locked


def test_what_comes_without_a_request():
    """An object that belongs to no request is not taken."""
    host = Host()
    host.take(Finished(0, Outcome.DONE))
    with pytest.raises(Untrue, match="no request"):
        host.say(found(b"/a"))


def test_a_host_that_stops_in_the_middle():
    """The archive waits a while, fills up with zeros, says so, and lets others write."""
    host = Host()
    host.say(found(b"/big", piece=b"12345", total=20_000))
    assert host.lock.locked
    host.clock.advance(STALL)
    assert not host.lock.locked
    host.say(More(b"too late"))
    with host.tar() as tar:
        content = tar.extractfile("top/host/files/big").read()
        note = tar.extractfile("top/host/files/big.INCOMPLETE").read()
    assert content == b"12345" + bytes(19_995) and note.startswith(b"only the first 5 of 20000")
    assert host.manifest.entries[0].incomplete == 1


def test_what_is_told_is_cleaned_once():
    """A path in the manifest has the same stand-in as in the archive, not a stand-in's."""
    cleaner = Cleaner(Mapping(), Names(hosts={"db7"}))
    host = Host(cleaner=cleaner)
    host.manifest.clean = cleaner.text
    host.say(found(b"/log/10.1.2.3-db7.log", piece=b"x" * 10, left_out=90))
    with host.tar() as tar:
        [name] = tar.getnames()
    [problem] = host.manifest.as_struct()["requests"][0]["problems"]
    assert name == "top/host/files" + problem["path"] and "10.1.2.3" not in name
