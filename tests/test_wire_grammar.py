"""The tables of the grammar."""

from __future__ import annotations

import pytest

from co2.errors import BadValue
from co2.wire.grammar import CHILDREN, HOLDS_TEXT, MOST_CHILDREN, READERS, ROOT, Element


def test_every_element_that_may_open_can_be_read() -> None:
    """What may stand somewhere has children of its own and something that gives its value."""
    allowed = frozenset().union(*CHILDREN.values())
    assert allowed == READERS.keys() == CHILDREN.keys() - {ROOT}
    assert allowed >= HOLDS_TEXT and MOST_CHILDREN.keys() <= CHILDREN.keys()


def test_an_element_gives_its_value_without_a_parser() -> None:
    """The grammar needs nothing but texts and the values of children."""
    value = Element("value")
    value.texts += ["a", "b"]
    assert READERS["value"](value) == "ab"
    member = Element("member")
    member.children += [("name", "n"), ("value", 1)]
    struct = Element("struct")
    struct.children += [("member", READERS["member"](member))]
    assert READERS["struct"](struct) == {"n": 1}


def test_a_bad_text_names_its_element() -> None:
    """The error says which type the text was to be."""
    element = Element("i4")
    element.texts.append("four")
    with pytest.raises(BadValue, match="<i4>: 'four' is no integer"):
        READERS["i4"](element)
