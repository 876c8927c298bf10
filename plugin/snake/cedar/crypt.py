"""The key of a session, and what it does to packets: AES-256-GCM.

How it works. The key comes from an ECDH exchange on P-256 by HKDF. Each direction has a base
vector of 16 bytes that its first packet carries; the vector of packet n has n added to the first
four bytes. The header of a packet is authenticated with it, and the first packet of a direction
also carries the hashes of everything that was said in clear before, so that nobody can have
changed the negotiation.

Source: reference of CEDAR, section 3.3.
"""

from __future__ import annotations

import base64
import binascii
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from plugin.snake.cedar.errors import CryptoError, NegotiationError

Cipher = AESGCM
"""A key, made ready; it holds nothing else, so all connections of a session share one."""
_VECTOR_SIZE, _TAG_SIZE = 16, 16
_MAX_PACKETS = 2**32
_COUNTED = struct.Struct(">I")
"""What of a vector counts packets."""


class KeyExchange:
    """Our half of an exchange; `public` is what the peer is told, in base64."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        point = self._private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        self.public = base64.b64encode(point).decode()

    def cipher(self, peer: str) -> Cipher:
        """Give the session's cipher, made of a key of 32 bytes.

        Args:
            peer: the other side's `ECDHPublicKey`.

        Raises:
            NegotiationError: it is no point of the curve.
        """
        try:
            point = base64.b64decode(peer, validate=True)
            public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except (binascii.Error, ValueError) as error:
            raise NegotiationError("ECDHPublicKey is no point of P-256") from error
        secret = self._private.exchange(ec.ECDH(), public)
        return Cipher(HKDF(SHA256(), 32, b"htcondor", b"keygen").derive(secret))


class _Vectors:
    """The vectors of one direction, none of which is used twice."""

    __slots__ = ("_count", "_first", "_rest")

    def __init__(self, base: bytes) -> None:
        (self._first,) = _COUNTED.unpack_from(base)
        self._rest = base[4:]
        self._count = 0

    def next(self) -> bytes:
        if self._count >= _MAX_PACKETS:
            raise CryptoError("the session has used up its vectors")
        vector = _COUNTED.pack((self._first + self._count) % 2**32) + self._rest
        self._count += 1
        return vector


class Sealer:
    """Encrypts what we send.

    Args:
        cipher: the session's.
        vector: 16 random bytes that were never used with this key.
        digests: hash of what we sent in clear, then of what we received in clear.
    """

    __slots__ = ("_cipher", "_digests", "_prefix", "_vectors")

    def __init__(self, cipher: Cipher, vector: bytes, digests: bytes) -> None:
        self._cipher = cipher
        self._vectors = _Vectors(vector)
        self._prefix, self._digests = vector, digests

    def overhead(self) -> int:
        """Give the bytes that the next packet grows by."""
        return len(self._prefix) + _TAG_SIZE

    def apply(self, header: bytes, body: bytes) -> bytes:
        """Encrypt a body."""
        sealed = self._cipher.encrypt(self._vectors.next(), body, self._digests + header)
        whole = self._prefix + sealed
        self._prefix = self._digests = b""
        return whole


class Opener:
    """Decrypts what the peer sends.

    Args:
        cipher: the session's.
        digests: hash of what the peer sent in clear, then of what it received in clear.
    """

    __slots__ = ("_cipher", "_digests", "_vectors")

    def __init__(self, cipher: Cipher, digests: bytes) -> None:
        self._cipher = cipher
        self._vectors: _Vectors | None = None
        self._digests = digests

    def overhead(self) -> int:
        """Give the bytes that the next packet shrinks by."""
        return _TAG_SIZE + (_VECTOR_SIZE if self._vectors is None else 0)

    def apply(self, header: bytes, body: bytes) -> bytes:
        """Decrypt a body.

        Raises:
            CryptoError: the key's owner did not send this here and now.
        """
        if len(body) < self.overhead():
            raise CryptoError("an encrypted packet is too short")
        if self._vectors is None:
            self._vectors, body = _Vectors(body[:_VECTOR_SIZE]), body[_VECTOR_SIZE:]
        try:
            clear = self._cipher.decrypt(self._vectors.next(), body, self._digests + header)
        except InvalidTag:
            raise CryptoError("an encrypted packet was not sealed with the session's key") from None
        self._digests = b""
        return clear
