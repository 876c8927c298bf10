"""A value together with the bytes that stand for it, so that a relay need not write it again.

It decides when the bytes of a document may go on as they are, and makes the `Encoded`.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from co2.model.calls import Encoded
from co2.wire.encoder import write_value
from co2.wire.nils import first_nil

_EXPONENT = re.compile("<double>[-+0-9.]*[eE]")
_FRACTION = re.compile("<dateTime\\.iso8601>[^<.]*\\.")


def encoded(xml: str, value: Any, path: str) -> Encoded:
    """Make an `Encoded` of a value's canonical text."""
    nil_at = first_nil(value, path) if "<nil/>" in xml else None
    return Encoded(xml.encode(), value, nil_at, _FRACTION.search(xml) is not None)


def keep_text(xml: str, value: Any, path: str) -> Encoded:
    """Make an `Encoded` of what the scanner has read, by its text where every parser reads that.

    The usual forms are all canonical but for a double with an exponent, which the specification
    does not have.
    """
    if _EXPONENT.search(xml):
        return keep_value(value, path)
    return encoded(xml, value, path)


def keep_value(value: Any, path: str) -> Encoded:
    """Make an `Encoded` of what was read by writing it anew, microseconds included."""
    # What was read was within the reader's limits, whatever those are.
    return encoded(write_value(value, path, True, sys.getrecursionlimit()), value, path)
