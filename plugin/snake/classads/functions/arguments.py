"""Functions of command lines and environments, as HTCondor's job descriptions write them.

Two ways of writing: the first, V1, has no quotes; in the second, V2, white space stands inside
single quotes, and a quote is doubled there. Environments come out sorted by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from plugin.snake.classads.evaluate import ListValue, Scope
from plugin.snake.classads.functions.registry import eager
from plugin.snake.classads.nodes import Literal
from plugin.snake.classads.values import ERROR, UNDEFINED

_WORD = re.compile(r"(?:[^ \t\r\n']|'(?:[^']|'')*')+")
_PIECE = re.compile(r"'((?:[^']|'')*)'|[^']+")
_SPECIAL = re.compile(r"[ \t\r\n']+")
_BLANKS = re.compile(r"[ \t\r\n]+")
_V1, _V2 = 1, 2


def _words(text: str) -> list[str] | None:
    """Split as V2 says; None if a quote is left open."""
    words = []
    position = 0
    for match in _WORD.finditer(text):
        if _BLANKS.sub("", text[position : match.start()]):
            return None
        position = match.end()
        words.append(_PIECE.sub(_unquoted, match.group()))
    return None if _BLANKS.sub("", text[position:]) else words


def _unquoted(piece: re.Match[str]) -> str:
    return piece.group() if piece.group(1) is None else piece.group(1).replace("''", "'")


def _quoted(word: str) -> str:
    return _SPECIAL.sub(lambda run: "'" + run.group().replace("'", "''") + "'", word)


@eager("argsToList", least=1, most=2, on_undefined=ERROR)
def args_to_list(text: Any, version: Any = _V2) -> Any:
    """The words of a command line as a list."""
    if type(text) is not str or type(version) is not int or version not in (_V1, _V2):
        return ERROR
    words = _words(text) if version == _V2 else [word for word in _BLANKS.split(text) if word]
    return ERROR if words is None else ListValue(tuple(map(Literal, words)), Scope({}))


@eager("listToArgs", least=1, most=2, on_undefined=ERROR)
def list_to_args(items: Any, version: Any = _V2) -> Any:
    """A list of words as a command line; ERROR if V1 has no way to write one of them."""
    if not isinstance(items, ListValue) or type(version) is not int or version not in (_V1, _V2):
        return ERROR
    words = items.values()
    if not all(type(word) is str for word in words):
        return ERROR
    if version == _V2:
        return " ".join(_quoted(word) or "''" for word in words)
    return ERROR if any(_BLANKS.search(word) for word in words) else " ".join(words)


def _environment(settings: Iterable[str]) -> dict[str, str] | None:
    """Read `NAME=value` each; a later one of a name counts."""
    found = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not name or not sign:
            return None
        found[name] = value
    return found


def _written(environment: dict[str, str]) -> str:
    names = sorted(environment, key=lambda name: name.encode("utf-8", "surrogateescape"))
    return " ".join(_quoted(f"{name}={environment[name]}") for name in names)


@eager("envV1ToV2", least=1)
def env_v1_to_v2(text: Any) -> Any:
    """An environment with `;` between its settings as one of V2."""
    if type(text) is not str:
        return ERROR
    settings = [setting.lstrip(" \t\r\n") for setting in re.split("[;\n]", text)]
    environment = _environment(setting for setting in settings if setting)
    return ERROR if environment is None else _written(environment)


@eager("mergeEnvironment", least=0, most=-1, passes_undefined=True)
def merge_environment(*texts: Any) -> Any:
    """Environments of V2 as one; later ones count, UNDEFINED ones do not."""
    merged: dict[str, str] = {}
    for text in texts:
        words = _words(text) if type(text) is str else [] if text is UNDEFINED else None
        environment = None if words is None else _environment(words)
        if environment is None:
            return ERROR
        merged |= environment
    return _written(merged)
