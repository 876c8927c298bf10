"""The encodings that a document may be in."""

from __future__ import annotations

import pytest

from co2.errors import InvalidCharacter, UnsupportedEncoding
from co2.wire.charset import decode_text
from co2.wire.xmlrpc import decode_call

_DOCUMENT = (
    "<?xml version='1.0' encoding='{}'?><methodCall><methodName>m</methodName><params><param>"
    "<value>Grüße, {}</value></param></params></methodCall>"
)


@pytest.mark.parametrize(
    ("declared", "codec", "more"),
    [
        ("UTF-8", "utf-8", "€ \U0001f40d"),
        ("utf8", "utf-8", "€"),
        ("ISO-8859-1", "latin-1", "ÿ"),
        ("latin1", "latin-1", "\x85"),
        ("Windows-1252", "cp1252", "€"),
        ("UTF-16", "utf-16", "€ \U0001f40d"),
        ("utf-8", "utf-8-sig", "€"),
    ],
)
def test_a_call_in_an_old_encoding_is_understood(declared: str, codec: str, more: str) -> None:
    """Text arrives as it was meant, whatever its bytes were."""
    document = _DOCUMENT.format(declared, more).encode(codec)
    assert decode_call(document).params == (f"Grüße, {more}",)


def test_us_ascii_with_references_is_understood() -> None:
    """What Perl declares is read, its characters come by reference."""
    document = _DOCUMENT.format("us-ascii", "€").encode("ascii", "xmlcharrefreplace")
    assert decode_call(document).params == ("Grüße, €",)


def test_utf16_of_either_order_is_read_by_its_mark() -> None:
    """The byte order mark wins over what the declaration says, and is no part of the text."""
    for codec, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        text, found = decode_text(mark + "<a/>".encode(codec))
        assert (text, found) == ("<a/>", codec)


@pytest.mark.parametrize(
    "document",
    [
        b"<?xml version='1.0' encoding='EUC-JP'?><a/>",
        b"<?xml version='1.0' encoding = \"utf-7\"?><a/>",
        b"<?xml version='1.0' encoding='utf-16'?><a/>",
        b"<?xml version='1.0' encoding=''?><a/>",
        "<a/>".encode("utf-32"),
    ],
)
def test_other_encodings_are_refused_by_name(document: bytes) -> None:
    """The text lists what may be sent instead."""
    with pytest.raises(UnsupportedEncoding, match="utf-8, us-ascii"):
        decode_text(document)


@pytest.mark.parametrize(
    ("declared", "data"),
    [
        ("utf-8", b"\xff"),
        ("us-ascii", b"\xe9"),
        ("windows-1252", b"\x81"),
        ("utf8", b"\xed\xa0\x80"),
    ],
)
def test_bytes_that_mean_nothing_are_refused_with_their_place(declared: str, data: bytes) -> None:
    """A byte that its encoding does not have is an error, never a question mark."""
    head = f"<?xml version='1.0' encoding='{declared}'?><a>".encode()
    with pytest.raises(InvalidCharacter, match=f"byte {len(head)} of the document"):
        decode_text(head + data)


def test_half_a_character_of_utf16_is_refused() -> None:
    """A cut-off document is invalid, not shorter."""
    with pytest.raises(InvalidCharacter):
        decode_text("<a/>".encode("utf-16")[:-1])


def test_a_declaration_is_only_looked_for_where_it_may_stand() -> None:
    """Something that looks like one inside of the document declares nothing."""
    assert decode_text(b"<a><?xml version='1.0' encoding='koi8-r'?></a>")[1] == "utf-8"
