"""How types are named for people and for XML-RPC."""

from __future__ import annotations

import enum
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NewType, TypedDict

import pytest
from twisted.internet.defer import Deferred

from co2.rpc.typenames import can_travel, describe, wire_type


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Lamp(TypedDict):
    number: int


Watts = NewType("Watts", float)


@pytest.mark.parametrize(
    ("annotation", "text", "wire"),
    [
        (inspect.Parameter.empty, "any", "any"),
        (Any, "any", "any"),
        (object, "any", "any"),
        (None, "None", "nil"),
        (int, "int", "int"),
        (float, "float", "double"),
        (str, "str", "string"),
        (bool, "bool", "boolean"),
        (bytes, "bytes", "base64"),
        (datetime, "datetime", "dateTime.iso8601"),
        (list[int], "list[int]", "array"),
        (tuple[int, ...], "tuple[int, ...]", "array"),
        (dict[str, Any], "dict[str, any]", "struct"),
        (Mapping[str, int], "Mapping[str, int]", "struct"),
        (Lamp, "Lamp", "struct"),
        (int | None, "int | None", "int"),
        (int | str, "int | str", "any"),
        (Literal["a", "b"], "Literal['a', 'b']", "string"),
        (Literal["a", 1], "Literal['a', 1]", "any"),
        (Colour, "Literal['red', 'green']", "string"),
        (Watts, "Watts", "double"),
        (Deferred[int], "int", "int"),
        (Awaitable[str], "str", "string"),
        (dict[str, Any] | Deferred[dict[str, Any]], "dict[str, any]", "struct"),
        (Iterator[str], "Iterator[str]", "array"),
        (AsyncIterator[str], "AsyncIterator[str]", "array"),
        (Callable[[int], str], "Callable[[int], str]", "any"),
        ("Unresolved", "Unresolved", "any"),
    ],
)
def test_names(annotation, text, wire):
    """Each annotation has a name for a person, and one that XML-RPC's specification knows."""
    assert describe(annotation) == text
    assert wire_type(annotation) == wire


@pytest.mark.parametrize(
    ("value", "travels"),
    [
        (1, True),
        (2**63, False),
        (1.5, True),
        (float("nan"), False),
        ("grün\n", True),
        ("\x00", False),
        ("\ud800", False),
        (b"\x00", True),
        (datetime(2026, 1, 1, tzinfo=UTC), True),
        (datetime(2026, 1, 1), False),
        (None, False),
        ([1, [True, "x"]], True),
        ([1, object()], False),
        ({"a": {"b": 1}}, True),
        ({1: 2}, False),
        ({"\x1b": 2}, False),
    ],
)
def test_can_travel(value, travels):
    """A value travels if the server may write it into an answer of its own."""
    assert can_travel(value) is travels


def test_a_value_inside_itself_does_not_travel():
    """A list that holds itself is recognised, not followed for ever."""
    endless: list[Any] = []
    endless.append(endless)
    assert not can_travel(endless)
