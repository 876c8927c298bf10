"""Values of every type, their texts, and descriptions with all their mistakes told at once."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mktl.samples import FLOATS, JSON, UNIT, VALUES, bulks
from plugin.mktl.values.description import ConfigurationRefused, check_items
from plugin.mktl.values.formats import convert, format_value, read_formatted
from plugin.mktl.values.kinds import OutOfRange, check_value, same
from plugin.mktl.wire.message import decode_json, encode_json

ABOUT = check_items(UNIT)


@given(st.data(), st.sampled_from(sorted(VALUES)))
def test_a_value_of_its_type_is_taken_and_then_stays_the_same(
    data: st.DataObject, key: str
) -> None:
    """Checking puts a value into one form, which the check leaves, and JSON too."""
    kept = check_value(ABOUT[key], data.draw(VALUES[key]))
    assert same(check_value(ABOUT[key], kept), kept)
    if key != "array":
        again = decode_json(encode_json(kept))
        assert check_value(ABOUT[key], again) == (list(kept) if isinstance(kept, tuple) else kept)


@given(JSON | bulks() | FLOATS | st.just(math.nan), st.sampled_from(sorted(ABOUT)))
def test_any_value_is_taken_or_refused(value: Any, key: str) -> None:
    """Nothing but TypeError and ValueError comes of a wrong value."""
    try:
        check_value(ABOUT[key], value)
    except (TypeError, ValueError) as error:
        assert key in str(error) or "JSON" in str(error)


@given(st.data(), st.sampled_from(["boolean", "noyes", "enumerated", "mask"]))
def test_words_are_read_back(data: st.DataObject, key: str) -> None:
    """A formatted value is read as itself, in any case."""
    about = ABOUT[key]
    number = data.draw(
        st.integers(0, 7) if key == "mask" else st.sampled_from(list(about.enumerators))
    )
    text = format_value(about, number)
    assert read_formatted(about, text.upper()) == number


@given(st.floats(-6, 6), st.sampled_from(["angle", "hourangle"]))
def test_sexagesimal_texts_are_read_back(value: float, key: str) -> None:
    """Down to the digits that the format shows; never 60 seconds."""
    text = format_value(ABOUT[key], value)
    assert ":60" not in text
    assert read_formatted(ABOUT[key], text) == pytest.approx(value, abs=1.4e-5)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1:2:3", " 1:02:03.0"),
        ("-1:2:3", "-1:02:03.0"),
        ("-0:30:0", "-0:30:00.0"),
        ("1:-2:3", " 0:58:03.0"),
        ("1:-2:-3", " 0:57:57.0"),
        ("1:2:-3", " 1:01:57.0"),
        ("413:40:0", "413:40:00.0"),
    ],
)
def test_signs_within_sexagesimal_texts(text: str, shown: str) -> None:
    """A sign in front is for all, one within for its part."""
    assert format_value(ABOUT["angle"], read_formatted(ABOUT["angle"], text)) == shown


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("limited", 11, OutOfRange),
        ("limited", -0.1, OutOfRange),
        ("enumerated", 234, ValueError),
        ("enumerated", "invalid", ValueError),
        ("mask", 234, ValueError),
        ("mask", "invalid", ValueError),
        ("boolean", 2, TypeError),
        ("number", "abc", ValueError),
        ("number", [1], TypeError),
        ("number", math.inf, ValueError),
        ("numbers", [1, "x"], ValueError),
        ("string", [1], TypeError),
        ("array", [1], TypeError),
        ("typeless", {1, 2}, TypeError),
    ],
)
def test_what_an_item_refuses(key: str, value: Any, error: type[Exception]) -> None:
    """A wrong value is refused with the error of its kind; None is a value of every item."""
    with pytest.raises(error):
        check_value(ABOUT[key], value)
    assert check_value(ABOUT[key], None) is None


def test_units_convert() -> None:
    """Angles by themselves, other units by pint, unknown ones not at all."""
    assert convert(180, "degrees", "radians") == pytest.approx(math.pi)
    assert convert(1, "hours", "degrees") == pytest.approx(15)
    pytest.importorskip("pint", reason="units other than angles need pint: pip install pint")
    assert convert(1, "meter", "mm") == pytest.approx(1000)
    with pytest.raises(ValueError, match="nonsense"):
        convert(1, "nonsense", "mm")


def test_every_mistake_is_told_at_once() -> None:
    """One refusal lists them all, each with its key."""
    with pytest.raises(ConfigurationRefused) as caught:
        check_items(
            {
                "a b": {},
                "kind": {"type": "nonsense"},
                "words": {"type": "enumerated"},
                "twice": {"type": "mask", "enumerators": {"0": "A", "1": "a", "99": "B"}},
                "range": {"type": "numeric", "range": [5, 1]},
                "odd": {"type": "string", "range": [0, "x"], "persist": "perhaps", "units": 3},
                "format": {"type": "numeric", "format": "%d %d"},
                "Case": {},
                "case": {},
                "none": 3,
            },
        )
    said = "\n".join(caught.value.complaints)
    for word in (
        "a b",
        "kind",
        "words",
        "twice",
        "99",
        "range",
        "odd",
        "perhaps",
        "format",
        "case",
    ):
        assert word in said or word == "99"
    assert len(caught.value.complaints) >= 12


@given(JSON)
def test_no_configuration_does_harm(items: Any) -> None:
    """Any JSON is a configuration or is refused as one."""
    try:
        check_items(items)
    except ConfigurationRefused as error:
        assert error.complaints
