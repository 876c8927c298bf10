"""Text as it stands between two tags of what co2 writes.

It decides what is escaped and which characters cannot travel at all. It knows no element names.
"""

from __future__ import annotations

import re

ILLEGAL_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Matches what XML 1.0 cannot carry, by reference neither (section 2.2)."""


CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r"))
"""The characters below space that XML cannot carry."""


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
    if not _is_legal(text):
        found = ILLEGAL_CHARACTER.search(text)
        assert found is not None
        raise Unwritable(
            f"XML cannot carry the character U+{ord(found[0]):04X} (number {found.start()} of the"
            " text); send it as bytes"
        )
    return escape_markup(text)


def _is_legal(text: str) -> bool:
    """Tell what a search for `ILLEGAL_CHARACTER` would, in a sixth of its time."""
    try:
        utf8 = text.encode()
    except UnicodeEncodeError:
        return False
    if len(utf8.translate(None, CONTROLS)) != len(utf8):
        return False
    return len(utf8) == len(text) or not ("\ufffe" in text or "\uffff" in text)


def escape_markup(text: str) -> str:
    """Write `&`, `<`, `>` and carriage returns as references."""
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if "\r" in text:
        text = text.replace("\r", "&#13;")
    return text


def replace_illegal(text: str) -> str:
    """Give a text with U+FFFD in place of each character that XML cannot carry."""
    return ILLEGAL_CHARACTER.sub("\ufffd", text)
