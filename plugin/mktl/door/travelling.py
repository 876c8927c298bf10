"""Values of items as XML-RPC carries them, and back."""

from __future__ import annotations

from typing import Any

from plugin.mktl.wire.message import Bulk, read_bulk

MOST_BULK = 1024 * 1024
"""Bytes of an array that travels to co2's callers; of a larger one only shape and type do."""


def as_travels(value: Any) -> Any:
    """Give a value as XML-RPC carries it: large numbers as text, arrays as a struct."""
    if isinstance(value, bool) or not isinstance(value, int | list | dict | Bulk):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, list):
        return [as_travels(member) for member in value]
    if isinstance(value, dict):
        return {name: as_travels(member) for name, member in value.items()}
    struct: dict[str, Any] = {"shape": list(value.shape), "dtype": value.dtype}
    if len(value.data) <= MOST_BULK:
        struct["data"] = value.data
    return struct


def as_arrived(value: Any) -> Any:
    """Give back what `as_travels` made of an array; everything else is as it was."""
    if isinstance(value, dict) and set(value) == {"shape", "dtype", "data"}:
        return read_bulk(value["data"], value["shape"], value["dtype"])
    return value
