"""Everything that a plugin imports.

A plugin is a class whose name begins with `X_`, in a module that its package lists in `__all__`:

    from co2.api import Co2Plugin

    class X_Lamp(Co2Plugin):
        def receive(self, data_dict):
            self.log(self, data_dict['data'])

        def x_fade(self, seconds: float = 1.0) -> bool:
            '''Fade the lamp; callable as <package>.<module>.fade.'''
            self.send({'data': {'fading': seconds}})
            return True

`plugin.Co2Plugin` is the same class. `docs/plugins.md` is the guide.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeVar

from zope.interface import implementer

from co2.errors import (
    ApplicationFailed,
    Co2Error,
    Denied,
    InvalidParams,
    LocalError,
    NameTaken,
    QueueFull,
    SystemFailed,
    TimedOut,
    TransportFailed,
    UnsupportedValue,
)
from co2.interfaces import IPlugin, IProcedureSource
from co2.model.calls import Level
from co2.model.clocks import keep_steady
from co2.model.conversation import Ask
from co2.model.procedure import Procedure
from co2.model.sent import Sent

__all__ = [
    "ApplicationFailed",
    "Ask",
    "Co2Error",
    "Co2Plugin",
    "Denied",
    "IPlugin",
    "IProcedureSource",
    "InvalidParams",
    "Level",
    "LocalError",
    "NameTaken",
    "Procedure",
    "QueueFull",
    "Sent",
    "SystemFailed",
    "TimedOut",
    "TransportFailed",
    "UnsupportedValue",
    "ask",
    "keep_steady",
    "level",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def level(word: str) -> Callable[[_Function], _Function]:
    """Say which level a method asks for, where `call` is not right.

    Args:
        word: 'open', 'read', 'call' or 'admin'. What runs programs, writes files or changes the
            daemon is 'admin' (PROTOCOL section 7).

    Raises:
        KeyError: there is no such level; at import, so that the plugin is not loaded.
    """
    wanted = Level[word.upper()]

    def mark(function: _Function) -> _Function:
        function.__co2_level__ = wanted  # type: ignore[attr-defined]  # read by loading.cell
        return function

    return mark


def ask(prompt: Any = None) -> Ask:
    """Ask the caller for more input, in a method that is a generator.

    `answer = yield ask('which lamp?')` hands the prompt to the caller, and goes on with what the
    caller sends by `co2.next` (PROTOCOL section 9).
    """
    return Ask(prompt)


@implementer(IPlugin)
class Co2Plugin:
    """The base of every plugin.

    Attributes:
        name: `<package>.<module>`.
        threaded: set it to True in a class whose methods block: `receive` and the `x_` methods
            are then called in a thread of the plugin's own, one at a time.
        topics: patterns of the topics that `receive` wants, like `['lights.*', 'alarm.>']`; None
            is every message, those without a topic included.
        backlog: what `receive` gets of the messages that came while this host was away:
            'everything', or the 'newest' of each author and topic.
        var_dict: what the server handed over, see `__init__`.
    """

    _enter_methods: Callable[[], list[str]] | None = None  # set once they are entered

    threaded: ClassVar[bool] = False
    topics: ClassVar[Sequence[str] | None] = None
    backlog: ClassVar[str] = "everything"

    def __init__(self, var_dict: Mapping[str, Any]) -> None:
        """Take what the server hands over; a subclass that overrides this calls it.

        Args:
            var_dict: 'relay_method', 'log_method', 'debug_method' (callables), 'dotted_name'
                (`<package>.<module>`), 'config_filename' (`<module>_config`), and 'config_dirs',
                the folders where that file is looked for; the first one found is read, and its
                variables become attributes of the plugin.
        """
        self.var_dict = var_dict
        self.name: str = var_dict["dotted_name"]
        self._relay_method: Callable[..., Sent] = var_dict["relay_method"]
        self._log_method: Callable[[Any, Any], None] = var_dict["log_method"]
        self._debug_method: Callable[[Any, Any], None] = var_dict["debug_method"]
        for folder in var_dict.get("config_dirs", ()):
            if Path(folder, var_dict["config_filename"] + ".py").is_file():
                self._load_config(folder, var_dict["config_filename"])
                break

    def send(
        self,
        message: Mapping[str, Any],
        *,
        topic: str | None = None,
        local: bool = False,
        retain: bool = False,
    ) -> Sent:
        """Send a message to every other host; in any thread, and from `__init__` on.

        Args:
            message: a dict with the key 'data', whose value may be anything that travels.
            topic: dotted words that say what it is about.
            local: give it to the plugins of this host too.
            retain: let the network keep it for hosts that come later.

        Returns:
            a `Sent`, to ignore, to await, or to `wait()` for in a thread.

        Raises:
            UnsupportedValue: something in it cannot travel; the text names the path.
        """
        return self._relay_method(message, topic=topic, local=local, retain=retain)

    def receive(self, data_dict: dict[str, Any]) -> Any:
        """Take a message; override it, and return soon: within about a second.

        Args:
            data_dict: 'data' as it was sent, 'host_id' of the author, 'client_address' (ip, port)
                of whoever brought it, 'id', 'time' in UNIX seconds, and what else was sent.
        """

    def renew_methods(self) -> list[str]:
        """Let callers find what `procedures()` gives now, in place of what it gave before.

        For a plugin that is an `IProcedureSource` and whose methods come and go while it runs.
        Before the plugin is loaded as a whole there is nothing to renew: the server asks for its
        methods then. Calls and conversations that are under way go on.

        Returns:
            why methods are missing, a text for each: its name is held by another, or twice in
            this, or cannot be a method's. The others are there, as when the plugin was loaded.

        Raises:
            LocalError: this is not the reactor's thread; nothing is changed.
        """
        return [] if self._enter_methods is None else self._enter_methods()

    def log(self, caller: Any, msg: Any) -> None:
        """Write to the server's log; `caller` is normally `self`, `msg` anything with a repr."""
        self._log_method(caller, msg)

    def debug(self, caller: Any, msg: Any) -> None:
        """Write to the server's log at its level debug."""
        self._debug_method(caller, msg)

    def __exit__(self, *exc_info: Any) -> Any:
        """Clean up; called without arguments when the server stops, which waits for it."""

    def __str__(self) -> str:
        return f"{self.name}.{type(self).__name__}"

    __repr__ = __str__

    def _load_config(self, path: str | Path, modulename: str) -> None:
        """Run `<path>/<modulename>.py` and copy its variables on to the plugin."""
        variables = runpy.run_path(str(Path(path, modulename + ".py")))
        for name, value in variables.items():
            if not name.startswith("_") and not isinstance(value, ModuleType):
                setattr(self, name, value)
