"""The root prefix holds, files are whole or as they were, and a dry run does nothing."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from plugin.guest.machine import Machine


def test_links_and_dots_end_below_the_root(tmp_path: Path) -> None:
    """Neither `..` nor an absolute or relative link leads out of the root."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "absolute").symlink_to(outside)
    (root / "relative").symlink_to("../../../outside")
    machine = Machine(str(root))
    for path in ("/../../outside/x", "/absolute/x", "/relative/x"):
        assert root in machine.resolve(path).parents
        machine.make_folder(path.rpartition("/")[0])
        machine.write(path, b"data")
    assert list(outside.iterdir()) == []


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    """A link to itself is ELOOP and not an endless walk."""
    (tmp_path / "a").symlink_to("/a")
    with pytest.raises(OSError) as caught:
        Machine(str(tmp_path)).resolve("/a/b")
    assert caught.value.errno == errno.ELOOP


def test_mode_stays_and_the_old_file_is_kept(tmp_path: Path) -> None:
    """A file that is there keeps its mode; its content stays under the backup's name."""
    machine = Machine(str(tmp_path))
    (tmp_path / "f").write_text("old")
    (tmp_path / "f").chmod(0o640)
    machine.write("/f", b"new", mode=0o600, backup=".bak")
    assert (tmp_path / "f").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640
    assert (tmp_path / "f.bak").read_text() == "old"


def test_a_full_disk_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one of several files cannot be staged none changes, and nothing lies about."""
    machine = Machine(str(tmp_path))
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").mkdir()

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("plugin.guest.machine.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        machine.write_all({"/a": b"new", "/c": b"new"})
    with pytest.raises(OSError, match="No space"):
        machine.write("/a", b"new")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_dry_run_does_nothing_and_says_what_it_would(tmp_path: Path) -> None:
    """No file, no folder, no program; the record names them without contents."""
    machine = Machine(str(tmp_path), dry_run=True)
    machine.make_folder("/x")
    machine.write("/x/y", b"secret")
    assert machine.run(("/no/such/program",)) == 0
    assert list(tmp_path.iterdir()) == []
    assert machine.done == ["mkdir /x", "write /x/y (6 bytes)", "run /no/such/program"]


def test_another_root_starts_no_programs(tmp_path: Path) -> None:
    """A program would act on this machine and not on the copy below the root."""
    mark = tmp_path / "mark"
    assert Machine(str(tmp_path)).run(("/usr/bin/touch", str(mark))) == 0
    assert not mark.exists()
