"""The fast decoder against the general one."""

from __future__ import annotations

import gc
import sys
import xmlrpc.client
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_room import SHRUBBERY, call, damaged, same, spelled_calls, thoroughly, unhurriedly, values

from co2.wire.general import read_document
from co2.wire.limits import DEFAULT_LIMITS, Limits
from co2.wire.scanner import scan_answer, scan_call
from co2.wire.xmlrpc import encode_call, encode_reply

_written = values.map(lambda value: encode_call("relay.relay", [{"data": value}, value]))


def scanned(document: bytes, limits: Limits = DEFAULT_LIMITS) -> Any:
    return scan_call(document, limits, {})


def steps(document: bytes) -> int:
    """How many Python functions a scan calls: its work, without a clock."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # its callbacks would be counted, and they come when they like
    sys.setprofile(profile)
    try:
        scanned(document, Limits(max_values=10**9))
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@thoroughly
@given(st.one_of(spelled_calls(), damaged(_written), damaged(spelled_calls())))
def test_the_two_decoders_agree_on_all_that_the_scanner_accepts(document: bytes) -> None:
    """Whatever the scanner accepts the general decoder accepts, and gives the same."""
    found = scanned(document)
    if found is not None:
        method, params = read_document(document, "methodCall", DEFAULT_LIMITS)
        assert found[0].method == method
        assert same(found[0].params, params)


@unhurriedly
@given(values)
def test_what_co2_writes_is_a_usual_form(value: Any) -> None:
    """No document of co2's own ever needs the general decoder."""
    found = scanned(encode_call("notify", [value]))
    assert found is not None and same(found[0].params, (value,))
    assert same(scan_answer(encode_reply(value), DEFAULT_LIMITS), [value])


def test_fine_times_between_co2_hosts_are_a_usual_form() -> None:
    """Microseconds do not cost the fast way."""
    moment = datetime(2003, 11, 17, 14, 8, 55, 7, tzinfo=UTC)
    found = scanned(encode_call("notify", [moment], fine_times=True))
    assert found is not None and found[0].params == (moment,)


def test_what_the_standard_library_writes_is_a_usual_form() -> None:
    """Its line breaks between elements do not cost the fast way."""
    found = scanned(xmlrpc.client.dumps((SHRUBBERY, 2, "x"), "notify").encode())
    assert found is not None and found[0].params == (SHRUBBERY, 2, "x")


@pytest.mark.parametrize("params", ["", "<params/>", "<params>\n</params>"])
def test_a_call_without_values_is_a_usual_form(params: str) -> None:
    """A call without params, or with none in them, gives no values."""
    found = scanned(f"<methodCall><methodName>ping</methodName>{params}</methodCall>".encode())
    assert found is not None and found[0] == ("ping", ())


_UNUSUAL = (
    "<i1>1</i1> <![CDATA[x]]> <string>a<!--b--></string> <struct/> <int>+-1</int> <int>1_0</int>"
    " <int>2147483648</int> <double>1e999</double> <string>&no;</string> <int>1</i4> <nope/>"
    " <string>]]></string> <string>\x00</string> <string>\ufffe</string> <boolean>2</boolean>"
)


@pytest.mark.parametrize("inside", _UNUSUAL.split(" "))
def test_what_is_not_usual_is_left_to_the_general_decoder(inside: str) -> None:
    """The scanner gives nothing rather than a guess."""
    assert scanned(call(inside)) is None


def test_a_value_beyond_a_limit_is_left_to_the_general_decoder() -> None:
    """Depth and number of values are the scanner's limits too."""
    deep = encode_call("m", [[[[1]]]])
    assert scanned(deep, Limits(max_depth=3)) is not None
    assert scanned(deep, Limits(max_depth=2)) is None
    many = encode_call("m", [[1] * 9])
    assert scanned(many, Limits(max_values=10)) is not None
    assert scanned(many, Limits(max_values=9)) is None


@pytest.mark.parametrize("junk", [b"<", b"x", b"<value/>", b"<value>", b"<!-- -->", b"&amp;"])
def test_junk_costs_one_look_however_long_it_is(junk: bytes) -> None:
    """A scan of ten times the junk does not do one step more."""
    document = encode_call("m", [[1, 2]])
    at = document.index(b"<value><int>2")
    short, long = (document[:at] + junk * times + document[at:] for times in (10**3, 10**4))
    assert scanned(short) is None and scanned(long, Limits(max_values=10**9)) is None
    assert steps(long) == steps(short)


def test_work_grows_no_faster_than_the_document() -> None:
    """Ten times the values take at most ten times the steps."""
    few, many = (encode_call("m", [[{"a": n} for n in range(count)]]) for count in (100, 1000))
    assert steps(many) <= 10 * steps(few)
