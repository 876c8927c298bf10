"""Text as it stands between two tags of what co2 writes.

It decides what is escaped and which characters cannot travel at all. It knows no element names.
"""

from __future__ import annotations

import re

ILLEGAL_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Matches what XML 1.0 cannot carry, by reference neither (section 2.2)."""


class Unwritable(ValueError):
    """Something that XML-RPC cannot carry; `steps` lead to it, the innermost first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.steps: list[str] = []


def escape(text: str) -> str:
    """Give a text as it is written between two tags.

    A carriage return goes as a reference, since XML reads a bare one as a newline.

    Raises:
        Unwritable: it holds a character that XML 1.0 cannot carry.
    """
    # Everything printable is legal, and isprintable() is many times faster than a search.
    if not text.isprintable():
        found = ILLEGAL_CHARACTER.search(text)
        if found is not None:
            raise Unwritable(
                f"XML cannot carry the character U+{ord(found[0]):04X} (number {found.start()} of"
                " the text); send it as bytes"
            )
        if "\r" in text:
            return escape_markup(text).replace("\r", "&#13;")
    return escape_markup(text)


def escape_markup(text: str) -> str:
    """Write `&`, `<` and `>` as entities."""
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    return text


def replace_illegal(text: str) -> str:
    """Give a text with U+FFFD in place of each character that XML cannot carry."""
    return ILLEGAL_CHARACTER.sub("\ufffd", text)
