"""Configuration text -> macros: `NAME = value`, `NAME @=end … @end`, `$(NAME)`.

Decides the language only; which names mean something is `genus`. Values are expanded when they
are asked for, so a later definition counts for earlier uses, as in HTCondor. `_CONDOR_NAME` in
the environment overrides NAME.

Nothing raises here but `ConfigError`, which lists every complaint at once with its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import define, field, frozen

_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)\s*(@?)=\s*(.*)", re.DOTALL)
_USE = re.compile(r"\$(ENV)?\(([^()$:]+)(?::([^()]*))?\)")
_SLIP = re.compile(r"\$\(([A-Z_]+)\)(\.[A-Za-z0-9_]+)")
_MAX_EXPANSIONS = 1000
_DIRECTORIES = {
    "LOCAL_DIR": ".",
    "LOG": "$(LOCAL_DIR)/log",
    "ETC": "$(LOCAL_DIR)/etc",
    "LIB": "$(LOCAL_DIR)/lib",
    "SBIN": "$(LOCAL_DIR)/sbin",
}
"""What HTCondor always defines, relative to where the daemon was started."""


class ConfigError(Exception):
    """The configuration cannot be used; `complaints` says why, one text each."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__("; ".join(complaints))
        self.complaints = complaints


@frozen
class Line:
    """One line of a value, and where it stands in the file."""

    text: str
    number: int


@frozen
class Macro:
    """A definition: its name as written, the raw value, and where it begins."""

    name: str
    value: str
    line: int
    block: tuple[Line, ...] = ()


@define
class Macros:
    """All definitions of a configuration; names are case-insensitive."""

    definitions: dict[str, Macro]
    environment: Mapping[str, str] = field(factory=dict)
    warnings: list[str] = field(factory=list)

    def definition(self, name: str) -> Macro | None:
        """Give a definition, unexpanded; the environment's comes first."""
        overridden = self.environment.get(f"_CONDOR_{name}")
        if overridden is not None:
            return Macro(name, overridden, 0)
        return self.definitions.get(name.upper())

    def names(self) -> list[str]:
        """Give the name of every definition, those of the environment too, as they are written."""
        overriding = [name for name in self.environment if name.startswith("_CONDOR_")]
        own = [macro.name for macro in self.definitions.values()]
        return [*own, *(name.removeprefix("_CONDOR_") for name in overriding)]

    def get(self, name: str, default: str = "") -> str:
        """Give an expanded value.

        Raises:
            ConfigError: it refers to itself.
        """
        macro = self.definition(name)
        value = default if macro is None else macro.value
        return self.expand(value, 0 if macro is None else macro.line).strip()

    def expand(self, value: str, line: int = 0) -> str:
        """Replace every `$(NAME)`, `$(NAME:default)` and `$ENV(NAME)`.

        Raises:
            ConfigError: a name refers to itself.
        """
        for _ in range(_MAX_EXPANSIONS):
            match = _USE.search(value)
            if match is None:
                return value
            value = value[: match.start()] + self._used(match, line) + value[match.end() :]
            if len(value) > 1_000_000:
                break
        raise ConfigError([f"line {line}: a macro refers to itself"])

    def _used(self, match: re.Match[str], line: int) -> str:
        environment, name, default = match.groups()
        if environment:
            return self.environment.get(name, default or "")
        macro = self.definition(name)
        if macro is not None:
            return macro.value
        if default is None:
            self.warn(line, f"$({name}) is not defined, and stands for nothing")
        return default or ""

    def warn(self, line: int, text: str) -> None:
        """Note something that is probably not meant so; each once."""
        warning = f"line {line}: {text}"
        if warning not in self.warnings:
            self.warnings.append(warning)


def parse(text: str, environment: Mapping[str, str] | None = None) -> Macros:
    """Read a configuration.

    Args:
        text: the file's text; lines may be indented.
        environment: the process's, for overrides and `$ENV()`.

    Raises:
        ConfigError: with every line that is no definition.
    """
    definitions = {name: Macro(name, value, 0) for name, value in _DIRECTORIES.items()}
    macros = Macros(definitions, environment or {})
    complaints: list[str] = []
    lines = [Line(line, number) for number, line in enumerate(text.splitlines(), 1)]
    while lines:
        _statement(lines, macros, complaints)
    if complaints:
        raise ConfigError(complaints)
    return macros


def _statement(lines: list[Line], macros: Macros, complaints: list[str]) -> None:
    first = lines.pop(0)
    text = first.text.strip()
    if not text or text.startswith("#"):
        return
    while text.endswith("\\") and lines:
        text = text[:-1].rstrip() + " " + lines.pop(0).text.strip()
    match = _ASSIGNED.fullmatch(text)
    if match is None:
        complaints.append(f"line {first.number}: neither NAME = value nor a comment: {text[:60]!r}")
        return
    name, is_block, value = match.groups()
    if is_block:
        macro = _block(name, value.strip(), first.number, lines, complaints)
    else:
        macro = Macro(name, value.strip(), first.number)
        _look_for_slips(macro, macros)
    macros.definitions[name.upper()] = macro


def _block(name: str, tag: str, start: int, lines: list[Line], complaints: list[str]) -> Macro:
    inside: list[Line] = []
    while lines:
        line = lines.pop(0)
        if line.text.strip() == f"@{tag}":
            return Macro(name, "\n".join(part.text for part in inside), start, tuple(inside))
        inside.append(line)
    complaints.append(f"line {start}: {name} @={tag} has no @{tag}")
    return Macro(name, "", start)


def _look_for_slips(macro: Macro, macros: Macros) -> None:
    match = _SLIP.match(macro.value)
    if match is not None and match[1] in _DIRECTORIES:
        macros.warn(
            macro.line,
            f"{macro.name}: is a slash missing between $({match[1]}) and {match[2]}?",
        )
