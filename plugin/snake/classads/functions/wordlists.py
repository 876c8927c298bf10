"""Functions of string lists, `"a, b, c"`, and of versions, `"8.9.11"`: HTCondor's own additions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from plugin.snake.classads.functions.kinds import to_real
from plugin.snake.classads.functions.registry import as_text, eager, worst
from plugin.snake.classads.functions.texts import pattern_of, words
from plugin.snake.classads.values import ERROR, UNDEFINED, wrapped

_PIECES = re.compile(r"([0-9]+)|(.)", re.DOTALL)


def _numbers(names: list[str]) -> list[float] | None:
    values = [to_real(name) for name in names]
    return None if any(value is ERROR for value in values) else values


def _summary(name: str, empty: Any, finish: Callable[[list[float]], float]) -> None:
    def run(text: Any, separators: Any = ", ") -> Any:
        if type(text) is not str or type(separators) is not str:
            return ERROR
        parts = words(text, separators)
        numbers = _numbers(parts)
        if numbers is None:
            return ERROR
        if not numbers:
            return empty
        result = finish(numbers)
        whole = not any("." in part for part in parts)
        return wrapped(int(result)) if whole else float(result)

    eager(name, least=1, most=2, on_undefined=ERROR)(run)


_summary("stringListSum", 0.0, sum)
_summary("stringListAvg", 0.0, lambda numbers: sum(numbers) / len(numbers))
_summary("stringListMin", UNDEFINED, min)
_summary("stringListMax", UNDEFINED, max)


@eager("stringListSize", least=1, most=2, on_undefined=ERROR)
def string_list_size(text: Any, separators: Any = ", ") -> Any:
    """How many words a string list has."""
    both = type(text) is str and type(separators) is str
    return len(words(text, separators)) if both else ERROR


def _relation(
    name: str, fold: bool, ask: Callable[[list[str], list[str]], bool], alone: bool
) -> None:
    def run(left: Any, right: Any, separators: Any = ", ") -> Any:
        if worst([left, right]) is UNDEFINED and (ask is _meet or left is right):
            return UNDEFINED
        # the original takes UNDEFINED for a word of nothing, or a list of none
        left, right = ("" if value is UNDEFINED else value for value in (left, right))
        separators = ", " if separators is UNDEFINED else separators
        if type(left) is not str or type(right) is not str or type(separators) is not str:
            return ERROR
        one = [left] if alone else words(left, separators)
        other = words(right, separators)
        if fold:
            one, other = [word.lower() for word in one], [word.lower() for word in other]
        return ask(one, other)

    eager(name, least=2, most=3, passes_undefined=True)(run)


def _all_in(one: list[str], other: list[str]) -> bool:
    return set(one) <= set(other)


def _meet(one: list[str], other: list[str]) -> bool:
    return not set(one).isdisjoint(other)


_relation("stringListMember", False, _all_in, alone=True)
_relation("stringListIMember", True, _all_in, alone=True)
_relation("stringListSubsetMatch", False, _all_in, alone=False)
_relation("stringListISubsetMatch", True, _all_in, alone=False)
_relation("stringListsIntersect", False, _meet, alone=False)
_relation("stringListsIIntersect", True, _meet, alone=False)


def _search_cost(pattern: Any, text: Any, separators: Any = ", ", options: Any = "") -> int:
    found = pattern_of(pattern, options)
    if found is None or type(text) is not str or type(separators) is not str:
        return 0
    return sum(map(found.cost, words(text, separators)))


@eager("stringList_regexpMember", least=2, most=4, cost=_search_cost)
def string_list_regexp_member(
    pattern: Any, text: Any, separators: Any = ", ", options: Any = ""
) -> Any:
    """Whether a pattern is found in a word of a string list."""
    found = pattern_of(pattern, options)
    if found is None or type(text) is not str or type(separators) is not str:
        return ERROR
    parts = words(text, separators)
    if not all(map(found.is_quick, parts)):
        return ERROR
    return any(found.search(word) for word in parts)


# --- versions ---------------------------------------------------------------------------------


def _version(text: str) -> list[tuple[int, int]]:
    """Characters compare by their code, a run of digits by its number where another meets it."""
    parts: list[tuple[int, int]] = []
    for digits, other in _PIECES.findall(text):
        parts.append((ord("0"), int(digits[:4000])) if digits else (ord(other), 0))
    return parts


def _version_cost(*values: Any) -> int:
    """A part of a version, which may be one character, is a step."""
    return sum(len(value) for value in values if type(value) is str)


def _versions(name: str, holds: Callable[[Any, Any], bool]) -> None:
    def run(left: Any, right: Any) -> Any:
        return holds(_version(as_text(left)), _version(as_text(right)))

    eager(name, least=2, first=UNDEFINED, cost=_version_cost)(run)


_versions("versionGT", lambda left, right: left > right)
_versions("versionGE", lambda left, right: left >= right)
_versions("versionLT", lambda left, right: left < right)
_versions("versionLE", lambda left, right: left <= right)
_versions("versionEQ", lambda left, right: left == right)


@eager("versioncmp", least=2, first=UNDEFINED, cost=_version_cost)
def version_compare(left: Any, right: Any) -> Any:
    """-1, 0 or 1: how two versions compare."""
    one, other = _version(as_text(left)), _version(as_text(right))
    return (one > other) - (one < other)


@eager("version_in_range", least=3, cost=_version_cost)
def version_in_range(version: Any, lowest: Any, highest: Any) -> Any:
    """Whether a version is neither below the second nor above the third."""
    if not all(type(value) is str for value in (version, lowest, highest)):
        return ERROR
    return _version(lowest) <= _version(version) <= _version(highest)
