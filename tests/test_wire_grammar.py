"""The tables of the grammar."""

from __future__ import annotations

import pytest

from co2.errors import InvalidRequest
from co2.wire.grammar import (
    BRANCHES,
    CHILDREN,
    HOLDS_TEXT,
    LEAVES,
    MOST_CHILDREN,
    ROOT,
    Element,
)


def test_every_element_that_may_open_can_be_read() -> None:
    """What may stand somewhere has children of its own and something that gives its value."""
    allowed = frozenset().union(*CHILDREN.values())
    assert allowed == LEAVES.keys() | BRANCHES.keys() == CHILDREN.keys() - {ROOT}
    assert all(not CHILDREN[tag] for tag in LEAVES) and all(CHILDREN[tag] for tag in BRANCHES)
    assert allowed >= HOLDS_TEXT and MOST_CHILDREN.keys() <= CHILDREN.keys()


def test_an_element_gives_its_value_without_a_parser() -> None:
    """The grammar needs nothing but texts and the values of children."""
    value = Element("value")
    value.texts += ["a", "b"]
    assert BRANCHES["value"](value) == "ab"
    member = Element("member")
    member.children += [("name", "n"), ("value", 1)]
    struct = Element("struct")
    struct.children += [("member", BRANCHES["member"](member))]
    assert BRANCHES["struct"](struct) == {"n": 1}


def test_a_leaf_is_read_from_its_text() -> None:
    """Scalars and names need nothing but their characters."""
    assert LEAVES["i4"](" 4 ") == 4
    assert LEAVES["methodName"]("\n ping ") == "ping"
    with pytest.raises(ValueError, match="'four' is no integer"):
        LEAVES["i4"]("four")
    with pytest.raises(InvalidRequest, match="names the method"):
        LEAVES["methodName"](" ")
