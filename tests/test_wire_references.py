"""References as the scanner resolves them."""

from __future__ import annotations

from xml.sax.saxutils import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_room import unhurriedly

from co2.wire.references import resolve

_pieces = st.sampled_from(["&amp;", "&lt;", "&gt;", "lt;", "amp;", "#13;", ";", "a"])


@unhurriedly
@given(st.lists(_pieces).map("".join))
def test_the_three_usual_entities_are_resolved_once(text: str) -> None:
    """An ampersand that comes out of a reference begins no other one."""
    assert resolve(text) == unescape(text)


def test_references_of_all_kinds_are_resolved() -> None:
    """Names, decimal and hexadecimal numbers give their characters."""
    assert resolve("&quot;&apos;&#13;&#x0D;&#8364;&#x1F40D;&amp;#13;") == "\"'\r\r€\U0001f40d&#13;"


@pytest.mark.parametrize(
    "text",
    [
        "&",
        "&;",
        "& ",
        "&nbsp;",
        "&#;",
        "&#x;",
        "&lt",
        "&#0;",
        "&#27;",
        "&#xD800;",
        "&#xFFFF;",
        "&#9999999;",
        "&#x110000;",
        "&#12345678;",
        "&LT;",
        "&&lt;",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    """The scanner gives up on everything that XML would refuse."""
    with pytest.raises(ValueError, match=r"begins no|does not define|cannot carry|chr"):
        resolve(text)
