"""Values to the JSON text that qemu-ga writes, byte for byte; no I/O.

Members stand in the order of qemu-ga's own table, so that recordings compare as they are.
"""

from __future__ import annotations

import re
from typing import Any

from plugin.guest.qga.tables import in_order

_PLAIN = re.compile(r"[ !#-\[\]-~]*")
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f-\U0010ffff]')


def encode(value: Any) -> str:
    """Give the JSON text of a value, on one line.

    Raises:
        TypeError: it is nothing that JSON has.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.17g}"
    if isinstance(value, dict):
        members = (f"{_string(key)}: {encode(value[key])}" for key in in_order(value))
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(encode, value)) + "]"
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def _string(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return f'"{value}"'
    return f'"{_ESCAPED.sub(_escape, value)}"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    if number > 0xFFFF:
        number -= 0x10000
        return f"\\u{0xD800 + (number >> 10):04X}\\u{0xDC00 + (number & 0x3FF):04X}"
    if 0xD800 <= number < 0xE000:
        return "\\uFFFD"
    return f"\\u{number:04X}"
