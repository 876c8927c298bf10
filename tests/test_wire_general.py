"""The general decoder: what it refuses, each with its own error, and at what cost."""

from __future__ import annotations

import gc
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_room import call, damaged, spelled_calls, thoroughly, values

from co2 import errors
from co2.wire.general import read_document
from co2.wire.limits import DEFAULT_LIMITS, Limits
from co2.wire.xmlrpc import decode_call, decode_reply, encode_call, encode_reply

_SCALAR = call("<int>1</int>")
_TEN_MEGABYTES = 10_000_000


def read(document: bytes, limits: Limits = DEFAULT_LIMITS) -> Any:
    return read_document(document, "methodCall", limits)


def member(name: str) -> str:
    return f"<member><name>{name}</name><value>x</value></member>"


def params(inside: str) -> bytes:
    named = "<methodCall><methodName>m</methodName>"
    return f"{named}<params>{inside}</params></methodCall>".encode()


def arrays(levels: int) -> str:
    return "<array><data><value>" * levels + "</value></data></array>" * levels


def structs(levels: int) -> str:
    return "<struct><member><name>a</name><value>" * levels + "</value></member></struct>" * levels


def values_beside(count: int) -> str:
    return "<array><data>" + "<value/>" * count + "</data></array>"


REFUSED_VALUES: dict[str, tuple[str | bytes, type[errors.DocumentError]]] = {
    "deep arrays": (arrays(65), errors.TooDeep),
    "deep structs": (structs(65), errors.TooDeep),
    "many values": (values_beside(100_000), errors.TooManyValues),
    "invalid UTF-8": (b"<string>\xff</string>", errors.InvalidCharacter),
    "overlong UTF-8": (b"<string>\xc0\xaf</string>", errors.InvalidCharacter),
    "a surrogate in UTF-8": (b"<string>\xed\xa0\x80</string>", errors.InvalidCharacter),
    "a control character": ("<string>\x1b</string>", errors.InvalidCharacter),
    "NUL": ("<string>\x00</string>", errors.InvalidCharacter),
    "a noncharacter": ("<string>\ufffe</string>", errors.InvalidCharacter),
    "a control character by reference": ("<string>&#27;</string>", errors.InvalidCharacter),
    "a surrogate by reference": ("<string>&#xD800;</string>", errors.InvalidCharacter),
    "a member twice": (
        f"<struct>{member('a')}{member('b')}{member('a')}</struct>",
        errors.DuplicateMember,
    ),
    "an undefined entity": ("<string>&no;</string>", errors.NotWellFormed),
    "a bare ampersand": ("<string>a & b</string>", errors.NotWellFormed),
    "]]> in text": ("<string>]]></string>", errors.NotWellFormed),
    "a mismatched tag": ("<int>1</i4>", errors.NotWellFormed),
    "an attribute": ('<int a="1">1</int>', errors.NotWellFormed),
    "xml:lang": ('<string xml:lang="en">1</string>', errors.NotWellFormed),
    "an unknown element": ("<bigdecimal>1</bigdecimal>", errors.NotWellFormed),
    "an unknown prefix": ("<zz:i8>1</zz:i8>", errors.NotWellFormed),
    "an element in another case": ("<Int>1</Int>", errors.NotWellFormed),
    "two types in a value": ("<int>1</int><int>2</int>", errors.NotWellFormed),
    "text beside a type": ("a<int>1</int>", errors.NotWellFormed),
    "text after a type": ("<int>1</int>a", errors.NotWellFormed),
    "text in an array": ("<array>a<data/></array>", errors.NotWellFormed),
    "a value in a string": ("<string><value/></string>", errors.NotWellFormed),
    "an array without data": ("<array/>", errors.NotWellFormed),
    "two data": ("<array><data/><data/></array>", errors.NotWellFormed),
    "a value straight in an array": ("<array><value/></array>", errors.NotWellFormed),
    "a member without value": (
        "<struct><member><name>a</name></member></struct>",
        errors.NotWellFormed,
    ),
    "a member without name": ("<struct><member><value/></member></struct>", errors.NotWellFormed),
    "a member the wrong way round": (
        "<struct><member><value/><name>a</name></member></struct>",
        errors.NotWellFormed,
    ),
    "an int of words": ("<int>one</int>", errors.BadValue),
    "an int too large": ("<int>2147483648</int>", errors.BadValue),
    "a double too large": ("<double>1e999</double>", errors.BadValue),
    "a boolean of words": ("<boolean>true</boolean>", errors.BadValue),
    "base64 without its end": ("<base64>AAA</base64>", errors.BadValue),
    "a day that is none": (
        "<dateTime.iso8601>20030229T00:00:00</dateTime.iso8601>",
        errors.BadValue,
    ),
    "text in a nil": ("<nil>0</nil>", errors.BadValue),
}

REFUSED_DOCUMENTS: dict[str, tuple[bytes, type[errors.DocumentError]]] = {
    "DOCTYPE": (b"<!DOCTYPE methodCall>" + _SCALAR, errors.DoctypeRefused),
    "entity": (
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + call("<string>&b;</string>"),
        errors.DoctypeRefused,
    ),
    "DOCTYPE in UTF-16": (
        ("<!DOCTYPE a>" + _SCALAR.decode()).encode("utf-16"),
        errors.DoctypeRefused,
    ),
    "an unknown encoding": (
        b'<?xml version="1.0" encoding="koi8-r"?>' + _SCALAR,
        errors.UnsupportedEncoding,
    ),
    "a second root": (_SCALAR + b"\n<methodCall/>", errors.SecondRoot),
    "a second document": (_SCALAR + b'<?xml version="1.0"?>' + _SCALAR, errors.SecondRoot),
    "trailing text": (_SCALAR + b"x", errors.TrailingBytes),
    "a trailing NUL": (_SCALAR + b"\0", errors.TrailingBytes),
    "a trailing unfinished comment": (_SCALAR + b"<!-- ", errors.TrailingBytes),
    "a trailing end tag": (_SCALAR + b"</methodCall>", errors.TrailingBytes),
    "an unfinished document": (_SCALAR[:-5], errors.NotWellFormed),
    "nothing": (b"", errors.NotWellFormed),
    "no XML": (b"GET / HTTP/1.0", errors.NotWellFormed),
    "space before the declaration": (b' <?xml version="1.0"?>' + _SCALAR, errors.NotWellFormed),
    "an empty param": (params("<param/>"), errors.NotWellFormed),
    "two values in a param": (params("<param><value/><value/></param>"), errors.NotWellFormed),
    "a value straight in params": (params("<value/>"), errors.NotWellFormed),
    "params twice": (params("</params><params>"), errors.NotWellFormed),
    "another root": (b"<html/>", errors.InvalidRequest),
    "an answer": (b"<methodResponse/>", errors.InvalidRequest),
    "a call of nothing": (b"<methodCall/>", errors.InvalidRequest),
    "an empty name": (
        b"<methodCall><methodName> </methodName></methodCall>",
        errors.InvalidRequest,
    ),
    "two names": (
        b"<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>",
        errors.InvalidRequest,
    ),
    "params before the name": (
        b"<methodCall><params/><methodName>a</methodName></methodCall>",
        errors.InvalidRequest,
    ),
}


@pytest.mark.parametrize("name", REFUSED_DOCUMENTS)
def test_each_document_is_refused_as_what_it_is(name: str) -> None:
    """Every defect of a document has its own error, at the room's own door."""
    document, error = REFUSED_DOCUMENTS[name]
    with pytest.raises(errors.DocumentError) as raised:
        decode_call(document)
    assert type(raised.value) is error, raised.value.text


@pytest.mark.parametrize("name", REFUSED_VALUES)
def test_each_value_is_refused_as_what_it_is(name: str) -> None:
    """Every defect of a value has its own error."""
    inside, error = REFUSED_VALUES[name]
    with pytest.raises(errors.DocumentError) as raised:
        decode_call(call(inside))
    assert type(raised.value) is error, raised.value.text


@pytest.mark.parametrize("name", REFUSED_VALUES)
def test_refusals_hold_inside_a_kept_member(name: str) -> None:
    """A value whose bytes are kept is looked at as closely as any other."""
    inside, error = REFUSED_VALUES[name]
    written = inside if isinstance(inside, bytes) else inside.encode()
    kept = b"<struct><member><name>data</name><value>" + written + b"</value></member></struct>"
    with pytest.raises(errors.DocumentError) as raised:
        decode_call(call(kept), keep={"notify": "data"})
    assert type(raised.value) is error, raised.value.text


@pytest.mark.parametrize(
    ("inside", "place"),
    [
        ("<int>x</int>", "</int>"),
        (b"<string>\xff</string>", b"\xff"),
        ("<string>\x01</string>", "\x01"),
        ('<int a="1">1</int>', "<int"),
        ("<int>1</i4>", "i4>"),
    ],
)
def test_a_refusal_says_where(inside: Any, place: Any) -> None:
    """The text names the byte, so that the sender can look at it."""
    with pytest.raises(errors.DocumentError) as raised:
        read(call(inside))
    number = call("").index(b"</value>") + inside.index(place)
    assert f"byte {number}" in raised.value.text


def test_the_deepest_and_the_fullest_document_that_is_allowed_is_read() -> None:
    """A document that reaches the limits and does not pass them is read by either decoder."""
    for inside in (arrays(64), structs(64), values_beside(99_999)):
        assert read(call(inside))[0] == "notify"
    assert decode_call(encode_call("m", [[[1]]]), Limits(max_depth=2)).params == ([[1]],)
    with pytest.raises(errors.TooDeep):
        decode_call(encode_call("m", [[[1]]]), Limits(max_depth=1))


@thoroughly
@given(damaged(st.one_of(spelled_calls(), values.map(lambda value: encode_call("m", [value])))))
def test_no_document_raises_anything_but_a_document_error(document: bytes) -> None:
    """Whatever the bytes are, what comes out is a call or one of co2's own errors."""
    keeps: list[dict[str, str]] = [{}, {"relay.relay": "data"}]
    for keep in keeps:
        try:
            decode_call(document, keep=keep)
        except errors.DocumentError as error:
            assert error.text


@thoroughly
@given(st.binary() | damaged(values.map(encode_reply)))
def test_no_answer_raises_anything_but_an_error_of_co2(document: bytes) -> None:
    """Whatever comes back from another program, its caller gets a value or a Co2Error."""
    try:
        decode_reply(document)
    except errors.Co2Error as error:
        assert error.text


@pytest.mark.parametrize(
    "junk",
    [
        *("x", "<", "&amp;", "<!---->", "<?p?>", "<a/>", "<value/>", "<name/>"),
        *("<array><data><value>", "<member><name/>"),
    ],
)
@pytest.mark.parametrize("before", ["", "<array><data>", "<struct><member>"])
def test_ten_megabytes_of_junk_take_no_memory_beyond_a_few_copies(junk: str, before: str) -> None:
    """Junk is refused, or is text, and is never turned into objects first."""
    document = call(before + junk * (_TEN_MEGABYTES // len(junk)))
    tracemalloc.start()
    try:
        decode_call(document)
    except errors.DocumentError:
        pass
    else:
        assert not before
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 6 * len(document)


def test_nothing_of_a_document_stays_behind() -> None:
    """Read or refused, a document is given back to the memory at once, not by the collector."""
    gc.collect()
    gc.disable()
    try:
        for document in (_SCALAR, call("<int>x</int>"), _SCALAR[:-5]):
            with suppress(errors.DocumentError):
                read(document)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_attributes_by_the_thousand_are_refused_at_the_first() -> None:
    """A tag that is nothing but attributes never becomes a value."""
    attributes = " ".join(f"a{number}='b'" for number in range(100_000))
    with pytest.raises(errors.NotWellFormed, match="attribute 'a0'"):
        decode_call(call(f"<int {attributes}>1</int>"))


def test_what_comes_after_a_limit_is_not_looked_at() -> None:
    """The error names the place of the limit, and nothing behind it makes another one."""
    deep = call("<array><data><value>" * 11 + "\x00" * 1000)
    with pytest.raises(errors.TooDeep, match=f"byte {deep.rindex(b'<array>')}$"):
        read(deep, Limits(max_depth=10))
    with pytest.raises(errors.TooManyValues):
        read(call("<array><data>" + "<value/>" * 101 + "\x00" * 1000), Limits(max_values=100))
