"""Values to text: what is written, and what is refused before anything is."""

from __future__ import annotations

import math
import xmlrpc.client
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_room import nested, same, scalars, texts, unhurriedly, values

from co2.errors import UnsupportedValue
from co2.model.calls import Encoded
from co2.wire.encoder import write_members, write_value
from co2.wire.xmlrpc import decode_call, decode_reply, encode_call, encode_reply, encode_value

Point = namedtuple("Point", "x y")


class Colour(IntEnum):
    RED = 7


class Word(StrEnum):
    NI = "ni"


class Loud(str):
    def __str__(self) -> str:
        return self.upper()


class Odd(int):
    def __str__(self) -> str:
        return "odd"

    def __format__(self, how: str) -> str:
        return "odd"


def write(value: Any, fine_times: bool = False) -> str:
    return write_value(value, "data", fine_times)


@unhurriedly
@given(values)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    """Whatever the table of PROTOCOL section 2 lists survives a call and an answer."""
    assert same(decode_call(encode_call("m", [value, value])).params, (value, value))
    assert same(decode_reply(encode_reply(value)), value)


@unhurriedly
@given(nested(scalars.filter(lambda leaf: not isinstance(leaf, datetime))))
def test_the_standard_library_reads_what_is_written(value: Any) -> None:
    """An independent decoder gets the same values."""
    (there,), method = xmlrpc.client.loads(encode_call("m", [value]), use_builtin_types=True)
    assert method == "m" and same(there, value)


@unhurriedly
@given(nested(scalars.filter(lambda leaf: not isinstance(leaf, datetime))))
def test_what_the_standard_library_writes_is_read(value: Any) -> None:
    """Apart from carriage returns, which it writes bare, and long integers, which it refuses."""
    try:
        document = xmlrpc.client.dumps((value,), "m", allow_none=True).encode()
    except OverflowError:
        return
    if b"\r" not in document:
        assert same(decode_call(document).params, (value,))


@unhurriedly
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_written_exactly_and_without_exponent(value: float) -> None:
    """Readers that know nothing but sign, digits and point get every bit."""
    text = write(value).removeprefix("<value><double>").removesuffix("</double></value>")
    assert set(text) <= set("-.0123456789") and "." in text
    assert same(float(text), value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**31 - 1, "<int>2147483647</int>"),
        (2**31, "<i8>2147483648</i8>"),
        (-(2**31), "<int>-2147483648</int>"),
        (-(2**63), "<i8>-9223372036854775808</i8>"),
        (True, "<boolean>1</boolean>"),
        (0.815, "<double>0.815</double>"),
        (-0.0, "<double>-0.0</double>"),
        (1e22, "<double>10000000000000000000000.0</double>"),
        (1.5e-7, "<double>0.00000015</double>"),
        ("a<b>&c\r\n", "<string>a&lt;b&gt;&amp;c&#13;\n</string>"),
        (b"\x00\xff", "<base64>AP8=</base64>"),
        (bytearray(b"ni"), "<base64>bmk=</base64>"),
        (datetime(2003, 11, 17, 14, 8, 55, tzinfo=UTC), None),
        (None, "<nil/>"),
        ((1, [2]), None),
        (Point(1, 2), None),
        (Colour.RED, "<int>7</int>"),
        (Word.NI, "<string>ni</string>"),
        (Loud("ni"), "<string>ni</string>"),
        (Odd(4), "<int>4</int>"),
    ],
)
def test_each_type_has_its_element(value: Any, text: str | None) -> None:
    """Types and their subclasses are written as the table says, past what a subclass overrides."""
    expected = {
        datetime: "<dateTime.iso8601>20031117T14:08:55</dateTime.iso8601>",
        tuple: "<array><data><value><int>1</int></value><value><array><data>"
        "<value><int>2</int></value></data></array></value></data></array>",
        Point: "<array><data><value><int>1</int></value><value><int>2</int></value></data></array>",
    }
    assert write(value) == f"<value>{text or expected[type(value)]}</value>"


@pytest.mark.parametrize("kind", [dict, OrderedDict, MappingProxyType])
def test_every_mapping_is_a_struct(kind: Any) -> None:
    """The names keep their order, and are escaped."""
    assert write(kind({"b": 1, "a<": "x"})) == (
        "<value><struct><member><name>b</name><value><int>1</int></value></member>"
        "<member><name>a&lt;</name><value><string>x</string></value></member></struct></value>"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([0, {"x": object()}], r"^data\[1\]\.x: object is none of the types"),
        ({"a": 2**63}, r"^data\.a: an int that does not fit into 64 bits"),
        ([math.nan], r"^data\[0\]: nan"),
        (-math.inf, r"^data: -inf"),
        (["ok", "\x1b"], r"^data\[1\]: XML cannot carry the character U\+001B"),
        (["x" * 1000 + "\ud800"], r"^data\[0\]: .* U\+D800 \(number 1000 "),
        ({"\x00": 1}, r"^data\.\x00: .* U\+0000"),
        ({1: 2}, r"^data\[1\]: the name of a member is a str, not int"),
        ([datetime(2003, 11, 17)], r"^data\[0\]: a datetime without a time zone"),
        (date(2003, 11, 17), r"^data: date is none"),
        ([{1}], r"^data\[0\]: set is none"),
        (Decimal(1), r"^data: Decimal is none"),
        (1j, r"^data: complex is none"),
        (memoryview(b""), r"^data: memoryview is none"),
        ((n for n in ()), r"^data: generator is none"),
    ],
)
def test_what_cannot_travel_is_refused_by_its_path(value: Any, text: str) -> None:
    """The error says where in the value the trouble is, and what it is."""
    with pytest.raises(UnsupportedValue, match=text):
        write(value)


def test_a_value_within_itself_is_refused() -> None:
    """A list or a struct that holds itself is an error like any other, with a short text."""
    endless: list[Any] = []
    endless.append({"again": endless})
    with pytest.raises(UnsupportedValue, match="nested deeper than 64") as raised:
        write(endless)
    assert len(raised.value.text) < 300


def test_depth_is_what_every_host_accepts() -> None:
    """64 levels are written and read, 65 are refused before they are sent."""
    deep: Any = 1
    for _ in range(64):
        deep = [deep]
    assert decode_call(encode_call("m", [deep])).params == (deep,)
    with pytest.raises(UnsupportedValue, match="deeper"):
        encode_call("m", [[deep]])


def test_an_encoded_value_is_written_as_it_is() -> None:
    """Nobody looks into the bytes that somebody has made before."""
    made = Encoded(b"<value>\xe2\x82\xac</value>", "€")
    assert write([made, {"a": made}]).count("<value>€</value>") == 2


def test_fine_times_go_only_where_they_are_wanted() -> None:
    """Microseconds are left out for strict readers; an encoded value says that it has some."""
    moment = datetime(2003, 11, 17, 14, 8, 55, 7, tzinfo=UTC)
    made = encode_value(moment, fine_times=True)
    assert made.fine_times and b"T14:08:55.000007<" in made.xml
    assert not encode_value(moment).fine_times and b"T14:08:55<" in encode_value(moment).xml
    assert write([moment, made]).count(".000007") == 1
    assert encode_value([made]).fine_times


@unhurriedly
@given(st.dictionaries(texts, values, max_size=4))
def test_members_are_a_struct_without_its_tags(struct: dict[str, Any]) -> None:
    """What is written as members can be put between any two other members."""
    assert write(struct) == f"<value><struct>{write_members(struct, '', False)}</struct></value>"


def test_members_are_named_without_a_path() -> None:
    """An error in a member begins with its name."""
    with pytest.raises(UnsupportedValue, match=r"^data\[3\]\.x: "):
        write_members({"data": [1, 2, 3, {"x": object()}]}, "", False)
