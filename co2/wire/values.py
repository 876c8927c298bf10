"""The texts of XML-RPC's scalar types: what each may look like, and what it means.

It decides the strict syntax of PROTOCOL section 2 and the ranges of the integer types. It knows no
elements, positions or documents: every function takes the text between two tags, and says by
ValueError what is wrong with it. White space around a number or a time is no part of it.

Python's own conversions are far more liberal (`1_000`, Arabic digits, `nan`, 4,300 digits, any
garbage in base64); that is why each text is looked at before it is converted.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable
from datetime import datetime
from math import isinf
from typing import Any

from co2.wire.dates import read_time

WHITE_SPACE = " \t\r\n"
"""What XML calls white space; Python's `strip()` and `isspace()` take far more for it."""

LEAST_INT, GREATEST_INT = -(2**31), 2**31 - 1
LEAST_I8, GREATEST_I8 = -(2**63), 2**63 - 1

_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")

# 2**63 has 19 digits; the rest is for a sign and for the zeros some programs pad with.
_MOST_INTEGER_CHARACTERS = 40
# The smallest double, written without exponent and without loss, has 1,076 characters.
_MOST_DOUBLE_CHARACTERS = 1100


def read_integer(text: str, bits: int) -> int:
    """Read a signed integer that fits into `bits` bits."""
    text = text.strip(WHITE_SPACE)
    if len(text) > _MOST_INTEGER_CHARACTERS or not _INTEGER.match(text):
        raise ValueError(f"{shorten(text)} is no integer")
    value = int(text)
    if value.bit_length() >= bits and value != -(1 << (bits - 1)):
        raise ValueError(f"{text} does not fit into {bits} bits")
    return value


def read_double(text: str) -> float:
    """Read a finite number, with or without an exponent."""
    text = text.strip(WHITE_SPACE)
    if len(text) > _MOST_DOUBLE_CHARACTERS or not _DOUBLE.match(text):
        raise ValueError(f"{shorten(text)} is no double")
    value = float(text)
    if isinf(value):
        raise ValueError(f"{shorten(text)} is larger than any double")
    return value


def read_boolean(text: str) -> bool:
    """Read `1` or `0`."""
    text = text.strip(WHITE_SPACE)
    if text not in ("0", "1"):
        raise ValueError(f"{shorten(text)} is no boolean: write 1 or 0")
    return text == "1"


def read_base64(text: str) -> bytes:
    """Read base64 with its padding; white space may stand anywhere in it (RFC 2045)."""
    if not text.isascii():
        raise ValueError("no base64: it has characters beyond ASCII")
    try:
        return a2b_base64("".join(text.split()), strict_mode=True)
    except Base64Error as error:
        raise ValueError(f"no base64: {error}") from None


def _read_date(text: str) -> datetime:
    text = text.strip(WHITE_SPACE)
    try:
        return read_time(text)
    except ValueError as error:
        raise ValueError(f"{shorten(text)} is no time: {error}") from None


def _read_nil(text: str) -> None:
    if text.strip(WHITE_SPACE):
        raise ValueError("nil holds no text")


def _integer_of(bits: int) -> Callable[[str], int]:
    return lambda text: read_integer(text, bits)


SCALARS: dict[str, Callable[[str], Any]] = {
    "int": _integer_of(32),
    "i4": _integer_of(32),
    "i1": _integer_of(8),
    "i2": _integer_of(16),
    "i8": _integer_of(64),
    "boolean": read_boolean,
    "double": read_double,
    "string": str,
    "base64": read_base64,
    "dateTime.iso8601": _read_date,
    "nil": _read_nil,
    # Apache's extensions. They keep their prefix whatever it is bound to: programs that write them
    # all use `ex`, and some forget to declare it.
    "ex:nil": _read_nil,
    "ex:i1": _integer_of(8),
    "ex:i2": _integer_of(16),
    "ex:i8": _integer_of(64),
    "ex:biginteger": _integer_of(64),
    "ex:float": read_double,
    "ex:dateTime": _read_date,
}
"""Element name to the function that reads its text, for the general decoder."""


def shorten(text: str, most: int = 40) -> str:
    """Quote a text for an error, cut to `most` characters."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}…"
