"""A method as it is entered in the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from co2.model.calls import Level


@frozen
class Procedure:
    """One callable method.

    Attributes:
        name: as called on the wire.
        function: what runs; it may return a value, a Deferred, a coroutine, or be a generator
            function, sync or async, and then it is a conversation (PROTOCOL section 9).
        level: what a caller needs.
        aliases: further names for the same method.
        described: the function whose signature and docstring are shown and checked, where it is
            not `function` itself (a plugin's method inside its isolation).
        passes_caller: the function's first argument is the `Caller`, which no wire sees.
        whole: the function takes the call's positional values as one tuple, unchecked.
        owner: dotted name of the plugin, for the log; empty for the server's own.
    """

    name: str
    function: Callable[..., Any]
    level: Level = Level.CALL
    aliases: tuple[str, ...] = ()
    described: Callable[..., Any] | None = None
    passes_caller: bool = False
    whole: bool = False
    owner: str = ""

    @property
    def subject(self) -> Callable[..., Any]:
        """The function that signature and help are read from."""
        return self.function if self.described is None else self.described

    @property
    def names(self) -> tuple[str, ...]:
        """Every name the method is called by, its own first."""
        return (self.name, *self.aliases)
