"""How commands are declared and found: subclasses of CommandBase register by being defined.

class Uptime(commands.CommandBase):
    @commands.command_add("uptime")
    def uptime(self, value):
        return 0, "3 days"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from zope.interface import implementer

from plugin.guest.command.surroundings import Surroundings
from plugin.guest.interfaces import ICommands

_Function = TypeVar("_Function", bound=Callable[..., Any])


class CommandNotFoundError(Exception):
    """There is no command of that name."""

    def __init__(self, name: object) -> None:
        super().__init__(f"No such agent command '{name}'")


def command_add(name: str) -> Callable[[_Function], _Function]:
    """Mark a method of a CommandBase as the command of that name."""

    def mark(function: _Function) -> _Function:
        names = (*getattr(function, "__guest_commands__", ()), name)
        function.__guest_commands__ = names  # type: ignore[attr-defined]  # read by Commands
        return function

    return mark


class CommandBase:
    """The base of every class with commands.

    Attributes:
        surroundings: the machine and its settings; set after `__init__`.
        commands: all commands that there are; set after `__init__`.
    """

    defined: ClassVar[list[type[CommandBase]]] = []
    surroundings: Surroundings
    commands: Commands

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def command_names(self) -> list[str]:
        """Give the names of all commands, as classes of 2010 ask for them."""
        return self.commands.command_names()

    def run_command(self, name: str, argument: Any) -> tuple[Any, Any]:
        """Run another command."""
        return self.commands.run_command(name, argument)

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Remember the class, so that `Commands` makes an instance of it."""
        super().__init_subclass__(**keywords)
        CommandBase.defined.append(cls)


@implementer(ICommands)
class Commands:
    """Instances of command classes, and which name leads to which method."""

    CommandNotFoundError = CommandNotFoundError

    def __init__(
        self,
        classes: Iterable[type[CommandBase]],
        surroundings: Surroundings,
        settings: dict[str, Any] | None = None,
    ) -> None:
        """Make one instance of each class.

        Args:
            classes: the later one wins a name that two claim, so that a user's own comes first.
            surroundings: what commands act on.
            settings: handed to each class's constructor.
        """
        self.surroundings = surroundings
        self._functions: dict[str, Callable[[Any], Any]] = {}
        self._instances: dict[str, CommandBase] = {}
        for one in classes:
            self._add(one(**(settings or {})))

    def _add(self, instance: CommandBase) -> None:
        instance.surroundings = self.surroundings
        instance.commands = self
        for attribute in dir(type(instance)):
            for name in getattr(getattr(type(instance), attribute), "__guest_commands__", ()):
                self._functions[name] = getattr(instance, attribute)
                self._instances[name] = instance

    def command_names(self) -> list[str]:
        """Give the names of all commands that are allowed."""
        return [name for name in self._functions if self.surroundings.allows(name)]

    def command_instance(self, name: str) -> CommandBase:
        """Give the object whose method the command is.

        Raises:
            CommandNotFoundError: there is none of that name, or it is blocked.
        """
        self.command_function(name)
        return self._instances[name]

    def command_function(self, name: str) -> Callable[[Any], Any]:
        """Give the method that a command is.

        Raises:
            CommandNotFoundError: there is none of that name, or it is blocked.
        """
        if not isinstance(name, str) or name not in self._functions:
            raise CommandNotFoundError(name)
        if not self.surroundings.allows(name):
            raise CommandNotFoundError(name)
        return self._functions[name]

    def run_command(self, name: str, argument: Any) -> tuple[Any, Any]:
        """Run a command.

        Returns:
            its return code and its message.

        Raises:
            CommandNotFoundError: there is none of that name, or it is blocked.
        """
        result: tuple[Any, Any] = self.command_function(name)(argument)
        return result
