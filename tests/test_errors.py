"""co2.errors: one tree, one code for each class, and the table that the protocol prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from co2 import errors
from co2.errors import (
    FAULT_TABLE,
    Co2Error,
    Denied,
    Fault,
    QueueFull,
    RateLimited,
    RetryLater,
    UnknownFault,
    remote_error,
)

PROTOCOL = Path(__file__).parent.parent / "docs" / "protocol.md"
ROW = re.compile(r"^\| *(-?\d+) *\| *`?(\w+)`? *\|", re.MULTILINE)
ABSTRACT = {"Co2Error", "LocalError", "RemoteError", "DocumentError", "RetryLater", "UnknownFault"}


def classes():
    """Every class that stands for a fault of its own; one of its parent's code only narrows it."""
    for value in vars(errors).values():
        concrete = isinstance(value, type) and issubclass(value, Co2Error)
        if concrete and value.__name__ not in ABSTRACT:
            parent = value.__mro__[1]
            if parent.__name__ in ABSTRACT or parent.code != value.code:
                yield value


def test_every_code_is_one_classes():
    """A fault's code says what happened, and only that."""
    found = list(classes())
    assert len({kind.code for kind in found}) == len(found)
    assert {kind.code: kind for kind in found} == FAULT_TABLE


def test_codes_are_the_specifications_or_co2s():
    """Below zero the interoperability codes, from 1000 co2's own."""
    assert all(code >= 1000 or -32999 <= code <= -32000 for code in FAULT_TABLE)


def test_every_class_says_what_it_means():
    """A user reads these docstrings."""
    assert all(kind.__doc__ and kind.__doc__.endswith(".") for kind in classes())


def test_the_protocol_prints_the_same_table():
    """Every code once, with its class."""
    section = PROTOCOL.read_text().partition("Faults\n")[2].partition("\n## ")[0]
    assert section, "docs/protocol.md has no section Faults"
    rows = [(int(code), name) for code, name in ROW.findall(section)]
    assert len(rows) == len(set(rows))
    assert dict(rows) == {code: kind.__name__ for code, kind in FAULT_TABLE.items()}


@pytest.mark.parametrize("kind", FAULT_TABLE.values(), ids=lambda kind: kind.__name__)
def test_a_fault_is_the_same_error_again(kind):
    """What was raised on one host is what a caller on another catches."""
    back = remote_error(kind("what, where, what to do").as_fault())
    assert type(back) is kind
    assert back.text == "what, where, what to do"


@pytest.mark.parametrize("seconds", [0.05, 1.0, 2.5, 60.0, 86400.0])
def test_when_to_come_again_travels_in_the_text(seconds):
    """A fault has but a code and a text."""
    back = remote_error(QueueFull("full", seconds).as_fault())
    assert isinstance(back, RetryLater)
    assert (back.text, back.retry_after) == ("full", seconds)


@pytest.mark.parametrize("text", ["full", "x [retry after soon]", "x [retry after 9999999999 s]"])
def test_a_text_without_a_time_has_the_usual_one(text):
    """Another server's wording is taken as it is."""
    back = remote_error(Fault(RateLimited.code, text))
    assert (back.text, back.retry_after) == (text, 1.0)


def test_a_foreign_code_is_kept():
    """What co2 does not know it hands on unchanged."""
    error = remote_error(Fault(4711, "their own"))
    assert isinstance(error, UnknownFault)
    assert error.as_fault() == Fault(4711, "their own")


def test_an_error_reads_as_its_text():
    """Also in a traceback."""
    assert str(Denied("no")) == "no"
