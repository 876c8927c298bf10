"""What a pattern brings, and how a limit is divided."""

from __future__ import annotations

import errno
import os
import tempfile
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.gatherer.archive.digests import Digests
from plugin.gatherer.files.paths import Barred, shipped_table
from plugin.gatherer.files.plan import Plan, level
from plugin.gatherer.files.source import NO_LIMIT
from plugin.gatherer.files.tree import Tree
from plugin.gatherer.files.walk import Item, Walk

SIZES = st.lists(st.integers(0, 1000), min_size=1, max_size=30)


@pytest.fixture
def plan():
    with tempfile.TemporaryFile() as spool:
        yield Plan(spool.fileno())


def walked(pattern, *, excluded=(), table=(), **options):
    walk = Walk(Tree(Barred(table)), Barred(excluded=excluded), **options)
    return list(walk.objects(os.fsencode(pattern)))


def names(top, items):
    return [os.fsdecode(os.path.relpath(item.path, os.fsencode(top))) for item in items]


@given(SIZES, st.integers(1, 5000))
def test_the_limit_is_divided_fairly(sizes, limit):
    """Shares add up to the limit or to everything, and none is below an equal part of it."""
    cut = level(array("q", sizes), limit)
    taken = [size if cut == NO_LIMIT else min(size, cut) for size in sizes]
    assert sum(taken) <= limit
    if sum(sizes) > limit:
        assert sum(taken) > limit - len(sizes)
        assert all(
            got == size or got >= limit // len(sizes)
            for got, size in zip(taken, sizes, strict=True)
        )


@given(SIZES, st.integers(0, 5000))
def test_a_plan_reads_back(sizes, limit):
    """Every object comes back once, files newest first where there is a limit, from any place."""
    with tempfile.TemporaryFile() as spool:
        plan = Plan(spool.fileno())
        items = [Item(b"/f%d" % n, b"/r%d" % n, 0, size, n, True) for n, size in enumerate(sizes)]
        items.insert(0, Item(b"/d", b"/d", errno.EXDEV))
        assert plan.write(iter(items), limit) == len(items)
        rows = list(plan.read(0))
        assert {row[1].path for row in rows} == {item.path for item in items}
        if limit:
            assert [row[1].path for row in rows[1:]] == [item.path for item in items[:0:-1]]
        assert list(plan.read(rows[0][0])) == rows[1:]
        assert rows[0][1].code == errno.EXDEV


def test_directories_bring_their_dotfiles(tmp_path):
    """A directory that is named brings everything below it, dotfiles included."""
    (tmp_path / "d/.deep").mkdir(parents=True)
    (tmp_path / "d/.deep/.x").touch()
    (tmp_path / "d/.hidden").touch()
    assert names(tmp_path, walked(tmp_path / "d")) == ["d", "d/.deep", "d/.hidden", "d/.deep/.x"]


def test_links_are_found_and_not_followed(tmp_path):
    """Links to directories, to themselves and in circles are listed, and end nothing."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/up").symlink_to("..")
    (tmp_path / "d/self").symlink_to("self")
    (tmp_path / "d/out").symlink_to("/etc")
    assert names(tmp_path, walked(tmp_path)) == [".", "d", "d/out", "d/self", "d/up"]


def test_a_path_through_a_link_is_stored_where_it_lies(tmp_path):
    """The link on the way is brought as a link, and the file at its real place."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/f").touch()
    (tmp_path / "link").symlink_to("real")
    assert names(tmp_path, walked(tmp_path / "link/*")) == ["link", "real/f"]


@pytest.mark.parametrize(
    ("pattern", "excluded"),
    [("d", "d/sub"), ("d/dirlink/*", "d/sub"), ("d/**", "d/sub"), ("d/dirlink/b.txt", "d/*.txt")],
)
def test_excluded_paths_do_not_leak_through_links(tmp_path, pattern, excluded):
    """What is excluded under one name is not brought under another."""
    (tmp_path / "d/sub").mkdir(parents=True)
    (tmp_path / "d/sub/b.txt").write_text("secret")
    (tmp_path / "d/dirlink").symlink_to("sub")
    excluded = [os.fsencode(tmp_path / excluded)]
    found = walked(tmp_path / pattern, excluded=excluded)
    assert not [item for item in found if item.path.endswith(b"b.txt") and not item.code]
    assert [item for item in found if item.code == errno.EPERM]


def test_double_stars_match_at_any_depth(tmp_path):
    """`**` goes any number of directories deep, into dot directories too, and follows no link."""
    for name in ("a/x.log", "a/.b/x.log", "a/b/c/x.log", "a/b/y.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/loop").symlink_to("..")
    found = names(tmp_path, walked(tmp_path / "a/**/x.log"))
    assert sorted(found) == ["a/.b/x.log", "a/b/c/x.log", "a/x.log"]
    assert len(walked(tmp_path / "a/**")) == 8


def test_what_hung_is_passed_over(tmp_path):
    """A directory that hung before is told with EINTR, and the rest still comes."""
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead/f").touch()
    (tmp_path / "ok").touch()
    stuck = frozenset({os.fsencode(tmp_path / "dead")})
    found = walked(tmp_path, stuck=stuck)
    assert (errno.EINTR, "dead") in [
        (item.code, name) for item, name in zip(found, names(tmp_path, found), strict=True)
    ]
    assert "ok" in names(tmp_path, found) and "dead/f" not in names(tmp_path, found)


def test_named_links_bring_their_files_on_demand(tmp_path):
    """With `follow`, a link that was named brings the regular file it leads to, and not /proc's."""
    (tmp_path / "f").write_text("x")
    (tmp_path / "l").symlink_to("f")
    assert names(tmp_path, walked(tmp_path / "l", follow=True)) == ["l", "f"]
    assert len(walked("/proc/1/exe", follow=True)) == 1


@pytest.mark.parametrize(
    ("path", "barred"),
    [
        (b"/proc/kmsg", True),
        (b"/proc/1/mem", True),
        (b"/proc/1/fd/3", True),
        (b"/proc/1/exe", False),
        (b"/proc/1/root", False),
        (b"/proc/1/root/etc/passwd", True),
        (b"/proc/self/status", True),
        (b"/proc/self", False),
        (b"/sys/kernel/debug/tracing/per_cpu/cpu0/trace_pipe_raw", True),
        (b"/sys/kernel/tracing/trace_pipe", True),
        (b"/sys/kernel/tracing/trace", False),
        (b"/proc/sys/net/ipv4/route/flush", True),
        (b"/dev/sda", True),
        (b"/etc/passwd", False),
        (b"/proc/1/members", False),
    ],
)
def test_the_shipped_table(path, barred):
    """What blocks or changes the machine is barred, and what looks like it is not."""
    assert (Barred(shipped_table()).reason(path) == b"blocked") is barred


@given(st.lists(st.binary(max_size=6)))
def test_names_that_were_seen(names):
    """What was added is there, what was not is not, also while the table grows."""
    digests = Digests()
    for name in [*names, *(b"%d" % number for number in range(1500))]:
        digests.add(name)
    assert all(name in digests for name in names)
    assert b"0" in digests and b"1499" in digests and b"something else" not in digests
