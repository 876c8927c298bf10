"""The texts of scalars: strict where Python is liberal."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_room import unhurriedly

from co2.wire.values import SCALARS, read_base64, read_boolean, read_double, read_integer, shorten


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_integers_fit_exactly_into_their_bits(bits: int) -> None:
    """The least and the greatest are read, their neighbours are not."""
    edge = 1 << (bits - 1)
    assert read_integer(str(edge - 1), bits) == edge - 1
    assert read_integer(str(-edge), bits) == -edge
    for beyond in (edge, -edge - 1):
        with pytest.raises(ValueError, match=f"{bits} bits"):
            read_integer(str(beyond), bits)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "+",
        "1_000",
        "\u0661\u0662",
        "1.0",
        "1e3",
        "0x10",
        "1 2",
        "--1",
        "nan",
        "1\x0b",
        "9" * 5000,
    ],
)
def test_what_python_would_take_for_an_integer_is_refused(text: str) -> None:
    """Only a sign and ASCII digits are an integer, and only as many as can mean something."""
    with pytest.raises(ValueError, match="no integer"):
        read_integer(text, 64)


def test_signs_zeros_and_white_space_are_no_matter() -> None:
    """What other programs pad a number with is read."""
    assert read_integer("\n +0042\t", 32) == 42
    assert read_double(" -0.50\r\n") == -0.5
    assert read_boolean(" 1 ") is True


@pytest.mark.parametrize(
    "text", ["1", "-1.5", "+.5", "1.", "1e3", "1.5E-7", "1e+3", "0" * 300 + "1"]
)
def test_doubles_of_all_writers_are_read(text: str) -> None:
    """Numbers come with and without point, fraction and exponent."""
    assert read_double(text) == float(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "e5",
        "1e",
        "nan",
        "inf",
        "-Infinity",
        "1e999",
        "1_0.0",
        "0x1p3",
        "1,5",
        "\u0661",
        "1" * 2000,
    ],
)
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    """Python's other spellings of floats are no doubles, nor is what overflows."""
    with pytest.raises(ValueError, match="double"):
        read_double(text)


@pytest.mark.parametrize("text", ["", "true", "2", "-1", "01", "\u0661"])
def test_a_boolean_is_one_or_zero(text: str) -> None:
    """Words are not read as booleans."""
    with pytest.raises(ValueError, match="write 1 or 0"):
        read_boolean(text)


@unhurriedly
@given(st.binary(), st.integers(1, 80))
def test_base64_is_read_whatever_its_lines(data: bytes, width: int) -> None:
    """White space inside base64 is no part of it."""
    text = base64.b64encode(data).decode()
    lines = "\r\n ".join(text[start : start + width] for start in range(0, len(text), width))
    assert read_base64(lines) == data


@pytest.mark.parametrize(
    "text", ["A", "AA", "AAA", "=AAA", "AA==AA==", "AA-_", "\uff21===", "ÄAAA"]
)
def test_base64_that_is_broken_is_refused(text: str) -> None:
    """Missing padding and foreign characters are errors, not silence."""
    with pytest.raises(ValueError, match="base64"):
        read_base64(text)


def test_apaches_types_are_the_plain_ones_by_another_name() -> None:
    """Each type of Apache's extension is read as its like."""
    assert SCALARS["ex:i1"]("-128") == -128
    assert SCALARS["ex:i2"]("32767") == 32767
    assert SCALARS["ex:i8"](str(2**63 - 1)) == SCALARS["ex:biginteger"](str(2**63 - 1))
    assert SCALARS["ex:float"]("1.5") == 1.5
    assert SCALARS["ex:nil"]("") is None
    when = SCALARS["ex:dateTime"]("2003-11-17T15:08:55.000+01:00")
    assert when == SCALARS["dateTime.iso8601"]("20031117T14:08:55")


def test_a_long_text_is_quoted_in_part() -> None:
    """An error never repeats megabytes."""
    assert len(shorten("x" * 10**6)) < 60
