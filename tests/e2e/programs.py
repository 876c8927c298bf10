"""Programs from elsewhere that tests need, and which Debian package brings each."""

from __future__ import annotations

import os
import shutil

import pytest

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def need(program: str, package: str) -> str:
    """Give a program's path, or miss it."""
    found = shutil.which(program, path=_PATH)
    return found if found is not None else miss(f"{program} is in the Debian package {package}")


def miss(what: str) -> str:
    """Skip for want of something; where CI=true, which installs everything, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not installed: {what}")
    pytest.skip(f"not installed: {what}")
