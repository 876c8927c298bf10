"""The names that a config file imports: `agentlib`, `plugins`, `commands`, `commands.command_list`.

They are made for one process and put into its sys.modules; nothing of these names is installed.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from plugin.guest.agent import Agent
from plugin.guest.command.registry import (
    CommandBase,
    CommandNotFoundError,
    Commands,
    command_add,
)
from plugin.guest.command.shadow import crypt
from plugin.guest.command.standard import STANDARD
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.exchange.device import CharDevice
from plugin.guest.exchange.folder import Directory
from plugin.guest.exchange.sockets import SocketExchange, TcpLoopback, UnixSocket
from plugin.guest.interfaces import IExchange, IParser
from plugin.guest.nova_json import JsonParser
from plugin.guest.qga.parser import QemuParser
from plugin.guest.xenstore.exchange import XSComm

LONGEST_HOSTNAME = 63
COMMAND_LIST = "commands.command_list"
OF_COMMANDS = ("command_names", "command_instance", "command_function", "run_command")
"""What the module `commands` has besides, once `commands.init()` was called."""


def install(agent: Agent) -> None:
    """Put the modules of the config file's names into this process."""
    for module in (_agentlib(agent), _plugins(agent), _commands(agent.surroundings)):
        sys.modules[module.__name__] = module


def remove() -> None:
    """Take them out again; for tests."""
    for name in ("agentlib", "plugins", "commands", COMMAND_LIST):
        sys.modules.pop(name, None)
    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, _CommandList)]


def _module(name: str, text: str, members: dict[str, Any]) -> ModuleType:
    module = ModuleType(name, text)
    vars(module).update(members)
    return module


def _agentlib(agent: Agent) -> ModuleType:
    here = agent.surroundings

    def sethostname(hostname: str) -> None:
        """Set the host's name, its first 63 bytes."""
        name = hostname.encode()[:LONGEST_HOSTNAME].decode("utf-8", "ignore")
        if here.machine.run(("hostname", name)):
            raise SystemError("sethostname failed")

    members = {
        "register": agent.register,
        "get_version": lambda: here.version,
        "get_interfaces": here.links,
        "sethostname": sethostname,
        "encrypt_password": crypt,
    }
    module = _module("agentlib", "What the daemon offers to config files.", members)
    # A config may put a function of its own in the place of get_interfaces.
    here.links = lambda: list(module.get_interfaces())
    return module


def _plugins(agent: Agent) -> ModuleType:
    class HereQemuParser(QemuParser):
        """The parser for QEMU's guest agent, on the machine of the command line."""

        def __init__(self, surroundings: Surroundings | None = None, **settings: Any) -> None:
            super().__init__(surroundings or agent.surroundings, **settings)

    members = {
        "JsonParser": JsonParser,
        "QemuParser": HereQemuParser,
        "XSComm": XSComm,
        "UnixSocket": UnixSocket,
        "TcpLoopback": TcpLoopback,
        "SocketExchange": SocketExchange,
        "CharDevice": CharDevice,
        "Directory": Directory,
        "IExchange": IExchange,
        "IParser": IParser,
    }
    return _module("plugins", "Exchanges and parsers.", members)


class _CommandList(MetaPathFinder, Loader):
    """Finds `commands.command_list`: importing it is what adds the standard commands."""

    def __init__(self, known: list[type[CommandBase]]) -> None:
        self._known = known

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Give the spec of that one module."""
        return ModuleSpec(fullname, self) if fullname == COMMAND_LIST else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Take an ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        """Add the standard commands."""
        self._known.extend(STANDARD)


def _commands(here: Surroundings) -> ModuleType:
    known: list[type[CommandBase]] = []
    outside = set(CommandBase.defined)

    def init(**settings: Any) -> Commands:
        """Make an instance of each command class that was defined; keywords go to each.

        With `testmode` the password is decrypted, and not set.
        """
        own = [one for one in CommandBase.defined if one not in outside]
        made = Commands([*known, *own], here, settings)
        for name in OF_COMMANDS:
            setattr(module, name, getattr(made, name))
        return made

    sys.meta_path.insert(0, _CommandList(known))
    members = {
        "__path__": [],
        "CommandBase": CommandBase,
        "CommandNotFoundError": CommandNotFoundError,
        "command_add": command_add,
        "init": init,
    }
    module = _module("commands", "What commands are made of.", members)
    return module
