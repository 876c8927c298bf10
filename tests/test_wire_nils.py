"""Finding the nil."""

from __future__ import annotations

from typing import Any

import pytest

from co2.model.calls import Encoded
from co2.wire.nils import first_nil


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (None, "data"),
        ([1, None, None], "data[1]"),
        ({"a": [{"b": 1}, {"b": None}], "c": None}, "data.a[1].b"),
        (({}, [], "", 0, (None,)), "data[4][0]"),
        ([Encoded(b"", {"x": None}, "elsewhere.x"), None], "data[0].x"),
        ([Encoded(b"", {"x": 1}), None], "data[1]"),
        ([1, "nil", {"a": b""}], None),
    ],
)
def test_the_first_nil_of_the_document_is_named(value: Any, where: str | None) -> None:
    """The path leads to the nil that is written first, through encoded values too."""
    assert first_nil(value, "data") == where


def test_without_a_name_of_its_own_only_members_are_named() -> None:
    """A struct of arguments is called by its members."""
    assert first_nil({"data": [None]}, "") == "data[0]"
