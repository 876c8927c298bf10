"""OpenStack's own dom0 plugin, from os-xenapi, drives the agent through the real xenstored.

It runs in a process of its own (os_xenapi_client.py), as its modules have names like `utils`.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from guest.packages import fetched
from guest.running import FOR_XENSTORE, SHADOW, Agents
from guest.xen import Store

pytestmark = pytest.mark.process
PLUGINS = Path("dom0", "etc", "xapi.d", "plugins")
CLIENT = Path(__file__).parent / "os_xenapi_client.py"


@pytest.fixture
def plugins(request: pytest.FixtureRequest) -> Path:
    """Give the folder of the dom0 plugins: of the package without its many dependencies."""
    spec = importlib.util.find_spec("os_xenapi")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / PLUGINS
    cache = Path(request.config.cache.mkdir("guest-os-xenapi"))
    if not list(cache.glob("*.whl")):
        words = ["-m", "pip", "download", "--quiet", "--no-deps", "os-xenapi==0.3.4"]
        fetched([sys.executable, *words], cache)
    for wheel in cache.glob("*.whl"):
        shutil.unpack_archive(wheel, cache / "unpacked", "zip")
        return cache / "unpacked" / "os_xenapi" / PLUGINS
    pytest.skip("os-xenapi can neither be found nor fetched: pip install --no-deps os-xenapi")


def test_every_method_of_the_dom0_plugin(
    store: Store, agents: Agents, plugins: Path, tmp_path: Path
) -> None:
    """version, key_init, password by today's and yesterday's OpenSSL, file, network, update."""
    archive = tmp_path / "update.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("agent/installer.sh")
        member.size = 10
        tar.addfile(member, io.BytesIO(b"#!/bin/sh\n"))
    options = ("--xenstore", store.path, "--distribution", "debian", "--unsigned-updates")
    agents.start(FOR_XENSTORE, *options)
    store.tool("write", "/local/domain/0/name", "Domain-0")
    given = {
        "plugins": str(plugins),
        "url": archive.as_uri(),
        "md5sum": hashlib.md5(archive.read_bytes()).hexdigest(),
        "b64_path": base64.b64encode(b"/etc/motd").decode(),
        "b64_contents": base64.b64encode(b"hello, from dom0").decode(),
    }
    path = f"{store.tools}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, CLIENT, json.dumps(given)],
        env={**os.environ, **store.variables, "PATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told.pop("key_init") == ["D0", "D0"]
    assert told == {
        "version": {"message": "1.39.1", "returncode": "0"},
        "password_md5": {"message": "", "returncode": "0"},
        "password_sha256": {"message": "", "returncode": "0"},
        "inject_file": {"message": "", "returncode": "0"},
        "resetnetwork": {"message": "", "returncode": "0"},
        "agent_update": {"message": "", "returncode": "0"},
    }
    assert (agents.root / "etc" / "motd").read_bytes() == b"hello, from dom0"
    shadow = (agents.root / "etc" / "shadow").read_text()
    assert shadow.startswith("root:$6$") and shadow != SHADOW
