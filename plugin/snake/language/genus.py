"""What one genus is told by its configuration, checked, with every complaint at once.

`NAME_…` knobs are looked up by the genus's name; where HTCondor has a knob for all daemons
(`ALLOW_READ`, `COLLECTOR_HOST`), that is the fallback.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from attrs import frozen

from plugin.snake.cedar.negotiation import Wish
from plugin.snake.language.macros import ConfigError, Macros
from plugin.snake.language.rules import Rules
from plugin.snake.language.security import CLIENT, Policies, unread
from plugin.snake.language.table import Entry, parse_table

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_SIGNALS = ("SIGUSR1", "SIGUSR2")
UPDATE_INTERVAL = 300
"""Seconds between two updates of the daemon's ad, unless told otherwise."""


@frozen
class Polling:
    """The function that polls, and the signal that wakes it."""

    function: str
    signal: str


@frozen
class Genus:
    """Everything that a daemon of this genus needs to know."""

    name: str
    snake_path: tuple[Path, ...]
    table: dict[int, Entry]
    polling: Polling | None
    update_interval: int
    address_file: Path | None
    log_file: Path | None
    debug: frozenset[str]
    interface: str
    port: int
    collectors: tuple[str, ...]
    rules: Rules
    policies: Policies
    real_classad2: bool
    warnings: tuple[str, ...]


def read_genus(name: str, macros: Macros) -> Genus:
    """Read what a configuration says to a genus.

    Raises:
        ConfigError: with every complaint.
    """
    complaints: list[str] = []
    reader = _Reader(name, macros, complaints)
    try:
        genus = reader.genus()
    except ConfigError as error:
        raise ConfigError(complaints + error.complaints) from None
    if complaints:
        raise ConfigError(complaints)
    return genus


class _Reader:
    def __init__(self, name: str, macros: Macros, complaints: list[str]) -> None:
        self._name = name
        self._macros = macros
        self._complaints = complaints

    def genus(self) -> Genus:
        if not _NAME.fullmatch(self._name):
            raise ConfigError([f"{self._name!r} is no name of a genus: letters, digits and _"])
        return Genus(
            name=self._name,
            snake_path=self._snake_path(),
            table=self._table(),
            polling=self._polling(),
            update_interval=self._number("UPDATE_INTERVAL", UPDATE_INTERVAL, 1, 10**7),
            address_file=self._path("ADDRESS_FILE"),
            log_file=self._path("LOG"),
            debug=frozenset(self._own("DEBUG").replace(",", " ").upper().split()),
            interface=self._shared("NETWORK_INTERFACE", "127.0.0.1"),
            port=self._number("PORT", 0, 0, 65535),
            collectors=tuple(self._shared("COLLECTOR_HOST").replace(",", " ").split()),
            rules=self._rules(),
            policies=self._policies(),
            real_classad2=self._real_classad2(),
            warnings=tuple(self._macros.warnings),
        )

    def _own(self, knob: str) -> str:
        return self._macros.get(f"{self._name}_{knob}")

    def _shared(self, knob: str, default: str = "") -> str:
        return self._own(knob) or self._macros.get(knob, default)

    def _line(self, knob: str) -> int:
        return self._line_of(f"{self._name}_{knob}") or self._line_of(knob)

    def _line_of(self, name: str) -> int:
        macro = self._macros.definition(name)
        return 0 if macro is None else macro.line

    def _complain(self, knob: str, text: str) -> None:
        self._complaints.append(f"line {self._line(knob)}: {self._name}_{knob}: {text}")

    def _snake_path(self) -> tuple[Path, ...]:
        parts = [part for part in self._own("SNAKE_PATH").split(":") if part]
        if not parts:
            self._complain("SNAKE_PATH", "is needed: the directories that hold the module `snake`")
        return tuple(Path(part) for part in parts)

    def _table(self) -> dict[int, Entry]:
        macro = self._macros.definition(f"{self._name}_SNAKE_COMMAND_TABLE")
        if macro is None:
            return {}
        if not macro.block and macro.value:
            self._complain("SNAKE_COMMAND_TABLE", "write it as a block, @=end … @end")
        return parse_table(macro.block, self._complaints)

    def _polling(self) -> Polling | None:
        words = self._own("SNAKE_POLLING").split()
        if not words:
            return None
        if len(words) != 2 or not words[0].isidentifier() or words[1] not in _SIGNALS:
            self._complain("SNAKE_POLLING", f"`function SIGNAL` wanted, SIGNAL of {_SIGNALS}")
            return None
        return Polling(words[0], words[1])

    def _number(self, knob: str, default: int, least: int, most: int) -> int:
        text = self._own(knob)
        if not text:
            return default
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            self._complain(knob, f"{text!r} is no whole number from {least} to {most}")
            return default
        return int(text)

    def _path(self, knob: str) -> Path | None:
        text = self._own(knob)
        if not text:
            return None
        self._look_for_slips(knob, text)
        return Path(text)

    def _look_for_slips(self, knob: str, text: str) -> None:
        """Warn of a file name that is nearly, and not quite, the genus's."""
        genus = self._name.lower()
        for part in re.findall(r"[a-z]+(?:_[a-z]+)*", Path(text).name):
            stem = part.removesuffix("_address").removesuffix("_log")
            near = difflib.SequenceMatcher(None, stem, genus).ratio()
            if stem != genus and near > 0.8:
                name = f"{self._name}_{knob}"
                self._macros.warn(self._line(knob), f"{name}: is {stem!r} meant to be {genus!r}?")

    def _rules(self) -> Rules:
        def words(knob: str) -> tuple[str, ...]:
            return tuple(self._shared(knob).replace(",", " ").split())

        rules = Rules.read(words)
        for level, denied in rules.deny.items():
            for address in denied.strange():
                # a rule that keeps nobody out must not look like one that does
                self._complain(f"DENY_{level}", f"{address!r} is no IP address, network or pattern")
        for level, allowed in rules.allow.items():
            for address in allowed.strange():
                text = f"ALLOW_{level}: {address!r} is no IP address, and lets nobody in"
                self._macros.warn(self._line(f"ALLOW_{level}"), text)
        return rules

    def _policies(self) -> Policies:
        for name in unread(self._name, self._macros.names()):
            self._warn(name, "is not read here, and changes nothing")
        policies = Policies.read(self._wish)
        if policies.of(CLIENT).authentication is Wish.REQUIRED and self._shared("COLLECTOR_HOST"):
            text = f"SEC_{CLIENT}_AUTHENTICATION: updates go without proof of who sends them"
            self._macros.warn(self._line(f"SEC_{CLIENT}_AUTHENTICATION"), text)
        return policies

    def _warn(self, name: str, text: str) -> None:
        self._macros.warn(self._line_of(name), f"{name}: {text}")

    def _wish(self, knob: str) -> Wish | None:
        spelled = dict.fromkeys((knob.replace("SEC_DEFAULT_", "SEC_"), knob))
        for name in (name for one in spelled for name in (f"{self._name}_{one}", one)):
            text = self._macros.get(name).upper()
            if text in Wish.__members__:
                return Wish[text]
            if text:
                line = self._line_of(name)
                wishes = ", ".join(Wish.__members__)
                self._complaints.append(f"line {line}: {name}: {text!r} is none of {wishes}")
                return None
        return None

    def _real_classad2(self) -> bool:
        text = self._own("SNAKE_CLASSAD2").lower() or "own"
        if text not in ("own", "real"):
            self._complain("SNAKE_CLASSAD2", f"{text!r} is neither own nor real")
        return text == "real"
