"""A mapping that remembers the newest so many."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Recent(Generic[_Key, _Value]):
    """Remembers what was put last, up to `most` keys; the oldest are forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        # A plain dict looks for its first key behind all that were deleted there.
        self._values: OrderedDict[_Key, _Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: _Key) -> _Value | None:
        """Give what was put under the key, or None if that was never or too long ago."""
        return self._values.get(key)

    def items(self) -> list[tuple[_Key, _Value]]:
        """Give what is remembered, oldest first."""
        return list(self._values.items())

    def put(self, key: _Key, value: _Value) -> None:
        """Remember the value; a key that is there keeps its age."""
        self._values[key] = value
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def forget(self, key: _Key) -> None:
        """Remember it no more; unknown ones are no error."""
        self._values.pop(key, None)
