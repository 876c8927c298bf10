"""The command table: `COMMAND_NAME PERMISSION python_function`, one command a line.

Decides what a table says, and complains of every bad line with its number. Runs of blanks and
tabs separate; the original insists on one blank, and dies of a tab.
"""

from __future__ import annotations

import difflib

from attrs import frozen

from plugin.snake.cedar.commands import (
    DC_AUTHENTICATE,
    DC_NOP,
    DC_SEC_QUERY,
    LEVELS,
    NAMES,
    NOP_LEVEL,
    number_of,
)
from plugin.snake.language.macros import Line

_OURS = frozenset({DC_AUTHENTICATE, DC_NOP, DC_SEC_QUERY, *NOP_LEVEL})


@frozen
class Entry:
    """One command: its number and name, the level it needs, the function that answers it."""

    number: int
    name: str
    level: str
    function: str
    line: int


def parse_table(lines: tuple[Line, ...], complaints: list[str]) -> dict[int, Entry]:
    """Read a table.

    Args:
        lines: the block's lines.
        complaints: gets one text for each thing that is wrong.

    Returns:
        the entries by command number.
    """
    table: dict[int, Entry] = {}
    for line in lines:
        words = line.text.split()
        if not words or words[0].startswith("#"):
            continue
        entry = _entry(words, line.number, complaints)
        if entry is None:
            continue
        earlier = table.get(entry.number)
        if earlier is not None:
            complaints.append(
                f"line {line.number}: {entry.name} is in the table already, at line {earlier.line}"
            )
            continue
        table[entry.number] = entry
    return table


def _entry(words: list[str], line: int, complaints: list[str]) -> Entry | None:
    if len(words) != 3:
        complaints.append(
            f"line {line}: COMMAND PERMISSION function wanted, and there are {len(words)} words"
        )
        return None
    number = number_of(words[0])
    wrong = _wrong(words, number)
    if wrong is not None or number is None:
        complaints.append(f"line {line}: {wrong}")
        return None
    return Entry(number, NAMES[number], words[1].upper(), words[2], line)


def _wrong(words: list[str], number: int | None) -> str | None:
    name, level, function = words
    if number is None:
        return f"there is no command {name}{_meant(name, list(NAMES.values()))}"
    if number in _OURS:
        return f"{name.upper()} is answered by the daemon itself"
    if level.upper() not in LEVELS:
        return f"there is no permission {level}{_meant(level, list(LEVELS))}"
    return None if function.isidentifier() else f"{function} is no name of a function"


def _meant(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word.upper(), known, 1)
    return f"; {close[0]}, perhaps?" if close else ""
