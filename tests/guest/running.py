"""Our daemon in a process, with a config file of the test's and a root of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

from e2e.processes import Watched

SHADOW = "root:$6$abcdefgh$old:19000:0:99999:7:::\nbin:*:19000::::::\n"
FOR_XENSTORE = """
# Needed to register the exchange/parser plugin combination with the main daemon
import agentlib
# To get jsonparser and xscomm
import plugins
# Loads 'commands' plus all modules that contain command classes
import commands.command_list

# Not required, as the default is False
test_mode = False

# Inits all command classes
c = commands.init()
# Creates instance of JsonParser, passing in available commands
parser = plugins.JsonParser(c)
# Create the XSComm instance
xs = plugins.XSComm()
# Register an exchange/parser combination with the main daemon
agentlib.register(xs, parser)
"""


class Agents:
    """Daemons of one test; all are ended with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        (self.root / "etc" / "network").mkdir(parents=True)
        (self.root / "etc" / "shadow").write_text(SHADOW)
        (self.root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (self.root / "etc" / "network" / "interfaces").write_text("")
        self._running: list[Watched] = []

    def __enter__(self) -> Agents:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._running:
            one.close()

    def start(self, config: str, *options: str, root: bool = True) -> Watched:
        """Start co2-guest and wait until it says that it has started."""
        agent = self.begin(config, *options, root=root)
        agent.wait_for("Agent .* started")
        return agent

    def begin(self, config: str, *options: str, root: bool = True) -> Watched:
        """Start co2-guest, whatever becomes of it."""
        path = self.folder / f"config-{len(self._running)}.py"
        path.write_text(config)
        prefix = ["--root", str(self.root)] if root else []
        command = [sys.executable, "-m", "plugin.guest.cli", "-n", "-o", "-", *prefix, *options]
        agent = Watched([*command, path], self.folder)
        self._running.append(agent)
        return agent
