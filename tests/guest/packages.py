"""Debian packages that are fetched and unpacked into a folder, and never installed.

Programs run from there with `libraries` in their LD_LIBRARY_PATH, so that no maintainer's script
meddles with the machine that runs the tests.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ARCHITECTURES = "usr/lib/*-linux-gnu*"
PATIENCE = 60
"""Seconds for a download: a network that is slow is a reason to skip, and not to fail."""


def unpacked(cache: Path, packages: tuple[str, ...], wanted: str) -> Path:
    """Give the folder with a program, from the machine itself, the cache, or fetched.

    Args:
        cache: where packages are kept unpacked over runs.
        packages: what is fetched.
        wanted: the program's path without a slash before, with wildcards.
    """
    root = cache / "root"
    for place in (Path("/"), root):
        if list(place.glob(wanted)):
            return place
    able = shutil.which("apt-get") and shutil.which("dpkg")
    if able and fetched(["apt-get", "download", *packages], cache):
        for package in cache.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, root], check=False)
    if not list(root.glob(wanted)):
        pytest.skip(f"there is no {wanted}, and it could not be fetched: {' '.join(packages)}")
    return root


def fetched(command: Sequence[str], folder: Path) -> bool:
    """Run what fetches something into a folder, and tell whether that went well, and in time."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        done = subprocess.run(command, cwd=folder, check=False, timeout=PATIENCE, **quiet)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def libraries(root: Path) -> str:
    """Give the LD_LIBRARY_PATH for programs below a root."""
    return ":".join(str(one) for one in root.glob(ARCHITECTURES))
