"""Which characters the bytes of a document stand for.

It decides the encoding (byte order mark, then the XML declaration, then UTF-8) and refuses bytes
that are not valid in it. It knows nothing of elements.

Old clients declare what their language wrote by default: PHP's of 2003 ISO-8859-1, Windows' their
code page, Perl's US-ASCII. UTF-16 is read if it begins with its mark, which wins over what the
declaration says (RFC 7303, section 3.2).
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

from co2.errors import InvalidCharacter, UnsupportedEncoding
from co2.wire.values import shorten

_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "latin-1": "latin-1",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
_SUPPORTED = "utf-8, us-ascii, iso-8859-1, windows-1252, and utf-16 with a byte order mark"

_DECLARATION = re.compile(
    rb"<\?xml[ \t\r\n][^?>]*?[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*[\"']([^\"'?>]*)[\"']"
)
# An XML declaration has no business to be longer, and a search through megabytes none either.
_DECLARATION_ENDS_WITHIN = 1024


def decode_text(document: bytes) -> tuple[str, str]:
    """Give a document's characters, without the byte order mark, and the codec they were in.

    Raises:
        UnsupportedEncoding: it declares an encoding that is not read here.
        InvalidCharacter: a byte that means nothing in its encoding; the text says which.
    """
    codec, skipped = _codec(document)
    try:
        return document[skipped:].decode(codec), codec
    except UnicodeDecodeError as error:
        where = skipped + error.start
        raise InvalidCharacter(
            f"byte {where} of the document (0x{document[where]:02x}) is not valid {codec}"
        ) from None


def _codec(document: bytes) -> tuple[str, int]:
    if document.startswith(BOM_UTF8):
        return "utf-8", len(BOM_UTF8)
    if document.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        raise UnsupportedEncoding(f"the document is in utf-32; send one of {_SUPPORTED}")
    if document.startswith(BOM_UTF16_LE):
        return "utf-16-le", len(BOM_UTF16_LE)
    if document.startswith(BOM_UTF16_BE):
        return "utf-16-be", len(BOM_UTF16_BE)
    return _declared_codec(document), 0


def _declared_codec(document: bytes) -> str:
    found = _DECLARATION.match(document, 0, _DECLARATION_ENDS_WITHIN)
    if found is None:
        return "utf-8"
    name = found[1].decode("latin-1")
    codec = _CODECS.get(name.lower())
    if codec is None:
        raise UnsupportedEncoding(
            f"the document declares the encoding {shorten(name)}; send one of {_SUPPORTED}"
        )
    return codec
