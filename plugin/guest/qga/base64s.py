"""base64 as qemu-ga reads it: its letters are checked, its padding is taken as it comes."""

from __future__ import annotations

import base64
import re

from plugin.guest.qga.schema import CallFailed

_LETTERS = re.compile(r"[A-Za-z0-9+/=\n]*")
_WHOLE = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def decode(text: str) -> bytes:
    """Undo the base64.

    Raises:
        CallFailed: there are other characters in it.
    """
    if _WHOLE.fullmatch(text):
        return base64.b64decode(text)
    if not _LETTERS.fullmatch(text):
        raise CallFailed("Base64 data contains invalid characters")
    return b"".join(_group(text) for text in re.findall("....", text.replace("\n", "")))


def _group(four: str) -> bytes:
    """Four letters to up to three bytes: '=' counts as zero, and hides the byte it ends."""
    raw = base64.b64decode(four.replace("=", "A"))
    return raw[:1] + (b"" if four[2] == "=" else raw[1:2]) + (b"" if four[3] == "=" else raw[2:])


def encode(data: bytes) -> str:
    """Give the base64 of bytes, on one line."""
    return base64.b64encode(data).decode("ascii")
