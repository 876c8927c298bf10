"""Which methods there are: one flat dict from wire name to entry, filled at load time.

It decides which names may be claimed, and by whom. A name on the wire is only ever looked up in
that dict; nothing walks along its dots. It knows nothing of callers, rights or running.

Invariants: every name of a procedure, aliases included, leads to the same entry, or none does; the
first claim on a name stands until it is withdrawn; the server's own prefixes and bare names never
lead to a plugin's method, and a plugin's names begin with its package.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from attrs import frozen

from co2.errors import LocalError, NameTaken
from co2.interfaces import IProcedureSource
from co2.model.calls import Level
from co2.model.procedure import Procedure
from co2.rpc.binding import Bind, Bound
from co2.rpc.signature import Signature

SERVER_PREFIXES = frozenset({"co2", "system", "sys", "relay", "web"})
"""First words of names that only the server may claim; names without a dot are its own too."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*(?:\.[A-Za-z0-9][A-Za-z0-9_]*)*\Z")
_LONGEST_NAME = 255
_SHOWN_NAME = 80


@frozen
class Entry:
    """A procedure as dispatch uses it; `converses` says that its function is a generator."""

    procedure: Procedure
    signature: Signature
    converses: bool
    bind: Bind
    function: Callable[..., Any]
    level: Level
    passes_caller: bool

    @classmethod
    def of(cls, procedure: Procedure) -> Entry:
        """Compile a procedure."""
        signature = Signature.of(procedure.subject, procedure.passes_caller, procedure.name)
        converses = _is_generator_function(procedure.subject)
        return cls(
            procedure,
            signature,
            converses,
            _binding(procedure, signature, converses),
            procedure.function,
            procedure.level,
            procedure.passes_caller,
        )


class Refusal(NamedTuple):
    """A procedure that was not entered, and why."""

    procedure: Procedure
    reason: LocalError


class Registry:
    """The methods of one server."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self.find: Callable[[str], Entry | None] = self._entries.get
        """Give the entry of a wire name, or None; as fast as the dict, for that is what it is."""

    def names(self) -> list[str]:
        """Give every name that can be called, aliases included, sorted."""
        return sorted(self._entries)

    def enter(self, procedure: Procedure) -> Entry:
        """Enter one procedure under all its names, or under none.

        Raises:
            NameTaken: another holds one of its names, or the name is the server's.
            LocalError: a name is malformed.
        """
        for name in procedure.names:
            self._check(name, procedure)
        entry = Entry.of(procedure)
        for name in procedure.names:
            self._entries[name] = entry
        return entry

    def enter_source(self, source: IProcedureSource) -> list[Refusal]:
        """Enter what a source brings, apart from what clashes.

        Every name is checked before any is entered. One bad name costs a plugin that one
        procedure, not the others: they are shown as refused and the rest works.

        Returns:
            the refused procedures with the reasons, empty if all is well.
        """
        accepted, refusals = self._judged(source)
        self._take(accepted)
        return refusals

    def renew(self, source: IProcedureSource, owner: str) -> list[Refusal]:
        """Enter what a source brings now in place of all that its owner has.

        Args:
            source: whose procedures are all that owner's.
            owner: the plugin, as its procedures name it.

        Returns:
            the refused procedures with the reasons, as `enter_source`.
        """
        accepted, refusals = self._judged(source, leaving=owner)
        held = [entry.procedure for entry in self._entries.values()]
        self.withdraw(procedure for procedure in held if procedure.owner == owner)
        self._take(accepted)
        return refusals

    def _judged(
        self, source: IProcedureSource, leaving: str = ""
    ) -> tuple[list[Entry], list[Refusal]]:
        """Check every name of a source before any is entered."""
        accepted: list[Entry] = []
        refusals: list[Refusal] = []
        claimed: dict[str, Procedure] = {}
        for procedure in source.procedures():
            try:
                for name in procedure.names:
                    self._check(name, procedure, claimed, leaving)
            except LocalError as reason:
                refusals.append(Refusal(procedure, reason))
            else:
                accepted.append(Entry.of(procedure))
                claimed.update(dict.fromkeys(procedure.names, procedure))
        return accepted, refusals

    def _take(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._entries.update(dict.fromkeys(entry.procedure.names, entry))

    def withdraw(self, procedures: Iterable[Procedure]) -> None:
        """Remove procedures; a name that by now is another's stays that other's."""
        for procedure in procedures:
            for name in procedure.names:
                entry = self._entries.get(name)
                if entry is not None and entry.procedure is procedure:
                    del self._entries[name]

    def _check(
        self,
        name: str,
        procedure: Procedure,
        claimed: dict[str, Procedure] | None = None,
        leaving: str = "",
    ) -> None:
        _check_name(name, procedure.owner)
        entry = self._entries.get(name)
        if entry is not None and leaving and entry.procedure.owner == leaving:
            entry = None
        holder = (claimed or {}).get(name) if entry is None else entry.procedure
        if holder is not None:
            raise NameTaken(
                f"the method name {name} is held by {_holder(holder)}; "
                f"{_holder(procedure)} must choose another"
            )


def _check_name(name: str, owner: str) -> None:
    if len(name) > _LONGEST_NAME or not _NAME.match(name):
        raise LocalError(
            f"{shown_name(name)} cannot be a method name: words of A-Z a-z 0-9 _ with dots between,"
            f" none beginning with _, at most {_LONGEST_NAME} characters"
        )
    package, dot, _ = name.partition(".")
    if not owner:
        return
    if not dot or package in SERVER_PREFIXES:
        raise NameTaken(
            f"the method name {name} is the server's own; "
            f"the plugin {owner} names its methods {owner.partition('.')[0]}.…"
        )
    if package != owner.partition(".")[0]:
        raise NameTaken(
            f"the method name {name} does not begin with the package of the plugin {owner}"
        )


def shown_name(name: str) -> str:
    """Give a name from the wire as a text may show it: quoted, escaped, and not too long."""
    return ascii(name if len(name) <= _SHOWN_NAME else name[:_SHOWN_NAME] + "...")


def _holder(procedure: Procedure) -> str:
    return f"the plugin {procedure.owner}" if procedure.owner else "the server"


def _is_generator_function(function: Callable[..., Any]) -> bool:
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _binding(procedure: Procedure, signature: Signature, converses: bool) -> Bind:
    if procedure.whole:
        return _bind_all
    if converses and signature.parameters.nothing:
        return _bind_none
    return signature.bind


def _bind_all(params: tuple[Any, ...]) -> Bound:
    return (params,), {}


def _bind_none(params: tuple[Any, ...]) -> Bound:
    """A conversation that declares no parameter: the arguments are its first input."""
    return (), {}
