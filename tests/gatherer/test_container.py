"""A worker in a container: namespaces that the test makes, entered as `docker exec` enters one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatherer.processes import PATIENCE, ROOT, children_of
from gatherer.test_collecting import Archive
from plugin.gatherer.driver.launch import run_launch

pytestmark = pytest.mark.process
INSIDE = "hostname inside; mount -t tmpfs none /mnt; echo within > /mnt/only-inside; echo ready"


@pytest.fixture
def container():
    """A process with processes, mounts and a host name of its own; gives the way into it."""
    if os.geteuid() != 0:
        pytest.skip("making namespaces needs root")
    with subprocess.Popen(
        ["unshare", "-pfmu", "--mount-proc", "/bin/sh", "-c", f"{INSIDE}; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as first:
        if first.stdout.readline() != b"ready\n":
            first.kill()
            pytest.skip("this kernel lets no namespaces be made here")
        [inside] = children_of(first.pid)
        yield f"nsenter -t {inside} -p -m -u"
        first.stdin.close()
        first.wait(PATIENCE)


@pytest.fixture
def program(tmp_path):
    """A co2-gatherer as an installation has it, under a path of its own."""
    file = tmp_path / "co2-gatherer"
    file.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m plugin.gatherer "$@"\n')
    file.chmod(0o755)
    return file


def test_a_container_is_gathered(container, program, tmp_path):
    """What is in there comes; a stuck request alone is interrupted, and its worker goes on."""
    profile = tmp_path / "inside.toml"
    profile.write_text(
        '[[commands]]\nrun = "sleep 1000"\nseconds = 1\n\n[[commands]]\nrun = "hostname"\n\n'
        '[[commands]]\nrun = "ps ax | wc -l"\n\n[[paths]]\npattern = "/mnt/only-inside"\n'
    )
    out = tmp_path / "out.tar.gz"
    command = [sys.executable, "-m", "co2", "gather", "-p", str(profile), "-o", str(out)]
    ran = subprocess.run(
        [*command, "-H", f"run:{container} {program}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert ran.returncode == 3, ran.stdout + ran.stderr
    archive = Archive(out)
    [folder] = {name.split("/")[1] for name in archive.names} - {"index.txt"}
    requests = json.loads(archive.text(f"{folder}/manifest.json"))["requests"]
    whys = {one["request"]: (one["outcome"], one["why"]) for one in requests}
    assert whys.pop("sleep 1000") == ("failed", "it took longer than 1 s")
    assert set(whys.values()) == {("done", "")}
    assert archive.text(f"{folder}/commands/hostname") == "inside\n"
    assert int(archive.text(f"{folder}/commands/ps_ax_wc_-l")) < 15  # its own processes only
    assert archive.text(f"{folder}/files/mnt/only-inside") == "within\n"
    assert not Path("/mnt/only-inside").exists()


@pytest.mark.parametrize(
    ("line", "way"),
    [
        ("docker exec -i web co2-gatherer", ("docker", "exec", "-i", "web")),
        ("podman exec -i {x} /opt/bin/co2-gatherer --root /m", ("podman", "exec", "-i", "{{x}}")),
        ("co2-gatherer", ()),
        ("./my-way-in", ()),
    ],
)
def test_the_way_in_carries_signals(line, way):
    """What stands before co2-gatherer is the way that signals go as well."""
    launch = run_launch(line)
    assert launch.command[-1] == "--interrupt=late"
    assert launch.signal == ((*way, "/bin/sh", "-c", "kill -{signal} {pid}") if way else ())


@pytest.mark.parametrize("line", ["", "   ", "docker exec 'web"])
def test_no_way_in(line):
    """An empty command, or a quotation without an end, is refused."""
    with pytest.raises(ValueError):
        run_launch(line)
