"""The face of the room: calls, answers, faults, and pieces of calls."""

from __future__ import annotations

import xmlrpc.client
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_room import SHRUBBERY, reply, same, unhurriedly, values

from co2.errors import (
    BadValue,
    Denied,
    DocumentError,
    Fault,
    InvalidRequest,
    NotWellFormed,
    RateLimited,
    UnknownFault,
    Unreachable,
    UnsupportedValue,
)
from co2.model.calls import Call, Encoded
from co2.wire.xmlrpc import (
    decode_call,
    decode_reply,
    encode_call,
    encode_fault,
    encode_members,
    encode_reply,
    encode_value,
    read_reply,
    wrap_members,
)


def test_a_call_is_a_call_again() -> None:
    """Method and values survive, in their order."""
    assert decode_call(encode_call("a.b.c", [1, SHRUBBERY])) == Call("a.b.c", (1, SHRUBBERY))
    assert decode_call(encode_call("ping", [])) == Call("ping", ())


def test_the_standard_library_reads_calls_answers_and_faults() -> None:
    """A program without co2 understands every kind of document."""
    assert xmlrpc.client.loads(encode_call("m", [SHRUBBERY, 2])) == ((SHRUBBERY, 2), "m")
    assert xmlrpc.client.loads(encode_reply([1, "é"])) == (([1, "é"],), None)
    with pytest.raises(xmlrpc.client.Fault) as raised:
        xmlrpc.client.loads(encode_fault(Fault(1000, "no & never")))
    assert (raised.value.faultCode, raised.value.faultString) == (1000, "no & never")


def test_a_method_name_is_written_as_text() -> None:
    """No name can break out of its element, and one that XML cannot carry is refused."""
    assert decode_call(encode_call("a</methodName>&", [])).method == "a</methodName>&"
    with pytest.raises(UnsupportedValue, match=r"^methodName: "):
        encode_call("a\x00", [])


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ([{"data": [1, 2, 3, {"x": object()}]}], "data[3].x"),
        ([[object()]], "params[0][0]"),
        ([1, {"a": object()}], "params[1].a"),
    ],
)
def test_a_value_that_cannot_travel_is_named_by_its_path(params: list[Any], path: str) -> None:
    """The members of a lone struct go by their names, other values by their place."""
    with pytest.raises(UnsupportedValue) as raised:
        encode_call("m", params)
    assert raised.value.text.startswith(f"{path}: object is none")


def test_a_result_and_a_value_are_named_too() -> None:
    """Errors in answers begin with `result`, in single values with the path given."""
    with pytest.raises(UnsupportedValue, match=r"^result\[0\]: "):
        encode_reply([object()])
    with pytest.raises(UnsupportedValue, match=r"^here\.a: "):
        encode_value({"a": object()}, "here")


@unhurriedly
@given(st.integers(), st.text())
def test_a_fault_is_always_written(code: int, text: str) -> None:
    """Whatever the text holds and the code is, the caller gets a fault that can be read."""
    document = encode_fault(Fault(code, text))
    with pytest.raises(xmlrpc.client.Fault) as raised:
        xmlrpc.client.loads(document)
    assert raised.value.faultCode == (code if -(2**63) <= code < 2**63 else -32603)
    assert len(raised.value.faultString) == len(text)


def test_a_fault_comes_back_as_the_error_it_was() -> None:
    """A caller writes `except Denied` wherever the method ran; foreign codes are kept."""
    with pytest.raises(Denied, match="by rule 3"):
        decode_reply(encode_fault(Denied("by rule 3").as_fault()))
    with pytest.raises(RateLimited):
        decode_reply(encode_fault(Fault(1003, "slower")))
    with pytest.raises(UnknownFault) as raised:
        decode_reply(encode_fault(Fault(77, "odd")))
    assert raised.value.as_fault() == Fault(77, "odd")


def test_a_fault_can_be_told_from_an_answer_that_is_broken() -> None:
    """Who reads an answer without raising gets the fault itself, and the value of any other."""
    fault = Fault(-32700, "your document was broken")
    assert read_reply(encode_fault(fault)) == fault
    assert read_reply(encode_reply([1])) == [1]
    with pytest.raises(NotWellFormed):
        read_reply(encode_fault(fault)[:-9])


@pytest.mark.parametrize(
    "struct",
    [
        "<string>no</string>",
        "<struct></struct>",
        "<struct><member><name>faultCode</name><value>1</value></member>"
        "<member><name>faultString</name><value>x</value></member></struct>",
    ],
)
def test_a_fault_that_is_none_is_a_bad_answer(struct: str) -> None:
    """A fault without a number and a text is the other side's mistake."""
    document = f"<methodResponse><fault><value>{struct}</value></fault></methodResponse>"
    with pytest.raises(BadValue, match="faultCode"):
        read_reply(document.encode())


@pytest.mark.parametrize("around", [" ", "\n", "\r\n\t"])
def test_white_space_around_a_method_name_is_no_part_of_it(around: str) -> None:
    """Read it is dropped, inside of the name it stays; nobody writes what would be dropped."""
    document = b"<methodCall><methodName>%s</methodName></methodCall>"
    assert decode_call(document % f"{around}ping{around}".encode()).method == "ping"
    assert decode_call(document % b" pi ng ").method == "pi ng"
    with pytest.raises(UnsupportedValue, match="white space around it"):
        encode_call(f"ping{around}", [])


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"<html><body>502 Bad Gateway</body></html>", InvalidRequest),
        (encode_call("m", []), InvalidRequest),
        (b"<methodResponse/>", NotWellFormed),
        (b"<methodResponse><params/></methodResponse>", NotWellFormed),
        (encode_reply(1).replace(b"</params>", b"<param><value/></param></params>"), NotWellFormed),
        (reply("<int>x</int>"), BadValue),
        (b"", NotWellFormed),
    ],
)
def test_what_is_no_answer_is_a_document_error(document: bytes, error: type[DocumentError]) -> None:
    """A proxy's page, a call, or an answer of no value is no result; to a caller, no answer."""
    with pytest.raises(DocumentError) as raised:
        read_reply(document)
    assert type(raised.value) is error
    with pytest.raises(Unreachable, match="the relay does not answer XML-RPC as it should"):
        decode_reply(document, whose="the relay")


@unhurriedly
@given(values)
def test_an_encoded_value_stands_for_the_value(value: Any) -> None:
    """Wherever it is put, the other side gets what was encoded."""
    made = encode_value(value)
    assert same(made.value, value)
    assert encode_reply([made, {"x": made}]) == encode_reply([value, {"x": value}])


def test_an_encoded_value_tells_of_nils_and_fine_times() -> None:
    """What decides where the bytes may go is found when they are made."""
    moment = datetime(2003, 11, 17, 14, 8, 55, 7, tzinfo=UTC)
    made = encode_value([1, {"x": None}, moment], fine_times=True)
    assert (made.nil_at, made.fine_times) == ("data[1].x", True)
    assert encode_value([moment]).fine_times is False
    assert encode_value("<nil/> <dateTime.iso8601>.", "a") == Encoded(
        b"<value><string>&lt;nil/&gt; &lt;dateTime.iso8601&gt;.</string></value>",
        "<nil/> <dateTime.iso8601>.",
    )


def test_an_encoded_value_leaves_room_for_the_struct_around_it() -> None:
    """What can be encoded as a member can be sent as one: 63 levels, not 64."""
    deep: Any = 1
    for _ in range(63):
        deep = [deep]
    document = encode_call("notify", [{"data": encode_value(deep)}])
    assert decode_call(document).params == ({"data": deep},)
    with pytest.raises(UnsupportedValue, match="deeper"):
        encode_value([deep])


@unhurriedly
@given(st.dictionaries(st.sampled_from("abc"), values), values)
def test_pieces_make_a_call_with_one_member_more(struct: dict[str, Any], token: Any) -> None:
    """Members that are written once can be sent with others beside them, uncopied."""
    members, more = encode_members(struct), encode_members({"token": token})
    pieces = wrap_members("notify", (members, more))
    assert pieces[1] is members
    assert b"".join(pieces) == encode_call("notify", [{**struct, "token": token}])
