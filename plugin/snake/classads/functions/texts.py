"""Functions of strings: joining, cutting, comparing, and regular expressions."""

from __future__ import annotations

import functools
import re
from typing import Any

from plugin.snake.classads.evaluate import MAX_TEXT, ListValue, Scope
from plugin.snake.classads.functions.registry import as_text, eager, worst
from plugin.snake.classads.nodes import Literal
from plugin.snake.classads.patterns import Pattern
from plugin.snake.classads.values import ERROR, UNDEFINED, Value

_OPTIONS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
_REFERENCE = re.compile(r"\\(\d)")


@eager("strcat", least=0, most=-1, passes_undefined=True)
def strcat(*values: Any) -> Any:
    """All arguments as text, one after the other; the first that is no value is the result."""
    for value in values:
        if value is UNDEFINED or value is ERROR:
            return value
    texts = [as_text(value) for value in values]
    return ERROR if sum(map(len, texts)) > MAX_TEXT else "".join(texts)


@eager("join", least=0, most=-1, passes_undefined=True)
def join(*values: Any) -> Any:
    """A list, or the arguments, as text with the first argument between."""
    if len(values) == 1 and isinstance(values[0], (ListValue, Value)):
        values = ("", values[0])
    if len(values) < 2:
        return ""
    items = list(values[1:])
    if len(values) == 2 and isinstance(values[1], ListValue):
        items = values[1].values()
    if values[0] is ERROR or worst(items) is ERROR:
        return ERROR
    separator = "" if values[0] is UNDEFINED else as_text(values[0])
    known = [as_text(item) for item in items if item is not UNDEFINED]
    if sum(map(len, known)) + len(separator) * len(known) > MAX_TEXT:
        return ERROR
    nothing = items or values[0] is UNDEFINED
    return UNDEFINED if nothing and not known else separator.join(known)


@eager("toUpper", least=1)
def to_upper(value: Any) -> Any:
    """ASCII letters in capitals."""
    return _ascii(as_text(value), bytes.upper)


@eager("toLower", least=1)
def to_lower(value: Any) -> Any:
    """ASCII letters in small."""
    return _ascii(as_text(value), bytes.lower)


def _ascii(text: str, change: Any) -> str:
    raw: bytes = change(text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


@eager("substr", least=2, most=3, first=UNDEFINED)
def substr(text: Any, offset: Any, length: Any = None) -> Any:
    """A part, counted in bytes; negative numbers count from the end."""
    if type(text) is not str or type(offset) is not int or type(length) not in (int, type(None)):
        return ERROR
    raw = text.encode("utf-8", "surrogateescape")
    start = min(max(offset + len(raw), 0) if offset < 0 else offset, len(raw))
    stop = len(raw) if length is None else start + length if length >= 0 else len(raw) + length
    return raw[start : max(stop, start)].decode("utf-8", "surrogateescape")


@eager("size", least=1)
def size(value: Any) -> Any:
    """The bytes of a string, the items of a list, the attributes of an ad."""
    if type(value) is str:
        return len(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, ListValue):
        return len(value.items)
    return len(value.attributes) if isinstance(value, Scope) else ERROR


@eager("strcmp", least=2, first=UNDEFINED)
def strcmp(left: Any, right: Any) -> Any:
    """-1, 0 or 1: how two values compare as text."""
    one, other = (as_text(value).encode("utf-8", "surrogateescape") for value in (left, right))
    return (one > other) - (one < other)


@eager("stricmp", least=2, first=UNDEFINED)
def stricmp(left: Any, right: Any) -> Any:
    """As strcmp, without regard to the case of ASCII letters."""
    return strcmp(to_lower(left), to_lower(right))


# --- regular expressions ----------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def compiled(pattern: str, options: str) -> Pattern | None:
    """Give a pattern, or None where it is none; see `patterns` for what is refused."""
    flags = re.RegexFlag(0)
    for letter in options.lower():
        flags |= _OPTIONS.get(letter, re.RegexFlag(0))
    return Pattern.of(pattern, flags | re.ASCII)


def pattern_of(pattern: Any, options: Any = "") -> Pattern | None:
    """Give the pattern of two values, None where one of them is no string or no pattern."""
    if type(pattern) is not str or type(options) is not str:
        return None
    whole = "f" in options.lower()
    return compiled(f"^(?:{pattern})$" if whole else pattern, options)


def search_cost(pattern: Any, text: Any, options: Any = "") -> int:
    """Give the steps of looking for a pattern in a text."""
    found = pattern_of(pattern, options)
    return 0 if found is None or type(text) is not str else found.cost(text)


def _searched(pattern: Pattern, text: str) -> Any:
    """Give the match or None; ERROR where looking for it could take too long."""
    return pattern.search(text) if pattern.is_quick(text) else ERROR


@eager("regexp", least=2, most=3, cost=search_cost)
def regexp(pattern: Any, text: Any, options: Any = "") -> Any:
    """Whether a pattern is found in a text."""
    found = pattern_of(pattern, options)
    if found is None or type(text) is not str:
        return ERROR
    match = _searched(found, text)
    return ERROR if match is ERROR else match is not None


@eager("regexpMember", least=2, most=3)
def regexp_member(pattern: Any, items: Any, options: Any = "") -> Any:
    """Whether a pattern is found in an item of a list."""
    found = pattern_of(pattern, options)
    if found is None or not isinstance(items, ListValue):
        return ERROR
    seen: Any = False
    for value in items.values():
        if type(value) is str:
            items.scope.budget.spend(found.cost(value))
        match = _searched(found, value) if type(value) is str else value
        if match is UNDEFINED:
            seen = seen if seen is ERROR else UNDEFINED
        elif type(value) is not str or match is ERROR:
            seen = ERROR
        elif match:
            return True
    return seen


@eager("regexps", least=3, most=4, cost=lambda p, t, _, o="": search_cost(p, t, o))
def regexps(pattern: Any, text: Any, template: Any, options: Any = "") -> Any:
    r"""A template with `\0` to `\9` replaced by what was found; `""` if nothing was."""
    found = pattern_of(pattern, options)
    if found is None or type(text) is not str or type(template) is not str:
        return ERROR
    match = _searched(found, text)
    if match is None or match is ERROR:
        return "" if match is None else ERROR
    return filled(template, match)


def filled(template: str, match: re.Match[str]) -> Any:
    r"""Replace `\0` to `\9` in a template by the groups of a match; ERROR if that is too long."""
    references = len(_REFERENCE.findall(template))
    if len(template) + references * len(match.group()) > MAX_TEXT:
        return ERROR

    def group(reference: re.Match[str]) -> str:
        number = int(reference.group(1))
        return (match.group(number) or "") if number <= (match.re.groups or 0) else ""

    return _REFERENCE.sub(group, template)


# --- names ------------------------------------------------------------------------------------


def _pair(text: Any, empty_first: bool) -> Any:
    if type(text) is not str:
        return ERROR
    before, sign, after = text.partition("@")
    pair = ("", text) if not sign and empty_first else (before, after)
    return ListValue(tuple(map(Literal, pair)), Scope({}))


@eager("splitUserName", least=1, on_undefined=ERROR)
def split_user_name(text: Any) -> Any:
    """`user@domain` as a list of two; without `@` the whole is the user."""
    return _pair(text, empty_first=False)


@eager("splitSlotName", least=1, on_undefined=ERROR)
def split_slot_name(text: Any) -> Any:
    """`slot1@machine` as a list of two; without `@` the whole is the machine."""
    return _pair(text, empty_first=True)


@eager("split", least=1, most=2, on_undefined=ERROR)
def split(text: Any, separators: Any = None) -> Any:
    """The words of a text as a list; between separators of one's own, white space stays."""
    if type(text) is not str or type(separators) not in (str, type(None)):
        return ERROR
    if separators is None:
        parts = words(text, ", \t")
    else:
        parts = re.split("[" + re.escape(separators) + "]", text) if separators else [text]
    return ListValue(tuple(Literal(part) for part in parts if part), Scope({}))


def words(text: str, separators: str = ", ") -> list[str]:
    """Split at any of the separators; the white space around a word is none of it."""
    if not separators:
        return [text] if text else []
    parts = re.split("[" + re.escape(separators) + "]", text)
    return [part.strip() for part in parts if part.strip()]
