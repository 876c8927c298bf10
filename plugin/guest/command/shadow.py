"""Password hashes, and the line of /etc/shadow they stand in; writes nothing.

A new hash is of the kind that the old one is, where that kind is still good, and else of the best
kind that this system's crypt(3) knows. A hash that crypt(3) refuses ('*0') is never given out.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
from collections.abc import Callable
from functools import cache

WEAK = ("$1$", "$md5", "$3$", "_")
ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_YESCRYPT = re.compile(r"\$(?:y|gy)\$[./0-9A-Za-z]+\$")
_SHA = re.compile(r"\$([56])\$(rounds=\d+\$)?")
_BCRYPT = re.compile(r"\$2[abxy]\$\d\d\$")

Random = Callable[[int], bytes]


class NoHash(Exception):
    """This system's crypt(3) cannot make a hash."""


def new_hash(password: str, old: str, random: Random) -> str:
    """Give a hash of the password.

    Args:
        password: the text; what is no text in it is kept as bytes.
        old: the field of before: a hash, '*', '!' with or without a hash, or ''.
        random: for the salt.

    Raises:
        NoHash: crypt(3) refuses.
    """
    for setting in (_like(old.lstrip("!*"), random), _yescrypt(random), _sha512(random)):
        if setting and (made := crypt(password, setting)):
            return made
    raise NoHash("this system's crypt cannot make a password hash")


def crypt(password: str, setting: str) -> str | None:
    """Call crypt(3); None where it refuses the setting."""
    function = _crypt_function()
    words = (password.encode("utf-8", "surrogateescape"), setting.encode())
    if function is None or b"\0" in words[0]:
        return None
    made = function(*words)
    text = made.decode("ascii", "replace") if made else ""
    return text if text and not text.startswith("*") else None


def replace_hash(shadow: str, user: str, make: Callable[[str], str], today: int) -> str | None:
    """Give /etc/shadow with another hash for a user, or None where there is no such user.

    Args:
        shadow: the file's text.
        user: whose line.
        make: the old field to the new one.
        today: days since 1970, for the date of the change.
    """
    lines = shadow.splitlines(keepends=True)
    for number, line in enumerate(lines):
        fields = line.rstrip("\n").split(":")
        if fields[0] == user and len(fields) > 1:
            fields[1] = make(fields[1])
            if len(fields) > 2:
                fields[2] = str(today)
            lines[number] = ":".join(fields) + "\n"
            return "".join(lines)
    return None


def _like(old: str, random: Random) -> str | None:
    """Give a setting of the old hash's kind and cost with a new salt; None for weak kinds."""
    if found := _YESCRYPT.match(old):
        return found[0] + _salt(random, 22)
    if found := _SHA.match(old):
        return found[0] + _salt(random, 16)
    if found := _BCRYPT.match(old):
        return found[0] + _salt(random, 21) + "."
    return None


def _yescrypt(random: Random) -> str:
    return "$y$j9T$" + _salt(random, 22)


def _sha512(random: Random) -> str:
    return "$6$" + _salt(random, 16)


def _salt(random: Random, length: int) -> str:
    """The last character of yescrypt's salt carries two bits only: it is one of the first four."""
    characters = [ALPHABET[byte & 63] for byte in random(length)]
    if length == 22:
        characters[-1] = ALPHABET[ALPHABET.index(characters[-1]) & 3]
    return "".join(characters)


@cache
def _crypt_function() -> Callable[[bytes, bytes], bytes | None] | None:
    """crypt(3) by ctypes: Python's own module left with 3.13."""
    for name in (ctypes.util.find_library("crypt"), "libcrypt.so.1", "libcrypt.so.2", None):
        try:
            function = ctypes.CDLL(name).crypt
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
        return function
    return None
