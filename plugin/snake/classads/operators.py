"""What the operators do with values: three-valued logic, comparison, arithmetic.

Decides the result for values that are computed already; which operand is computed at all is
`evaluate`'s. UNDEFINED and ERROR are values like others here: ERROR wins over UNDEFINED, and an
operand of a wrong type is ERROR, never an exception.

Source: the ClassAd language; the corners (real division, shifts, `is` on lists) were observed on
the original implementation and are held by the differential tests.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from plugin.snake.classads.values import (
    ERROR,
    UNDEFINED,
    AbsoluteTime,
    RelativeTime,
    Value,
    wrapped,
)

_NUMBERS = (int, float, bool)
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def truth(value: Any) -> Any:
    """Give a value as True, False, UNDEFINED or, where it has no truth, ERROR."""
    if type(value) in _NUMBERS:
        return bool(value)
    return UNDEFINED if value is UNDEFINED else ERROR


def unary(sign: str, value: Any) -> Any:
    """Compute `-x`, `+x`, `!x` or `~x`."""
    if value is UNDEFINED or value is ERROR:
        return value
    if sign == "!":
        logical = truth(value)
        return logical if logical is ERROR else not logical
    if sign == "~":
        return ~value if type(value) is int else ERROR
    if type(value) is RelativeTime:
        return RelativeTime(-value.seconds) if sign == "-" else value
    if type(value) not in (int, float):
        return ERROR
    if sign == "+":
        return value
    return wrapped(-value) if type(value) is int else -value


def binary(sign: str, left: Any, right: Any) -> Any:
    """Compute a binary operator other than `&&`, `||` and the subscript."""
    if sign == "is" or sign == "isnt":
        identical = _identical(left, right)
        return identical if identical is ERROR else identical is (sign == "is")
    if left is ERROR or right is ERROR:
        return ERROR
    if left is UNDEFINED or right is UNDEFINED:
        return UNDEFINED
    if sign in _COMPARED:
        return _compared(_COMPARED[sign], left, right)
    if sign in _BITWISE:
        both = type(left) is int and type(right) is int
        return wrapped(_BITWISE[sign](left, right)) if both else ERROR
    return _arithmetic(sign, left, right)


def _identical(left: Any, right: Any) -> Any:
    if type(left) is not type(right):
        return False
    if type(left) is Value:
        return left is right
    if type(left) in (bool, int, float, str, AbsoluteTime, RelativeTime):
        return bool(left == right)
    return ERROR  # two lists, two ads: the original does not say whether they are the same


def _compared(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> Any:
    if type(left) is str and type(right) is str:
        return compare(_folded(left), _folded(right))
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return compare(left, right)
    if type(left) is type(right) and type(left) in (AbsoluteTime, RelativeTime):
        return compare(left.seconds, right.seconds)
    return ERROR


def _folded(text: str) -> bytes:
    """Strings compare as bytes without regard to the case of ASCII letters."""
    return text.encode("utf-8", "surrogateescape").lower()


def _arithmetic(sign: str, left: Any, right: Any) -> Any:
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        if type(left) is float or type(right) is float:
            return _real(sign, float(left), float(right))
        return _integer(sign, int(left), int(right))
    return _time_arithmetic(sign, left, right)


def _integer(sign: str, left: int, right: int) -> Any:
    if sign in "+-*":
        return wrapped(_EXACT[sign](left, right))
    if right == 0:
        return ERROR
    quotient = abs(left) // abs(right)
    quotient = quotient if (left < 0) == (right < 0) else -quotient
    return wrapped(quotient) if sign == "/" else left - quotient * right


def _real(sign: str, left: float, right: float) -> Any:
    if sign == "%":
        return ERROR
    result = _divided(left, right) if sign == "/" else _EXACT[sign](left, right)
    # the original takes the largest real for a sign of overflow, and only the positive one
    return ERROR if result == math.inf else result


def _divided(left: float, right: float) -> float:
    if right != 0.0:
        return left / right
    if left == 0.0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _time_arithmetic(sign: str, left: Any, right: Any) -> Any:
    if type(left) is bool or type(right) is bool:
        return ERROR
    match left, right:
        case AbsoluteTime(), AbsoluteTime() if sign == "-":
            return RelativeTime(float(left.seconds - right.seconds))
        case AbsoluteTime(), RelativeTime() if sign in "+-":
            return AbsoluteTime(int(_EXACT[sign](left.seconds, right.seconds)), left.offset)
        case RelativeTime(), AbsoluteTime() if sign == "+":
            return AbsoluteTime(int(left.seconds + right.seconds), right.offset)
        case RelativeTime(), RelativeTime() if sign in "+-":
            return RelativeTime(_EXACT[sign](left.seconds, right.seconds))
        case RelativeTime(), int() | float() if sign in "*/":
            scaled = _real(sign, float(left.seconds), float(right))
            return scaled if scaled is ERROR else RelativeTime(scaled)
        case int() | float(), RelativeTime() if sign == "*":
            return RelativeTime(left * right.seconds)
    return ERROR


_EXACT: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_BITWISE: dict[str, Callable[[int, int], int]] = {
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    # the processor looks at six bits of the count
    "<<": lambda left, right: left << (right & 63),
    ">>": lambda left, right: left >> (right & 63),
    # the original clears the sign before it shifts, and so gives 0 for a negative shifted by none
    ">>>": lambda left, right: (left % 2**64) >> (right & 63) if left >= 0 or right & 63 else 0,
}
