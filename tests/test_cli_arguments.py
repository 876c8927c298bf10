"""What the words of a command line become."""

from __future__ import annotations

import json

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2.app.cli.arguments import read_arguments, read_value


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("world", "world"),
        ("3", 3),
        ("-0.5", -0.5),
        ("true", True),
        ("null", None),
        ('"3"', "3"),
        ('{"a": [1]}', {"a": [1]}),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_word_is_json_or_a_string(word: str, value: object):
    """What reads as JSON (RFC 8259) is that value, all else is the string as typed."""
    assert read_value(word) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ).filter(lambda value: "Infinity" not in json.dumps(value))
)
def test_every_json_value_can_be_typed(value: object):
    """Written as JSON, any value comes through."""
    assert read_value(json.dumps(value)) == value


def test_words_bind_by_position():
    """Words without a name are the arguments in their order."""
    assert read_arguments(["world", "3"]) == ["world", 3]
    assert read_arguments([]) == []


def test_pairs_make_one_struct():
    """Words with a name make the one struct that binds by name; values may hold '='."""
    assert read_arguments(["name=a=b", "times=3"]) == [{"name": "a=b", "times": 3}]


def test_a_quoted_word_with_an_equals_sign_is_a_string():
    """JSON quotes keep a string from being taken for a pair."""
    assert read_arguments(['"a=b"', "1"]) == ["a=b", 1]


def test_mixed_words_are_refused():
    """Names for some only is a mistake, and the text says how a string with '=' is written."""
    with pytest.raises(click.UsageError, match="'\"a=1\"'"):
        read_arguments(["a=1", "2"])


def test_a_name_twice_is_refused():
    """Nothing that was typed is dropped in silence."""
    with pytest.raises(click.UsageError, match="twice"):
        read_arguments(["a=1", "a=2"])
