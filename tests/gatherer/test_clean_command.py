"""`co2 gather --clean` as it is typed: what is in the archive, and the map that is beside it."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys

import pytest

from gatherer.processes import ROOT
from gatherer.test_collecting import Archive

pytestmark = pytest.mark.process
SAID = "connection from 10.11.12.13 by 10.11.12.14\npassword = hunter2\n"


def gather(folder, profile, name, *options):
    """Gather two hosts, which are two workers here; give the archive and the map's path."""
    worker = f"env PYTHONPATH={ROOT} {shlex.quote(sys.executable)} -m plugin.gatherer"
    hosts = f"run:{worker},run:env OTHER=1 {worker}"
    command = [sys.executable, "-m", "co2", "gather", "-H", hosts, "-p", str(profile), "--clean"]
    ran = subprocess.run(
        [*command, "-o", name, *options],
        cwd=folder,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        umask=0,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return Archive(folder / name), ran.stdout


@pytest.fixture
def profile(tmp_path):
    """One file, with two addresses of one network and a secret."""
    (tmp_path / "app.log").write_text(SAID)
    file = tmp_path / "app.toml"
    file.write_text(f'[[paths]]\npattern = "{tmp_path}/app.log"\n')
    return file


def logs(archive):
    """Give the content of each host's log."""
    return [one.decode() for name, one in archive.contents.items() if name.endswith("app.log")]


def test_the_map_is_beside_the_archive_and_for_its_owner(profile, tmp_path):
    """Mode 0600 whatever the umask and what was left there before; in the archive it is not."""
    left = tmp_path / "a.tar.gz.map.json.partial"
    left.touch()
    left.chmod(0o644)
    archive, said = gather(tmp_path, profile, "a.tar.gz")
    kept = tmp_path / "a.tar.gz.map.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "a.tar.gz.map.json: keep it to yourself, it undoes the cleaning" in said
    assert not [name for name in archive.names if "map.json" in name]
    for content in archive.contents.values():
        assert b"10.11.12" not in content and b"hunter2" not in content
    assert "10.11.12" in kept.read_text() and "hunter2" not in kept.read_text()
    assert not list(tmp_path.glob("*.partial"))


def test_hosts_and_runs_have_the_same_stand_ins(profile, tmp_path):
    """Two hosts tell of one address by one name, and so does the next archive, with --map."""
    first, _ = gather(tmp_path, profile, "a.tar.gz")
    one, other = logs(first)
    assert one == other
    words = one.split()
    assert words[2].rpartition(".")[0] == words[4].rpartition(".")[0] != "10.11.12"
    kept = tmp_path / "a.tar.gz.map.json"
    before = json.loads(kept.read_text())
    (tmp_path / "app.log").write_text("first 10.99.99.99, then " + SAID)
    again, _ = gather(tmp_path, profile, "b.tar.gz", "--map", str(kept))
    assert [log.partition("then ")[2] for log in logs(again)] == [one, one]
    after = json.loads(kept.read_text())
    assert after != before and not (tmp_path / "b.tar.gz.map.json").exists()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
