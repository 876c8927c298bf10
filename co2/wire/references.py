"""References in text: `&lt;`, `&#13;` and their like, resolved for the scanner.

It decides which the scanner knows itself. Expat resolves them for the general decoder.
"""

from __future__ import annotations

import re

from co2.wire.writing import ILLEGAL_CHARACTER

_REFERENCE = re.compile("&(?:([a-z]{2,4})|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


def resolve(text: str) -> str:
    """Resolve every reference in a text.

    Raises:
        ValueError: an `&` that begins none, an unknown name, or a character XML cannot carry.
    """
    simpler = text.replace("&lt;", "<").replace("&gt;", ">")
    if simpler.count("&") == simpler.count("&amp;"):
        return simpler.replace("&amp;", "&")
    resolved, found = _REFERENCE.subn(_character, text)
    if found != text.count("&"):
        raise ValueError("an & that begins no reference")
    return resolved


def _character(reference: re.Match[str]) -> str:
    name, decimal, hexadecimal = reference.groups()
    if name is not None:
        character = _ENTITIES.get(name)
        if character is None:
            raise ValueError(f"XML does not define &{name};")
        return character
    character = chr(int(decimal) if decimal is not None else int(hexadecimal, 16))
    if ILLEGAL_CHARACTER.match(character):
        raise ValueError("a reference to a character that XML cannot carry")
    return character
