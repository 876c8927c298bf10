"""Where the first nil of a value stands: the path that a refusal names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from co2.model.calls import Encoded


def first_nil(value: Any, path: str) -> str | None:
    """Give the path of the first nil in the order of the document, or None.

    Args:
        value: a value that is known to be writable, so no deeper than the limit.
        path: what the value itself is called.
    """
    if value is None:
        return path
    if isinstance(value, Encoded):
        return None if value.nil_at is None else first_nil(value.value, path)
    if isinstance(value, Mapping):
        inside = ((item, f"{path}.{name}".removeprefix(".")) for name, item in value.items())
    elif isinstance(value, (list, tuple)):
        inside = ((item, f"{path}[{index}]") for index, item in enumerate(value))
    else:
        return None
    found = (first_nil(item, where) for item, where in inside)
    return next((where for where in found if where is not None), None)
