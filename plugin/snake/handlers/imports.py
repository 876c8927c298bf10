"""Imports the `snake` of one genus, unseen by everyone else.

How it works. Modules found in the genus's own path live in a dict of their own, not in
`sys.modules`, and are executed with a `__builtins__` whose `__import__` looks there first. So two
genera, or the old and the new version during a reconfiguration, never see each other's `snake`,
and `classad2` can be ours without hiding the real one from the rest of the process. Everything
that is not in the path is imported as usual.

Sources are compiled afresh each time: a cached file is trusted by its time in whole seconds, and
people edit and reconfigure within one.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from plugin.snake.classads import face
from plugin.snake.handlers.sentinel import end_of_message

PACKAGE = "snake"


class CodeError(Exception):
    """The genus's code cannot be used; `complaints` says why. Its cause has the traceback."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__("; ".join(complaints))
        self.complaints = complaints


class PrivateImports:
    """The modules of one version of one genus.

    Args:
        path: directories that are searched, in order.
        real_classad2: `import classad2` gives the real one, and not ours.
    """

    def __init__(self, path: tuple[Path, ...], real_classad2: bool = False) -> None:
        self._path = [str(part.resolve()) for part in path]
        self._modules: dict[str, ModuleType] = {}
        # names that are not in the path: an import inside a handler costs no look at the disk
        self._public: set[str] = set()
        if not real_classad2:
            self._modules["classad2"] = face
        self._builtins = dict(vars(builtins), __import__=self._import)

    def load(self) -> ModuleType:
        """Import `snake`.

        Raises:
            CodeError: there is none, or it raised.
        """
        importlib.invalidate_caches()
        try:
            module = self._find(PACKAGE)
        except Exception as error:
            where = f"{type(error).__name__}: {error}"
            raise CodeError([f"importing {PACKAGE} failed: {where}"]) from error
        if module is None:
            raise CodeError([f"no module {PACKAGE} is in the directories of the SNAKE_PATH"])
        return module

    def _import(
        self,
        name: str,
        globals: dict[str, Any] | None = None,
        locals: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> ModuleType:
        absolute = _absolute(name, globals or {}, level)
        top = absolute.partition(".")[0]
        module = None if top in self._public else self._find_dotted(absolute)
        if module is None:
            if top in self._modules:
                raise ModuleNotFoundError(f"No module named {absolute!r}", name=absolute)
            self._public.add(top)
            return builtins.__import__(name, globals, locals, fromlist, level)
        if not fromlist:
            return module if level else self._modules[top]
        for child in fromlist:
            if child != "*" and not hasattr(module, child) and hasattr(module, "__path__"):
                self._find_dotted(f"{absolute}.{child}")
        return module

    def _find_dotted(self, name: str) -> ModuleType | None:
        """Import a dotted name with the packages above it."""
        module: ModuleType | None = None
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            module = self._find(".".join(parts[:count]), module)
            if module is None:
                return None
        return module

    def _find(self, name: str, parent: ModuleType | None = None) -> ModuleType | None:
        known = self._modules.get(name)
        if known is not None:
            return known
        where = self._path if parent is None else list(getattr(parent, "__path__", []))
        spec = PathFinder.find_spec(name, where)
        if spec is None:
            return None
        module = self._execute(spec)
        if parent is not None:
            setattr(parent, name.rpartition(".")[2], module)
        return module

    def _execute(self, spec: ModuleSpec) -> ModuleType:
        module = module_from_spec(spec)
        module.__dict__["__builtins__"] = self._builtins
        if spec.name == PACKAGE:
            module.__dict__["end_of_message"] = end_of_message
        self._modules[spec.name] = module
        try:
            _run(spec, module)
        except BaseException:
            del self._modules[spec.name]
            raise
        return module


def _run(spec: ModuleSpec, module: ModuleType) -> None:
    loader = spec.loader
    if isinstance(loader, SourceFileLoader):
        source = loader.get_data(loader.path)
        # this is what the daemon is for: running the administrator's code
        exec(compile(source, loader.path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    elif loader is not None:
        loader.exec_module(module)


def _absolute(name: str, importer: dict[str, Any], level: int) -> str:
    if level == 0:
        return name
    package = importer.get("__package__") or importer.get("__name__", "")
    above = package.split(".")
    kept = ".".join(above[: len(above) - level + 1])
    return f"{kept}.{name}" if name else kept


def is_handler(function: Any) -> bool:
    """Tell whether calling this gives a generator."""
    return inspect.isgeneratorfunction(inspect.unwrap(function)) if callable(function) else False
