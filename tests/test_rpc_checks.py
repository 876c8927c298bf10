"""What values an annotation accepts, and what it makes of them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NewType, Optional, TypedDict, Union

import pytest

from co2.rpc.checks import Mismatch, check_for


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Speed(enum.IntEnum):
    SLOW = 1
    FAST = 2


class Lamp(TypedDict, total=False):
    number: int
    name: str


class NeededLamp(TypedDict):
    number: int


Watts = NewType("Watts", float)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("annotation", "value", "accepted"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (float, 2.5, 2.5),
        (str, "x", "x"),
        (bool, True, True),
        (bytes, b"x", b"x"),
        (datetime, NOON, NOON),
        (None, None, None),
        (list, [1, "x"], [1, "x"]),
        (list[int], [1, 2], [1, 2]),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (Sequence[str], ["a"], ["a"]),
        (list[int], (1, 2), [1, 2]),
        (tuple, [1, 2], (1, 2)),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, str], [1, "x"], (1, "x")),
        (dict, {"a": 1}, {"a": 1}),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (Mapping[str, Any], {"a": 1}, {"a": 1}),
        (Optional[int], None, None),  # noqa: UP045
        (int | None, 4, 4),
        (Union[int, str], "x", "x"),  # noqa: UP007
        (float | int, 3, 3),
        (list[int] | str, "x", "x"),
        (Literal["a", 2], 2, 2),
        (Literal[Colour.RED], "red", Colour.RED),
        (Colour, "red", Colour.RED),
        (Colour, Colour.RED, Colour.RED),
        (Speed, 2, Speed.FAST),
        (Watts, 40, 40.0),
        (Lamp, {"number": 1}, {"number": 1}),
        (dict[str, list[tuple[int, Colour]]], {"a": [[1, "red"]]}, {"a": [(1, Colour.RED)]}),
    ],
)
def test_accepts(annotation, value, accepted):
    """A value of the type is given on, converted where Python has another type for it."""
    check = check_for(annotation)
    assert check is not None
    result = check(value)
    assert result == accepted
    assert type(result) is type(accepted)


@pytest.mark.parametrize(
    ("annotation", "value", "path", "problem"),
    [
        (int, True, "", "must be int, not bool"),
        (int, 2.0, "", "must be int, not float"),
        (int, None, "", "must be int, not nil"),
        (float, True, "", "must be float, not bool"),
        (float, "2", "", "must be float, not str"),
        (str, b"x", "", "must be str, not bytes"),
        (bool, 1, "", "must be bool, not int"),
        (bytes, "x", "", "must be bytes, not str"),
        (datetime, "2026", "", "must be datetime, not str"),
        (list[int], "12", "", "must be list, not str"),
        (Sequence[str], "ab", "", "must be list, not str"),
        (list[int], [1, "x"], "[1]", "must be int, not str"),
        (tuple[int, ...], [1, "x"], "[1]", "must be int, not str"),
        (tuple[int, str], [1], "", "must hold 2 values, not 1"),
        (tuple[int, str], [1, 2], "[1]", "must be str, not int"),
        (dict[str, int], [], "", "must be dict, not list"),
        (dict[str, list[int]], {"a": [1, 2.5]}, ".a[1]", "must be int, not float"),
        (dict[str, int], {"x" * 99: ""}, f"['{'x' * 60}'...]", "must be int, not str"),
        (int | None, "x", "", "must be int | None, not str"),
        (list[int] | str, [1, None], "[1]", "must be int, not nil"),
        (Literal["a", 2], 3, "", "must be Literal['a', 2]"),
        (Literal[1], True, "", "must be Literal[1]"),
        (Literal["a"], ["a"], "", "must be Literal['a']"),
        (Colour, "blue", "", "must be Literal['red', 'green']"),
        (Speed, True, "", "must be Literal[1, 2]"),
        (Lamp, {"number": "x"}, ".number", "must be int, not str"),
        (NeededLamp, {}, ".number", "is missing"),
    ],
)
def test_refuses(annotation, value, path, problem):
    """What does not fit is refused with the path to it and what it must be."""
    check = check_for(annotation)
    assert check is not None
    with pytest.raises(Mismatch) as caught:
        check(value)
    assert (caught.value.path, caught.value.problem) == (path, problem)


class Unhashable(enum.Enum):
    LIST = [1]


@pytest.mark.parametrize(
    "annotation",
    [Any, object, "NotThere", Union[int, Any], set[int], Sequence[Any] | object, Unhashable],  # noqa: UP007
)
def test_what_is_not_understood_checks_nothing(annotation):
    """An annotation that says nothing, or nothing that is understood here, lets all through."""
    assert check_for(annotation) is None


def test_the_callers_own_value_is_never_changed():
    """Converting makes a new container; the one that was given stays as it was."""
    given = {"a": [1, 2]}
    check = check_for(dict[str, list[float]])
    assert check is not None
    assert check(given) == {"a": [1.0, 2.0]}
    assert given == {"a": [1, 2]}
    assert all(type(item) is int for item in given["a"])
