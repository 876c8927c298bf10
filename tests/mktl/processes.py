"""Daemons as real processes, on ports of their own, in a home of their own."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from e2e.processes import Watched

from plugin.mktl.net import discovery

ROOT = Path(__file__).parent.parent.parent

PROGRAM = """
import importlib, sys
from plugin.mktl.net import discovery
name, discovery.REGISTRY_PORT, discovery.DAEMON_PORT = sys.argv[1], *map(int, sys.argv[2:4])
del sys.argv[1:4]
importlib.import_module(f"plugin.mktl.commands.{name}").main()
"""
"""A command on the discovery ports of this run; see conftest."""


def command(name: str, *words: str | Path) -> list[str]:
    """Give what runs one of the commands: 'mark', 'markd' or 'markguided'."""
    ports = (discovery.REGISTRY_PORT, discovery.DAEMON_PORT)
    return [sys.executable, "-c", PROGRAM, name, *map(str, ports), *map(str, words)]


class Beginning(Watched):
    """A process that says when it has begun."""

    def begun(self, pattern: str) -> None:
        """Wait for that; one that does not say so is ended."""
        try:
            self.wait_for(pattern)
        except BaseException:
            self.close()
            raise


class Markd(Beginning):
    """A `co2-markd` that answers by now.

    Attributes:
        ports: request and publication port by dialect: `ports['new'] == (rep, pub)`.
    """

    def __init__(
        self,
        folder: Path,
        store: str,
        items: dict[str, Any],
        options: Iterable[str] = (),
        module: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "items.json").write_text(json.dumps(items))
        words = [store, "main", "-c", "items.json", "--home", str(folder / "home"), *options]
        if module:
            (folder / "custom_daemon.py").write_text(module)
            words += ["-m", "custom_daemon"]
        super().__init__(command("markd", *words), folder, {"PYTHONPATH": str(ROOT)})
        self.begun(r"^serving ")
        kept = folder / "home/daemon/port" / store
        found = {path.name.partition(".")[2]: path for path in kept.iterdir()}
        port = {what: int(found[what].read_text()) for what in found if what != "lock"}
        self.ports = {
            "new": (port["req"], port["pub"]),
            "old": (port["old-req"], port["old-pub"]),
        }


class Registry(Beginning):
    """A `co2-markguided` that answers by now."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        words = ["--home", str(folder / "home")]
        super().__init__(command("markguided", *words), folder, {"PYTHONPATH": str(ROOT)})
        self.begun(r"^registry ")


def threads_and_memory(pid: int) -> tuple[int, float]:
    """Give a process's threads, and its resident memory in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    threads = re.search(r"^Threads:\s+(\d+)", text, re.M)
    memory = re.search(r"^VmRSS:\s+(\d+) kB", text, re.M)
    assert threads is not None and memory is not None
    return int(threads.group(1)), int(memory.group(1)) / 1024
