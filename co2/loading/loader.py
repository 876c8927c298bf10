"""From the names in `plugin_list` to running plugins, as the 2003 text has it.

For each listed package: its modules that `__all__` names; in each module the classes that it
defines whose names begin with `X_` and that are subclasses of `plugin.Co2Plugin`; of each class
one instance, in a cell. Nothing that goes wrong here stops anything else: what was not loaded, and
why, is kept for `system.get_properties` and written to the log once.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.api import Co2Plugin
from co2.interfaces import IProperties
from co2.loading.cell import Cell, words
from co2.loading.finder import RESERVED, Found
from co2.loading.worker import Worker
from co2.model.sent import Sent

Send = Callable[..., Sent]
"""Takes a plugin's message: (message, *, topic, local, retain) -> Sent."""


@frozen
class NotLoaded:
    """A package, module or class that is not there, and why."""

    name: str
    class_name: str
    state: str
    error: str

    def as_record(self) -> dict[str, Any]:
        """Give what `system.get_properties` shows of it."""
        return {
            "name": self.name,
            "class": self.class_name,
            "version": "",
            "state": self.state,
            "error": self.error,
        }


@implementer(IProperties)
class Loader:
    """See the module.

    Args:
        found: the packages there are.
        send: where plugins' messages go.
        clock: times what plugins do.
        reactor: for plugins' threads.
        receive_timeout: gives the seconds that a `receive` may take.
    """

    _log = Logger()

    def __init__(
        self,
        found: Mapping[str, Found],
        send: Send,
        clock: IReactorTime,
        reactor: IReactorFromThreads,
        receive_timeout: Callable[[], float],
    ) -> None:
        self.cells: list[Cell] = []
        self.not_loaded: list[NotLoaded] = []
        self._found = found
        self._send = send
        self._clock = clock
        self._reactor = reactor
        self._receive_timeout = receive_timeout
        self._modules: dict[str, str] = {}

    def load(self, names: Iterable[str]) -> None:
        """Load these packages, and note which others there are."""
        listed = list(dict.fromkeys(names))
        for name in listed:
            self._load_package(name)
        for name in sorted(set(self._found) - set(listed)):
            self.not_loaded.append(NotLoaded(name, "", "not listed", "add it to plugin_list"))

    def properties(self) -> dict[str, Any]:
        """Give the plugins' states, and what was not loaded, under 'plugins'."""
        there = [cell.as_record() for cell in self.cells]
        return {"plugins": there + [one.as_record() for one in self.not_loaded]}

    def owner(self, module_name: str) -> str | None:
        """Give the plugin package that an imported module belongs to, or None."""
        for prefix, package in self._modules.items():
            if module_name == prefix or module_name.startswith(prefix + "."):
                return package
        return None

    def refuse(self, name: str, class_name: str, why: str) -> None:
        """Note, and log, that something is not there."""
        self._log.error(
            "not loaded: {name} {class_name}: {why}", name=name, class_name=class_name, why=why
        )
        self.not_loaded.append(NotLoaded(name, class_name, "failed", why))

    # -- packages, modules, classes ------------------------------------------------------------

    def _load_package(self, name: str) -> None:
        found = self._found.get(name)
        if name in RESERVED:
            self.refuse(name, "", f"the name is reserved: {', '.join(sorted(RESERVED))}")
        elif not name.isidentifier():
            self.refuse(name, "", "a package's name is a Python identifier")
        elif found is None:
            there = ", ".join(sorted(self._found)) or "none"
            self.refuse(
                name, "", f"no such package in plugin_dirs or installed; there are: {there}"
            )
        else:
            package = self._import(found.module, name)
            if package is not None:
                self._modules[found.module] = name
                self._load_modules(found, package)

    def _load_modules(self, found: Found, package: ModuleType) -> None:
        modules = getattr(package, "__all__", None)
        if modules is None:
            self.refuse(found.name, "", "its __init__.py has no __all__: list its modules there")
            return
        if isinstance(modules, str) or not isinstance(modules, Iterable):
            self.refuse(found.name, "", "its __all__ is no list of module names")
            return
        for module in modules:
            self._load_module(found, str(module))

    def _load_module(self, found: Found, name: str) -> None:
        dotted = f"{found.name}.{name}"
        module = self._import(f"{found.module}.{name}", dotted)
        if module is None:
            return
        loaded = 0
        for class_name, cls in inspect.getmembers(module, inspect.isclass):
            if not class_name.startswith("X_") or cls.__module__ != module.__name__:
                continue
            loaded += 1
            if issubclass(cls, Co2Plugin):
                self.add(found, name, cls)
            else:
                self.refuse(dotted, class_name, "it is no subclass of plugin.Co2Plugin")
        if not loaded:
            self.refuse(dotted, "", "it defines no class whose name begins with X_")

    def add(self, found: Found, module: str, cls: type[Co2Plugin]) -> Cell | None:
        """Make a plugin of a class, in a cell; None if that fails, and then it is noted why."""
        dotted = f"{found.name}.{module}"
        try:
            plugin = cls(self._var_dict(found, module))
            if not hasattr(plugin, "_relay_method"):
                raise TypeError(
                    "its __init__ does not call plugin.Co2Plugin.__init__(self, var_dict)"
                )
        except (Exception, SystemExit) as error:
            self._failed(dotted, cls.__name__, error, "__init__")
            return None
        worker = Worker(f"{dotted}.{cls.__name__}", self._reactor) if plugin.threaded else None
        cell = Cell(plugin, found.name, module, self._clock, self._receive_timeout, worker)
        self.cells.append(cell)
        return cell

    def _import(self, module: str, dotted: str) -> ModuleType | None:
        try:
            return importlib.import_module(module)
        except (Exception, SystemExit) as error:
            self._failed(dotted, "", error, "import")
            return None

    def _failed(self, dotted: str, class_name: str, error: BaseException, stage: str) -> None:
        self._log.failure(
            "{name} {class_name}: {stage} raised",
            Failure(error),
            name=dotted,
            class_name=class_name,
            stage=stage,
        )
        why = f"{stage} raised {type(error).__name__}: {words(error)}"
        self.not_loaded.append(NotLoaded(dotted, class_name, "failed", why))

    # -- what a plugin is given ----------------------------------------------------------------

    def _var_dict(self, found: Found, module: str) -> dict[str, Any]:
        package = importlib.import_module(found.module)
        folders = [str(folder) for folder in found.config_dirs]
        folders.extend(one for one in package.__path__ if one not in folders)
        log = Logger(namespace=f"plugin.{found.name}.{module}")
        return {
            "relay_method": self._send,
            "log_method": lambda caller, msg: log.info("{caller}: {msg}", caller=caller, msg=msg),
            "debug_method": lambda caller, msg: log.debug(
                "{caller}: {msg}", caller=caller, msg=msg
            ),
            "dotted_name": f"{found.name}.{module}",
            "config_filename": f"{module}_config",
            "config_dirs": folders,
        }
