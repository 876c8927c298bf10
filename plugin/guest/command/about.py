"""What this agent is: the commands `features` and `version`."""

from __future__ import annotations

from typing import Any

from plugin.guest.command.registry import CommandBase, command_add

OF_2017 = (
    "kmsactivate",
    "resetnetwork",
    "version",
    "keyinit",
    "features",
    "password",
    "agentupdate",
    "injectfile",
)
"""The commands of the agent of 2017, in the order in which it told them."""


class AboutCommands(CommandBase):
    """Tells what there is."""

    @command_add("features")
    def features(self, value: Any) -> tuple[int, str]:
        """Give the names of all commands, with commas between; the old ones first."""
        names = self.commands.command_names()
        old = [name for name in OF_2017 if name in names]
        new = [] if self.surroundings.faithful else [name for name in names if name not in old]
        return 0, ",".join(old + new)

    @command_add("version")
    def version(self, value: Any) -> tuple[int, str]:
        """Give the version of the contract; the value ('agent') does not matter."""
        return 0, self.surroundings.version
