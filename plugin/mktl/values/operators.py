"""An item used as if it were its value: comparison, arithmetic, bits, truth, indexing.

An operator works on `self.value`; one that changes in place (`item += 1`) sets the new value, and
gives the item back. Items hash by identity, so that they can be keys.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

UNTRUE = frozenset({"", "0", "false", "no", "off", "disable", "disabled", "none", "null"})
"""Words that are no, in any case."""


def plain(thing: Any) -> Any:
    """Give an item's value, and anything else as it is."""
    return thing.value if isinstance(thing, ValueLike) else thing


def _forward(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def operate(self: ValueLike, other: Any) -> Any:
        return function(self.value, plain(other))

    return operate


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def operate(self: ValueLike, other: Any) -> Any:
        return function(plain(other), self.value)

    return operate


def _in_place(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def operate(self: ValueLike, other: Any) -> Any:
        self.value = function(self.value, plain(other))
        return self

    return operate


def _divide(one: Any, other: Any) -> Any:
    """Text divides by no number: that is a ValueError, as users of the seed expect it."""
    if isinstance(one, str) or isinstance(other, str):
        return _number(one) / _number(other)
    return one / other


def _modulo(one: Any, other: Any) -> Any:
    if isinstance(one, str):  # which would format
        raise TypeError("text has no remainder")
    return one % other


def _number(thing: Any) -> float:
    return float(thing) if isinstance(thing, str) else thing


class ValueLike:
    """See the module; a subclass has the settable property `value`."""

    value: Any

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other or bool(self.value == plain(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __lt__ = _forward(operator.lt)
    __le__ = _forward(operator.le)
    __gt__ = _forward(operator.gt)
    __ge__ = _forward(operator.ge)

    __add__, __radd__, __iadd__ = (f(operator.add) for f in (_forward, _reflected, _in_place))
    __sub__, __rsub__, __isub__ = (f(operator.sub) for f in (_forward, _reflected, _in_place))
    __mul__, __rmul__, __imul__ = (f(operator.mul) for f in (_forward, _reflected, _in_place))
    __truediv__, __rtruediv__, __itruediv__ = (
        f(_divide) for f in (_forward, _reflected, _in_place)
    )
    __floordiv__, __rfloordiv__, __ifloordiv__ = (
        f(operator.floordiv) for f in (_forward, _reflected, _in_place)
    )
    __mod__, __rmod__, __imod__ = (f(_modulo) for f in (_forward, _reflected, _in_place))
    __pow__, __rpow__, __ipow__ = (f(operator.pow) for f in (_forward, _reflected, _in_place))
    __and__, __rand__, __iand__ = (f(operator.and_) for f in (_forward, _reflected, _in_place))
    __or__, __ror__, __ior__ = (f(operator.or_) for f in (_forward, _reflected, _in_place))
    __xor__, __rxor__, __ixor__ = (f(operator.xor) for f in (_forward, _reflected, _in_place))
    __lshift__, __rlshift__, __ilshift__ = (
        f(operator.lshift) for f in (_forward, _reflected, _in_place)
    )
    __rshift__, __rrshift__, __irshift__ = (
        f(operator.rshift) for f in (_forward, _reflected, _in_place)
    )

    def __bool__(self) -> bool:
        value = self.value
        if isinstance(value, str):
            return value.strip().lower() not in UNTRUE
        if hasattr(value, "any"):
            return bool(value.any())
        return bool(value)

    def __neg__(self) -> Any:
        return -self.value

    def __pos__(self) -> Any:
        return +self.value

    def __invert__(self) -> Any:
        value = self.value
        return ~int(value) if isinstance(value, bool) else ~value

    def __abs__(self) -> Any:
        return abs(self.value)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.value, digits)

    def __trunc__(self) -> int:
        whole: int = math.trunc(self.value)
        return whole

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __complex__(self) -> complex:
        return complex(self.value)

    def __index__(self) -> int:
        return operator.index(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __contains__(self, thing: Any) -> bool:
        return plain(thing) in self.value

    def __getitem__(self, index: Any) -> Any:
        return self.value[plain(index)]
