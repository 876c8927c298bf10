"""The key exchange of 2010 and what it encrypts; pure arithmetic, no state.

The group is fixed by the clients: the prime 2^107 - 1 and the base 5. It protects against a look,
not against an attacker: a logarithm in it takes seconds. So the agent must not be reachable by
more than the host, which can read its memory anyway.

The client encrypts by `openssl aes-128-cbc -pass pass:<secret> -nosalt`, whose way from the
password to the key has been MD5 up to OpenSSL 1.0 and SHA-256 since: both are tried.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PRIME = 162259276829213363391578010288127
BASE = 5
PRIVATE_BYTES = 16
_NUMBER = re.compile(r"\s*([+-]?\d+)[lL]?\s*")
"""As Python 2 has it, with an L for a large one, and without an underscore."""
BLOCK = 16


class BadSecret(Exception):
    """What came is no password that was encrypted with the key; the text goes to the client."""


def public_key(private: int) -> int:
    """Give the public key to a private one."""
    return pow(BASE, private, PRIME)


def shared_secret(private: int, peer: int) -> str:
    """Give the secret both sides know, as the decimal text that the client uses."""
    return str(pow(peer, private, PRIME))


def peer_key(value: Any, *, strict: bool = True) -> int:
    """Read the client's public key: a number, or its decimal digits.

    Args:
        value: as it came.
        strict: refuse the keys that make the secret known to everybody.

    Raises:
        BadSecret: it is neither.
    """
    if not isinstance(value, str | int | float):
        raise BadSecret(f"a public key is a number, not {type(value).__name__}")
    try:
        key = int(_digits(value) if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        raise BadSecret("a public key is a number in decimal digits") from None
    if strict and key % PRIME in (0, 1, PRIME - 1):
        raise BadSecret("that public key would make the password readable for everybody")
    return key


def _digits(text: str) -> str:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found[1]


def decode(value: Any) -> bytes:
    """Undo the base64.

    Raises:
        BadSecret: it is none.
    """
    try:
        return base64.b64decode(value)
    except (binascii.Error, ValueError, TypeError):
        raise BadSecret("Couldn't decode base64 data") from None


def decrypt(data: bytes, secret: str, *, strict: bool = True) -> str:
    """Give the password.

    Args:
        data: as it came, base64 undone.
        secret: the shared one.
        strict: only text without control characters is a password; what a wrong key makes of
            the data is not, even where its end happens to look like padding. Else as in 2017:
            MD5 only, and of the padding only its last byte.

    Raises:
        BadSecret: neither way from the secret to a key makes sense of it.
    """
    if len(data) % BLOCK:
        raise BadSecret("Data must be padded to 16 byte boundary in CBC mode")
    if not strict:
        return _cut(_decrypted(data, *_md5_key(secret)))
    for key, vector in (_md5_key(secret), _sha256_key(secret)):
        plain = _unpadded(_decrypted(data, key, vector))
        if plain is not None and _is_text(plain):
            return plain.decode("utf-8")
    raise BadSecret("Invalid password data received")


def _md5_key(secret: str) -> tuple[bytes, bytes]:
    """EVP_BytesToKey of OpenSSL: MD5, no salt, one round."""
    key = hashlib.md5(secret.encode(), usedforsecurity=False).digest()
    return key, hashlib.md5(key + secret.encode(), usedforsecurity=False).digest()


def _sha256_key(secret: str) -> tuple[bytes, bytes]:
    digest = hashlib.sha256(secret.encode()).digest()
    return digest[:16], digest[16:]


def _decrypted(data: bytes, key: bytes, vector: bytes) -> bytes:
    # What the protocol of 2010 has: no other mode is understood by its clients.
    cipher = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    return cipher.update(data) + cipher.finalize()


def _unpadded(plain: bytes) -> bytes | None:
    """Take off PKCS#7's padding, every byte of which must be right."""
    count = plain[-1] if plain else 0
    if not 1 <= count <= BLOCK or plain[-count:] != bytes([count]) * count:
        return None
    return plain[:-count].rstrip(b"\n")


def _cut(plain: bytes) -> str:
    count = plain[-1] if plain else BLOCK + 1
    if count > BLOCK:
        raise BadSecret("Invalid password data received")
    return plain[:-count].strip(b"\n").decode("utf-8", "surrogateescape")


def _is_text(plain: bytes) -> bool:
    try:
        return all(ord(character) >= 32 for character in plain.decode("utf-8"))
    except UnicodeDecodeError:
        return False
