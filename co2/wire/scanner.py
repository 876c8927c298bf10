"""The fast decoder: one compiled regular expression over the usual forms, and nothing else.

It decides nothing about what is refused: where it is not sure it gives None, and the general
decoder reads the whole document again and words the refusal, if there is one.

How it works: `tokens` describes the usual forms. The loop in `_scan_values` takes one token after
the other, so Python runs once for each scalar instead of six callbacks. `append` and `members` are
the two doors of the container that is open: an array has the first, a struct the second, and a
value that comes to the wrong door is not the scanner's business any more.

Invariants:
- What it accepts, the general decoder accepts with an equal result (a test holds the two together).
- It stops at the first place where no token matches, so junk costs one look.
- Values are counted before anything is built, depth as it is opened.
- What XML forbids in text and the tokens let pass is looked for once, in the whole document, which
  is cheaper than in each text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

from co2.model.calls import Call
from co2.wire import tokens
from co2.wire.dates import read_plain_time
from co2.wire.limits import Limits
from co2.wire.references import resolve
from co2.wire.tokens import (
    ARRAY,
    ARRAY_ENDS,
    ARRAY_MEMBER_ENDS,
    DOCUMENT_ENDS,
    INT,
    NAME,
    NEXT_PARAM,
    STRING,
    STRUCT,
    STRUCT_ENDS,
    STRUCT_MEMBER_ENDS,
)
from co2.wire.values import GREATEST_I8, GREATEST_INT, LEAST_I8, LEAST_INT, read_base64
from co2.wire.writing import CONTROLS

BATCH = "system.multicall"
"""The method whose one value is an array of calls."""

_SHORTEST_VALUE = len("<value></value>")
_GREATEST_DOUBLE = 1.7976931348623157e308
_NO_CONTAINER = 0
_NOTHING: frozenset[str] = frozenset()
_CALL_DEPTH = 1
_BATCH_DEPTH = 4
"""Containers around a member of a call's struct: the struct; in a batch also what holds the calls,
the call, and its params."""

Texts = dict[tuple[int, str], str]
"""`<value>…</value>` of members as they stand in the document, by the struct's `id` and name."""

_Container = tuple[Callable[[Any], None], dict[str, Any] | None, int]


class _Unknown(ValueError):
    """Something that the general decoder must look at."""


def scan_call(
    document: bytes, limits: Limits, keep: Mapping[str, str]
) -> tuple[Call, Texts] | None:
    """Read a methodCall of the usual form.

    Args:
        document: the bytes.
        limits: what it must keep within.
        keep: method name to the member, of a struct as first value, whose text is wanted; in the
            calls of a `system.multicall` too.

    Returns:
        the call, and the texts of members that may be the wanted ones, if they are containers (a
        scalar is written anew as quickly); or None: the general decoder must be asked.
    """
    try:
        text = _usable_text(document, limits)
        begin = tokens.CALL_BEGINS.match(text)
        if begin is None:
            return None
        method = begin[1]
        if begin[2] is None:
            return Call(method, ()), {}
        wanted, depth = _wanted(method, keep)
        params, texts = _scan_values(tokens.CALL_TOKENS, text, begin.end(), limits, wanted, depth)
    except ValueError:
        return None
    return Call(method, tuple(params)), texts


def _wanted(method: str, keep: Mapping[str, str]) -> tuple[Collection[str], int]:
    """Give the names of members whose text is wanted, and how deep they stand."""
    if method == BATCH:
        return frozenset(keep.values()), _BATCH_DEPTH
    return (keep[method],) if method in keep else _NOTHING, _CALL_DEPTH


def scan_answer(document: bytes, limits: Limits) -> list[Any] | None:
    """Read a methodResponse of the usual form, which is no fault.

    Returns:
        a list of the one value, or None: the general decoder must be asked.
    """
    try:
        text = _usable_text(document, limits)
        begin = tokens.ANSWER_BEGINS.match(text)
        if begin is None:
            return None
        params, _ = _scan_values(tokens.ANSWER_TOKENS, text, begin.end(), limits, _NOTHING, 0)
    except ValueError:
        return None
    return params if len(params) == 1 else None


def _usable_text(document: bytes, limits: Limits) -> str:
    text = str(document, "utf-8")
    if len(document.translate(None, CONTROLS)) != len(document) or "]]>" in text:
        raise _Unknown
    if len(text) != len(document) and ("\ufffe" in text or "\uffff" in text):
        raise _Unknown
    if "\r" in text:  # XML 1.0, section 2.11: line ends are one newline, before anything is read
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    most = limits.max_values
    if len(text) > most * _SHORTEST_VALUE and text.count("<value>") > most:
        raise _Unknown
    return text


def _scan_values(
    pattern: re.Pattern[str],
    text: str,
    begin: int,
    limits: Limits,
    wanted: Collection[str | None],
    depth: int,
) -> tuple[list[Any], Texts]:
    """Read from behind the first `<param>` to the end; ValueError for anything unusual.

    One long loop on purpose: a call for each token would cost a tenth of the whole.
    """
    params: list[Any] = []
    append: Callable[[Any], None] = params.append
    members: dict[str, Any] | None = None
    ends = _NO_CONTAINER
    enclosing: list[_Container] = []
    params_begun = 1
    texts: Texts = {}
    keeping: tuple[int, str] | None = None
    keeps_from = 0
    value: Any
    for token in pattern.finditer(text, begin):
        kind: Any = token.lastindex
        if kind == STRING:
            value = token[STRING]
            if "&" in value:
                value = resolve(value)
        elif kind == INT:
            value = int(token[INT])
        elif kind < STRUCT:
            value = _READERS[kind](token[kind])
        elif kind == ends:
            append, members, ends = enclosing.pop()
            if keeping is not None and len(enclosing) == depth:
                texts[keeping] = _value_of_member(text, keeps_from, token.end())
                keeping = None
            continue
        elif kind == STRUCT:
            value = {}
        elif kind == ARRAY:
            value = []
        else:
            if enclosing or len(params) != params_begun or kind not in _PARAM_ENDS:
                raise _Unknown
            if kind == DOCUMENT_ENDS:
                break
            params_begun += 1
            continue
        name = token[NAME]
        if name is None:
            append(value)
        else:
            if "&" in name:
                name = resolve(name)
            if members is None or name in members:
                raise _Unknown
            members[name] = value
        if kind >= STRUCT:
            if len(enclosing) == limits.max_depth:
                raise _Unknown
            if name in wanted and len(enclosing) == depth:
                keeping, keeps_from = (id(members), name), token.start()
            enclosing.append((append, members, ends))
            if kind == STRUCT:
                append, members = _take_no_item, value
                ends = STRUCT_ENDS if name is None else STRUCT_MEMBER_ENDS
            else:
                append, members = value.append, None
                ends = ARRAY_ENDS if name is None else ARRAY_MEMBER_ENDS
    return params, texts


def _value_of_member(text: str, begins: int, ends: int) -> str:
    """Cut a member's value out, from the begin of its first token and the end of its last."""
    after = text.rindex("</value>", begins, ends) + len("</value>")
    return text[text.index("<value>", begins) : after]


def _take_no_item(_: object) -> NoReturn:
    raise _Unknown


def _read_int(text: str) -> int:
    value = int(text)
    if not LEAST_INT <= value <= GREATEST_INT:
        raise _Unknown
    return value


def _read_i8(text: str) -> int:
    value = int(text)
    if not LEAST_I8 <= value <= GREATEST_I8:
        raise _Unknown
    return value


def _read_double(text: str) -> float:
    value = float(text)
    if not -_GREATEST_DOUBLE <= value <= _GREATEST_DOUBLE:
        raise _Unknown
    return value


_PARAM_ENDS = frozenset({DOCUMENT_ENDS, NEXT_PARAM})

_READERS: dict[int, Callable[[str], Any]] = {
    tokens.BARE: lambda text: resolve(text) if "&" in text else text,
    tokens.LONG_INT: _read_int,
    tokens.DOUBLE: _read_double,
    tokens.BOOLEAN: "1".__eq__,
    tokens.I4: _read_int,
    tokens.I8: _read_i8,
    tokens.TIME: read_plain_time,
    tokens.BASE64: read_base64,
    tokens.NIL: lambda _: None,
}
"""Kind of a scalar's token to what makes its value."""
