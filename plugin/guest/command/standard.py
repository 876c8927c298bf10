"""All commands of the agent for OpenStack, in one list; importing it defines them."""

from __future__ import annotations

from plugin.guest.command.about import AboutCommands
from plugin.guest.command.files import FileCommands
from plugin.guest.command.kms import KmsCommands
from plugin.guest.command.network import NetworkCommands
from plugin.guest.command.passwords import PasswordCommands
from plugin.guest.command.registry import CommandBase
from plugin.guest.command.update import UpdateCommands

STANDARD: tuple[type[CommandBase], ...] = (
    KmsCommands,
    NetworkCommands,
    AboutCommands,
    PasswordCommands,
    UpdateCommands,
    FileCommands,
)
