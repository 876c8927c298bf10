"""Debian packages that are fetched and unpacked into a folder, and never installed.

Programs run from there with `libraries` in their LD_LIBRARY_PATH, so that no maintainer's script
meddles with the machine that runs the tests.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ARCHITECTURES = "usr/lib/*-linux-gnu*"


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
    if shutil.which("apt-get") and shutil.which("dpkg"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "download", *packages], cwd=cache, check=False, **quiet)
        for package in cache.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, root], check=False)
    if not list(root.glob(wanted)):
        pytest.skip(f"there is no {wanted}, and it could not be fetched: {' '.join(packages)}")
    return root


def libraries(root: Path) -> str:
    """Give the LD_LIBRARY_PATH for programs below a root."""
    return ":".join(str(one) for one in root.glob(ARCHITECTURES))
