"""Debian's xenstored, unmodified, with the hypervisor's calls stood in for by xenshim.c.

The packages are installed, or fetched and unpacked into pytest's cache; nothing is installed by
this.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType

import pytest
from attrs import frozen
from e2e.processes import Watched, eventually

from guest.packages import libraries, unpacked

SHIM = Path(__file__).parent / "xenshim.c"
PACKAGES = (
    "xen-utils-4.17",
    "xenstore-utils",
    "libxenstore4",
    "libxentoolcore1",
    "libxentoollog1",
    "libxencall1",
    "libxenevtchn1",
    "libxengnttab1",
    "libxenforeignmemory1",
    "libxendevicemodel1",
    "libxenmisc4.17",
)


@frozen
class XenParts:
    """Where the parts are: the daemon, the folder of its tools, libraries, the shim."""

    daemon: Path
    tools: Path
    libraries: str
    shim: Path

    @classmethod
    def found(cls, cache: Path) -> XenParts:
        """Find or fetch the parts, or skip the test with the reason."""
        if not shutil.which("gcc"):
            pytest.skip(
                "xenstored needs a stand-in for the hypervisor: apt-get install gcc libc6-dev"
            )
        root = unpacked(cache, PACKAGES, "usr/lib/xen-4.*/bin/xenstored")
        daemon = next(root.glob("usr/lib/xen-4.*/bin/xenstored"))
        shim = cache / "xenshim.so"
        command = ["gcc", "-O1", "-shared", "-fPIC", "-w", "-o", str(shim), str(SHIM), "-ldl"]
        subprocess.run(command, check=True)
        return cls(daemon, root / "usr" / "bin", libraries(root), shim)

    @property
    def variables(self) -> dict[str, str]:
        """What the unpacked programs need in their environment."""
        return {"LD_LIBRARY_PATH": self.libraries}


class Store:
    """One xenstored: its socket, and its command line tools."""

    def __init__(self, parts: XenParts, folder: Path) -> None:
        self._parts = parts
        # A socket's path has at most 107 characters, which pytest's folders come near to.
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = str(folder / "socket")
        self._process: Watched | None = None

    def __enter__(self) -> Store:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.close()

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the daemon and its tools."""
        places = dict.fromkeys(("XENSTORED_RUNDIR", "XENSTORED_ROOTDIR"), str(self.folder))
        return {**self._parts.variables, **places, "XENSTORED_PATH": self.path}

    @property
    def tools(self) -> Path:
        """The folder of xenstore-write and the others."""
        return self._parts.tools

    def start(self) -> None:
        """Start the daemon, and wait for its socket."""
        variables = {**self.variables, "LD_PRELOAD": str(self._parts.shim)}
        self._process = Watched([self._parts.daemon, "-N"], self.folder, variables)
        eventually(self._answers)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()

    def tool(self, name: str, *words: str) -> tuple[int, str]:
        """Run one of the tools: its exit code, and what it wrote."""
        done = subprocess.run(
            [self.tools / f"xenstore-{name}", *words],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout.rstrip("\n") or done.stderr

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self.path)
            except OSError:
                return False
        return True
