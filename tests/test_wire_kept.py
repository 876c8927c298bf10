"""Values whose bytes are kept: what a relay passes on without writing it again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from wire_room import SHRUBBERY, call, same, spelled_calls, thoroughly, unhurriedly, values

from co2.errors import DocumentError
from co2.model.calls import Encoded
from co2.wire.limits import DEFAULT_LIMITS
from co2.wire.scanner import scan_call
from co2.wire.xmlrpc import decode_call, encode_call, encode_members, encode_value

_KEEP = {"notify": "data", "relay.relay": "data"}


def struct(*members: tuple[str, str]) -> bytes:
    written = "".join(f"<member><name>{n}</name><value>{v}</value></member>" for n, v in members)
    return call(f"<struct>{written}</struct>")


def kept(document: bytes) -> Encoded:
    data = decode_call(document, keep=_KEEP).params[0]["data"]
    assert isinstance(data, Encoded)
    return data


@unhurriedly
@given(values)
def test_what_is_kept_is_what_encoding_it_would_give(value: Any) -> None:
    """Kept bytes, value, nil and times are those of the value encoded here."""
    found = kept(encode_call("notify", [{"before": value, "data": value, "z": [value]}]))
    assert same(found, encode_value(value, "data", fine_times=True))


@thoroughly
@given(spelled_calls())
def test_kept_bytes_mean_what_the_document_meant(document: bytes) -> None:
    """However a document is spelled, the kept bytes are of a usual form and mean its value."""
    try:
        plain, keeping = decode_call(document), decode_call(document, keep=_KEEP)
    except DocumentError:
        return
    if not plain.params or not isinstance(plain.params[0], dict) or "data" not in plain.params[0]:
        assert same(plain, keeping)
        return
    found = keeping.params[0]["data"]
    assert same(found.value, plain.params[0]["data"])
    again = scan_call(encode_call("notify", [{"data": found}], True), DEFAULT_LIMITS, {})
    assert again is not None and same(again[0].params[0]["data"], found.value)
    assert b"\r" not in found.xml


def test_canonical_bytes_are_passed_through() -> None:
    """What needs no change has none: white space between elements, and bare texts, stay."""
    inside = "<array><data>\n<value>a</value> <value><i4>1</i4></value>\n</data></array>"
    found = kept(struct(("a", "<struct></struct>"), ("data", inside), ("z", inside)))
    assert found.xml == f"<value>{inside}</value>".encode()
    assert found.value == ["a", 1]


@pytest.mark.parametrize(
    ("inside", "xml"),
    [
        ("<ex:i8>1</ex:i8>", "<int>1</int>"),
        ("<i1>1</i1>", "<int>1</int>"),
        ("<![CDATA[a<b]]>", "<string>a&lt;b</string>"),
        ("<string>a<!-- c -->b</string>", "<string>ab</string>"),
        ("<string >a</string\n>", "<string>a</string>"),
        ("<int> 1 </int>", "<int>1</int>"),
        ("<double>1e-3</double>", "<double>0.001</double>"),
        ("<array/>".replace("/>", "><data/></array>"), "<array><data></data></array>"),
        (
            "<dateTime.iso8601>2003-11-17T15:08:55+01:00</dateTime.iso8601>",
            "<dateTime.iso8601>20031117T14:08:55</dateTime.iso8601>",
        ),
    ],
)
def test_what_is_not_canonical_is_written_anew(inside: str, xml: str) -> None:
    """Nobody has to read a foreign dialect at second hand."""
    assert kept(struct(("data", inside))).xml == f"<value>{xml}</value>".encode()
    nested = kept(struct(("data", f"<array><data><value>{inside}</value></data></array>")))
    assert f"<value>{xml}</value>".encode() in nested.xml


def test_a_document_in_another_encoding_is_kept_in_utf8() -> None:
    """The bytes of Latin-1 are never put into a document that declares UTF-8."""
    document = struct(("data", "<array><data><value>é</value></data></array>"))
    latin = b"<?xml version='1.0' encoding='iso-8859-1'?>" + document.decode().encode("latin-1")
    assert "é".encode() in kept(latin).xml


def test_line_ends_of_windows_are_kept_as_newlines() -> None:
    """XML reads them as such, and a bare carriage return is never written."""
    found = kept(struct(("data", "<array><data>\r\n<value>a\r\nb</value>\r\n</data></array>")))
    assert found.value == ["a\nb"] and b"\r" not in found.xml


def test_a_nil_and_a_fine_time_inside_are_told() -> None:
    """Whoever sends the bytes on learns from the value which hosts may get them."""
    moment = datetime(2003, 11, 17, 14, 8, 55, 7, tzinfo=UTC)
    found = kept(encode_call("notify", [{"data": [1, {"x": None}, moment]}], fine_times=True))
    assert found.nil_at == "data[1].x" and found.fine_times
    text = kept(encode_call("notify", [{"data": ["&lt;nil/&gt; <nil/>"]}]))
    assert text.nil_at is None and not text.fine_times


def test_only_that_member_of_that_struct_is_kept() -> None:
    """The same name deeper inside, in another value or in another method stays plain."""
    document = encode_call("notify", [{"a": {"data": [1]}}, {"data": [2]}])
    assert decode_call(document, keep=_KEEP).params == ({"a": {"data": [1]}}, {"data": [2]})
    other = encode_call("other", [{"data": [1]}])
    assert decode_call(other, keep=_KEEP).params == ({"data": [1]},)
    deeper = decode_call(encode_call("notify", [{"a": {"data": [1]}, "data": [2]}]), keep=_KEEP)
    assert deeper.params[0]["a"] == {"data": [1]} and deeper.params[0]["data"].value == [2]


def batch(*calls: dict[str, Any]) -> bytes:
    return encode_call("system.multicall", [list(calls)])


@unhurriedly
@given(values)
def test_a_batch_keeps_what_each_call_alone_would_keep(value: Any) -> None:
    """A message passes as the same bytes, whether it came alone or with others."""
    struct = {"before": value, "data": value, "z": {"data": value}}
    one = {"methodName": "notify", "params": [struct]}
    other = {"params": [struct], "methodName": "relay.relay"}
    alone = kept(encode_call("notify", [struct]))
    found = decode_call(batch(one, other), keep=_KEEP).params[0]
    assert same([call["params"][0]["data"] for call in found], [alone, alone])
    assert same(found[0]["params"][0]["z"], {"data": value})


def test_canonical_bytes_in_a_batch_are_passed_through() -> None:
    """They are not written anew: what nobody would write like that stays."""
    inside = "<array><data>\n<value>a</value> <value><i4>1</i4></value>\n</data></array>"
    member = f"<member><name>data</name><value>{inside}</value></member>"
    document = batch({"methodName": "notify", "params": [{"data": "here"}]}).replace(
        b"<member><name>data</name><value><string>here</string></value></member>", member.encode()
    )
    (found,) = decode_call(document, keep=_KEEP).params[0]
    assert found["params"][0]["data"].xml == f"<value>{inside}</value>".encode()


def test_in_a_batch_other_methods_are_left_alone() -> None:
    """Only the calls that `keep` names, and of those the first value."""
    struct = {"data": [1]}
    calls = [
        {"methodName": "other", "params": [struct]},
        {"methodName": "notify", "params": [1, struct]},
        {"methodName": "notify", "params": [{"deeper": struct}]},
        {"methodName": "notify", "other": [struct], "params": []},
        {"methodName": ["notify"], "params": [struct]},
        {"methodName": "notify", "params": struct},
        {"methodName": "notify"},
        {"params": [struct]},
        [struct],
        "notify",
    ]
    document = encode_call("system.multicall", [calls])
    assert decode_call(document, keep=_KEEP).params == (calls,)
    assert decode_call(encode_call("system.multicall", []), keep=_KEEP).params == ()
    assert decode_call(encode_call("system.multicall", [1]), keep=_KEEP).params == (1,)


@pytest.mark.parametrize("params", [[], [1], ["data"], [["data"]], [{"x": 1}], [None]])
def test_a_call_without_that_member_is_as_it_is(params: list[Any]) -> None:
    """Nothing is invented where the member, the struct or the value is missing."""
    assert decode_call(encode_call("notify", params), keep=_KEEP).params == tuple(params)


def test_kept_bytes_are_put_into_the_next_document_unchanged() -> None:
    """From one relay to the next, the bytes of a message stay the same ones."""
    first = encode_call("notify", [SHRUBBERY])
    struct = decode_call(first, keep=_KEEP).params[0]
    assert encode_call("notify", [struct]) == first
    assert encode_members(struct) in first
