"""One version of a genus's code: loaded and checked as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import ModuleType
from typing import Any

from plugin.snake.classads.ad import ClassAd
from plugin.snake.handlers.imports import CodeError, PrivateImports, is_handler
from plugin.snake.language.genus import Genus

Handler = Callable[[int], Generator[Any, Any, Any]]
Poller = Callable[[], Generator[Any, Any, Any]]


class Code:
    """What a genus's `snake` brings.

    Args:
        module: it.
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def handler(self, name: str) -> Handler:
        """Give a command's function."""
        function: Handler = getattr(self._module, name)
        return function

    def poller(self, name: str) -> Poller:
        """Give the function that polls."""
        function: Poller = getattr(self._module, name)
        return function

    def updated_ad(self, ad: ClassAd) -> Any:
        """Let `updateDaemonAd` have its say.

        Returns:
            whatever it returns; None if there is no such function.

        Raises:
            Exception: whatever it raises.
        """
        function = getattr(self._module, "updateDaemonAd", None)
        return None if function is None else function(ad)


def load(genus: Genus) -> Code:
    """Import a genus's code, and check that what its configuration names is there.

    Raises:
        CodeError: with every complaint; nothing of it is used then.
    """
    module = PrivateImports(genus.snake_path, genus.real_classad2).load()
    complaints = [
        complaint
        for entry in genus.table.values()
        if (complaint := _complaint(module, entry.function, f"line {entry.line}: {entry.name}"))
    ]
    if genus.polling is not None:
        complaint = _complaint(module, genus.polling.function, "SNAKE_POLLING")
        complaints += [complaint] if complaint else []
    if complaints:
        raise CodeError(complaints)
    return Code(module)


def _complaint(module: ModuleType, name: str, where: str) -> str | None:
    function = getattr(module, name, None)
    if function is None:
        return f"{where}: snake has no function {name}"
    if not is_handler(function):
        return f"{where}: snake.{name} is no generator function; it needs a `yield`"
    return None
