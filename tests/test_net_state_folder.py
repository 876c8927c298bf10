"""co2.net.state_folder: who holds it, and what is left of one who could not."""

from __future__ import annotations

from pathlib import Path

import pytest

from co2.errors import SettingsError
from co2.net.state_folder import StateFolder


def test_only_one_holds_it(tmp_path: Path):
    """The second is told who has it; when it was let go, the next one may."""
    first = StateFolder(tmp_path / "state")
    with pytest.raises(SettingsError, match="in use by another server"):
        StateFolder(tmp_path / "state")
    first.close()
    StateFolder(tmp_path / "state").close()


def test_who_cannot_write_there_is_told_and_holds_nothing(tmp_path: Path):
    """What stands in the way of a file is named as a setting's trouble, and the lock is free."""
    (tmp_path / "pid").mkdir()
    with pytest.raises(SettingsError, match=r"state_dir .*: Is a directory"):
        StateFolder(tmp_path)
    (tmp_path / "pid").rmdir()
    StateFolder(tmp_path).close()
