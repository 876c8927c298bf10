"""Text between tags."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given
from wire_room import texts, unhurriedly

from co2.wire.writing import ILLEGAL_CHARACTER, Unwritable, escape, replace_illegal


@unhurriedly
@given(texts)
def test_a_text_is_read_back_as_it_was_by_any_parser(text: str) -> None:
    """Markup, line ends and every legal character survive the standard library's parser."""
    assert (ElementTree.fromstring(f"<a>{escape(text)}</a>").text or "") == text


def test_exactly_the_characters_that_xml_has_are_written() -> None:
    """Of all of Unicode, what `escape` refuses is what XML 1.0 section 2.2 does not list."""
    for code in range(sys.maxunicode + 1):
        listed = code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD
        character = chr(code)
        assert (ILLEGAL_CHARACTER.match(character) is None) == (listed or code > 0xFFFF)
        assert not character.isprintable() or listed or code > 0xFFFF


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\ud800", "\udfff", "\ufffe", "\uffff"])
def test_a_character_that_cannot_travel_is_named(character: str) -> None:
    """The error says which character it is and where."""
    with pytest.raises(Unwritable, match=rf"U\+{ord(character):04X} \(number 3 "):
        escape(f"abc{character}")
    assert replace_illegal(f"abc{character}d") == "abc\ufffdd"
