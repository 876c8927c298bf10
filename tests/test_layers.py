"""The floors of DESIGN.md hold, and a plain install stays small."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
MOST_DISTRIBUTIONS = 22


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the packages of a folder."""
    pytest.importorskip("importlinter", reason="the group 'check' is not installed")
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--config", "pyproject.toml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_every_module_imports_only_from_below():
    """The contracts of pyproject.toml are kept."""
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("co2/relay/pinger.py", "import co2.net.http_peer", "co2 is layered"),
        ("co2/relay/limiter.py", "import co2.satellite.inbox", "co2 is layered"),
        ("co2/loading/cell.py", "import plugin", "co2 never imports plugin"),
    ],
)
def test_the_check_bites(tmp_path, module, line, contract):
    """An import from above, from the same floor, or of plugins is found."""
    for name in ("co2", "plugin"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with open(tmp_path / module, "a") as file:
        file.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout


def distributions(name: str, extras: tuple[str, ...] = ()) -> set[str]:
    """Give everything that an installation of a distribution brings, itself included."""
    found: set[tuple[str, str]] = set()

    def walk(name: str, extra: str) -> None:
        key = (name.lower().replace("_", "-").replace(".", "-"), extra)
        if key in found:
            return
        found.add(key)
        for text in requires(name) or []:
            one = Requirement(text)
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                for wanted in ("", *one.extras):
                    walk(one.name, wanted)

    for extra in ("", *extras):
        walk(name, extra)
    return {name for name, _ in found}


def test_a_plain_install_is_small():
    """Beside co2 itself there are at most 22 distributions."""
    needed = distributions("co2-satellite") - {"co2-satellite"}
    assert len(needed) <= MOST_DISTRIBUTIONS, sorted(needed)
    assert {"twisted", "attrs", "httptools", "psutil", "click", "rich"} <= needed
