"""The awkward tree against the written table, and beside Debian's sosreport where it is there."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from gatherer import awkward
from gatherer.processes import RealWorker
from plugin.gatherer.protocol.answers import Answered, Asked, Client

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="devices and mode 0 are made and read by root"),
]


def ask(*requests):
    """Ask a real worker; give the values of each answer."""
    client = Client()
    data = b"".join(client.ask(Asked(name), *params) for name, *params in requests)
    with RealWorker() as worker:
        worker.send(data + b"exit\n")
        assert worker.finish() == 0, worker.err
    return [event.values for event in client.hear(worker.out) if isinstance(event, Answered)]


def objects(values):
    """Give the objects of an answer of globcp: by path, (code, kind, bytes, left out, text)."""
    found = {}
    for at in range(1, len(values) - 1, 6):
        code, kind, written, left, path, text = values[at : at + 6]
        fields = (int(code), kind.decode(), int(written), int(left), os.fsdecode(text))
        found[os.fsdecode(path)] = fields
    assert len(values) == 6 * int(values[0]) + 2  # a directory that cannot be listed comes twice
    return found


@pytest.fixture
def tree(tmp_path):
    awkward.make(tmp_path / "tree")
    (tmp_path / "out").mkdir()
    return tmp_path / "tree"


def globcp(pattern, destination, limit=0, *excluded):
    count = b"%d" % len(excluded)
    params = [os.fsencode(pattern), os.fsencode(destination), b"%d" % limit, count]
    [values] = ask((b"globcp0", *params, *map(os.fsencode, excluded)))
    return objects(values)


def test_the_written_table(tree, tmp_path):
    """Every object of the tree is told as the table says, and nothing else is."""
    found = globcp(tree / "d", tmp_path / "out")
    expected = {
        os.path.normpath(f"{tree}/d/{name}"): (*rest, text.replace("{d}", f"{tree}/d"))
        for name, (*rest, text) in awkward.TABLE.items()
    }
    assert found == expected


def test_the_copies_are_what_they_copy(tree, tmp_path):
    """Contents, links, times, modes and holes come over; nodes and setuid do not."""
    globcp(tree / "d", tmp_path / "out")
    copied = Path(f"{tmp_path}/out{tree}/d")
    for name, (_, kind, *_rest) in awkward.TABLE.items():
        if not name:
            continue
        source, copy = tree / "d" / name, copied / name
        if kind == "f":
            assert copy.read_bytes() == source.read_bytes(), name
            assert copy.stat().st_mtime_ns == source.stat().st_mtime_ns
            expected = stat.S_IMODE(source.stat().st_mode) & 0o1777
            assert stat.S_IMODE(copy.stat().st_mode) == expected, name
        elif kind == "l":
            assert os.readlink(copy) == os.readlink(source)
        else:
            assert copy.is_dir() if kind == "d" else not os.path.lexists(copy), name
    assert (copied / "sparse").stat().st_blocks * 512 < 1_000_000


def test_a_growing_file_is_taken_as_it_was(tmp_path):
    """A file that is written to all the time is copied to the size that it had."""
    growing = tmp_path / "growing"
    growing.write_bytes(b"x" * 5_000_000)
    writer = subprocess.Popen(["sh", "-c", f"while :; do echo more; done >> {growing}"])
    try:
        for _ in range(3):
            before = growing.stat().st_size
            [values] = ask((b"cp", os.fsencode(growing), os.fsencode(tmp_path / "copy"), b"0"))
            assert (values[0], values[1]) == (b"0", b"f")
            assert before <= int(values[2]) == (tmp_path / "copy").stat().st_size
    finally:
        writer.kill()
        writer.wait()


def test_kernel_files_are_read_to_their_end(tmp_path):
    """Files of /proc announce no size, files of /sys a wrong one: what is in them comes."""
    copy = os.fsencode(tmp_path / "copy")
    paths = ["/proc/version", "/proc/devices", "/sys/kernel/mm/transparent_hugepage/enabled"]
    for path in [one for one in paths if os.path.exists(one)]:
        [values] = ask((b"cp", os.fsencode(path), copy, b"0"))
        assert values[0] == b"0" and int(values[2]) == len(Path(path).read_bytes()), path
    [values] = ask((b"cp", b"/proc/devices", copy, b"64"))
    assert Path("/proc/devices").read_bytes()[-64:] == (tmp_path / "copy").read_bytes()
    assert int(values[3]) == len(Path("/proc/devices").read_bytes()) - 64


def test_blocked_kernel_files_are_told(tmp_path):
    """/proc/kmsg, the memory of processes and the gatherer itself are EPERM, with the word."""
    found = globcp("/proc/1/*", tmp_path, 0)
    assert found["/proc/1/mem"][0] == 1 and "blocked" in found["/proc/1/mem"][4]
    assert found["/proc/1/fd"][0] == 1
    assert found["/proc/1/exe"][1] == "l" and found["/proc/1/exe"][2] == 0
    assert globcp("/proc/self/status", tmp_path)["/proc/self/status"][0] == 1


# --- the defects of sos that the reference names --------------------------------------------

PLUGIN = """
from sos.report.plugins import Plugin, DebianPlugin, UbuntuPlugin, RedHatPlugin
class {cls}(Plugin, DebianPlugin, UbuntuPlugin, RedHatPlugin):
    plugin_name = "awkward"
    short_desc = "the awkward tree"
    def setup(self):
        {setup}
"""
RUN = """
import sys, sos.report.plugins
sys.path.insert(0, {extra!r})
sos.report.plugins.__path__.append({extra!r})
from sos import SoS
SoS(["report", "--batch", "-o", "awkward", "--tmp-dir", {tmp!r}, "-z", "gzip"]).execute()
"""


class Sos:
    """Debian's sos report, run with a small plugin of its own over the same tree."""

    def __init__(self, folder):
        self.folder = folder
        self.runs = 0

    def report(self, setup):
        """Give the archive's members by path, as TarInfo, and the tar."""
        self.runs += 1
        extra, tmp = self.folder / f"extra{self.runs}", self.folder / f"tmp{self.runs}"
        extra.mkdir()
        tmp.mkdir()
        (extra / "awkward.py").write_text(PLUGIN.format(cls="Awkward", setup=setup))
        program = RUN.format(extra=str(extra), tmp=str(tmp))
        ran = subprocess.run(
            ["/usr/bin/python3", "-c", program], capture_output=True, text=True, check=False
        )
        archives = list(tmp.glob("*.tar.gz"))
        assert archives, ran.stdout + ran.stderr
        with tarfile.open(archives[0]) as tar:
            return {name.partition("/")[2]: tar.getmember(name) for name in tar.getnames()}


@pytest.fixture
def sos(tmp_path):
    if shutil.which("sos") is None:
        pytest.skip("Debian's package sosreport is not installed: apt-get install sosreport")
    (tmp_path / "sos").mkdir()
    return Sos(tmp_path / "sos")


def ours(tmp_path, pattern, limit=0, *excluded):
    """Give what globcp brings, as (paths copied, all that it says)."""
    out = tmp_path / "ours"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    found = globcp(pattern, out, limit, *excluded)
    copied = {
        os.path.join(folder, name).removeprefix(str(out))
        for folder, folders, files in os.walk(out)
        for name in files + folders
    }
    return copied, found


def test_the_defects_of_sos_are_absent_and_shown_beside(tree, tmp_path, sos, record_property):
    """What sos 4.0 loses, starves, leaks or makes, and that the gatherer does not."""
    d = tree / "d"
    plain = d.relative_to("/")
    shown = {}

    # 1: dotfiles of a directory
    theirs = sos.report(f"self.add_copy_spec({str(d)!r})")
    copied, _ = ours(tmp_path, d)
    shown["1 dotfiles dropped"] = f"{plain}/.hidden" not in theirs
    assert f"{d}/.hidden" in copied and f"{d}/.config/rc" in copied

    # 6: nodes are made
    shown["6 nodes made"] = any(member.isfifo() or member.ischr() for member in theirs.values())
    assert f"{d}/fifo" not in copied and f"{d}/null" not in copied

    # 2: one large and new file starves the others, 6: holes count as bytes
    starved = tree / "starved"
    starved.mkdir()
    for number in range(20):
        (starved / f"small{number:02d}").write_text("s" * 1000)
        os.utime(starved / f"small{number:02d}", (1_000_000_000, 1_000_000_000))
    (starved / "large").write_bytes(b"l" * 3_000_000)
    theirs = sos.report(f"self.add_copy_spec({str(starved)!r} + '/*', sizelimit=2)")
    brought = [name for name in theirs if "/small" in name]
    shown["2 small files starved"] = len(brought) < 20
    copied, found = ours(tmp_path, starved, 2 << 20)
    assert sum("/small" in name for name in copied) == 20
    assert found[f"{starved}/large"][2] == (2 << 20) - 20_000
    _, found = ours(tmp_path, d, 1 << 20)
    assert found[f"{d}/sparse"][2] == 4096 and found[f"{d}/sparse"][3] == 0

    # 3: what is forbidden comes by another name
    forbid = f"self.add_forbidden_path({str(d)!r} + '/sub'); "
    theirs = sos.report(forbid + f"self.add_copy_spec([{str(d)!r} + '/dirlink/b.txt'])")
    shown["3 forbidden leaks"] = any(name.endswith("sub/b.txt") for name in theirs) or any(
        name.endswith("dirlink/b.txt") for name in theirs
    )
    copied, found = ours(tmp_path, d / "dirlink/*", 0, d / "sub")
    assert not any(name.endswith("b.txt") for name in copied)
    assert [fields[0] for fields in found.values()] == [1]

    # 4: the link to a cut file dangles when the path goes through a link
    (d / "sub/long.log").write_bytes(b"0123456789" * 200_000)
    theirs = sos.report(f"self.add_copy_spec({str(d)!r} + '/dirlink/long.log', sizelimit=1)")
    shown["4 cut file's link dangles"] = _dangles(theirs, f"{plain}/dirlink/long.log")
    ours(tmp_path, d / "dirlink/long.log", 1 << 20)
    reached = Path(f"{tmp_path}/ours{d}/dirlink/long.log")
    assert reached.stat().st_size == 1 << 20

    # 5: /proc/self is the collector
    theirs = sos.report("self.add_copy_spec('/proc/self/status')")
    shown["5 /proc/self is the collector"] = any(
        name.startswith("proc/") and name.endswith("/status") for name in theirs
    )
    copied, _ = ours(tmp_path, "/proc/self/status")
    assert not any(name.endswith("status") for name in copied)

    # 7: what is asked for by age is the wrong half, and errors are all alike
    aged = tree / "aged"
    aged.mkdir()
    for name in ("young", "old"):
        (aged / name).write_text(name)
    os.utime(aged / "old", (1_000_000_000, 1_000_000_000))
    theirs = sos.report(f"self.add_copy_spec({str(aged)!r} + '/*', maxage=24)")
    shown["7 the young are dropped"] = not any(name.endswith("aged/young") for name in theirs)
    copied, _ = ours(tmp_path, aged)  # no age is asked for, and none is guessed
    assert {f"{aged}/young", f"{aged}/old"} <= copied
    found = globcp("/nowhere/at/all", tmp_path / "ours") | globcp(aged, tmp_path / "gone")
    assert sorted(fields[0] for fields in found.values()) == [errno.ENOENT]

    record_property("sos 4.0", shown)
    sys.stdout.write(f"\nDebian's sosreport: {shown}\n")
    assert sum(shown.values()) >= 3  # they are real: the comparison is no straw man


def _dangles(members, name):
    member = members.get(name)
    if member is None or not member.issym():
        return False
    target = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
    # through the link to the directory, as the one who unpacks goes
    real = os.path.normpath(os.path.join(os.path.dirname(name), "..", "sub", member.linkname))
    return target not in members or real not in members


def test_the_root_option_keeps_within(tmp_path):
    """With --root every path, absolute links included, is meant inside."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hostname").write_text("inside")
    (root / "etc/link").symlink_to("/etc/hostname")
    (root / "out").mkdir()
    with RealWorker("--root", str(root)) as worker:
        worker.send(b"read\n/etc/hostname\n0\n0\nread\n/../../etc/link\n0\n0\n")
        worker.send(b"cp\n/etc/hostname\n/out/copy\n0\nexec\necho hi\nexit\n")
        assert worker.finish() == 0
    assert b"\n6\ninside\n" in worker.out and (root / "out/copy").read_text() == "inside"
    assert b"cannot run it" in worker.out  # there is no shell in there
