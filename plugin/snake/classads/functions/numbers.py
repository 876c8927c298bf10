"""Functions of numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from plugin.snake.classads.evaluate import ListValue
from plugin.snake.classads.functions.kinds import to_integer, to_real
from plugin.snake.classads.functions.registry import eager, worst
from plugin.snake.classads.values import ERROR, AbsoluteTime, RelativeTime, wrapped

_random = random.Random()  # noqa: S311 - the language's random() is no secret


def _rounded(names: str, round_real: Callable[[float], float]) -> None:
    def run(value: Any) -> Any:
        number = value
        if type(value) in (str, AbsoluteTime, RelativeTime):
            number = to_real(value)
        if type(number) in (int, bool):
            return int(number)
        if type(number) is not float:
            return ERROR
        return to_integer(round_real(number) if math.isfinite(number) else number)

    eager(*names.split(), least=1, on_undefined=ERROR)(run)


_rounded("floor", math.floor)
_rounded("ceiling ceil", math.ceil)
_rounded("round", round)


@eager("pow", least=2, on_undefined=ERROR)
def power(base: Any, exponent: Any) -> Any:
    """The first to the power of the second; an integer for integers and no negative exponent."""
    whole = type(base) is int and type(exponent) is int and exponent >= 0
    one, other = to_real(base), to_real(exponent)
    if one is ERROR or other is ERROR:
        return ERROR
    try:
        result = math.pow(one, other)
    except OverflowError:
        result = math.inf
    except (ValueError, ZeroDivisionError):
        result = math.nan
    return to_integer(result) if whole else result


@eager("quantize", least=2, on_undefined=ERROR)
def quantize(value: Any, step: Any) -> Any:
    """The next multiple of a step, or the first item of a list that is no less."""
    number = value if type(value) is int else to_real(value)
    if number is ERROR:
        return ERROR
    if isinstance(step, ListValue):
        return _among(number, step.values())
    unit = step if type(step) is int else to_real(step)
    return ERROR if unit is ERROR else _multiple(number, unit)


def _multiple(value: Any, step: Any) -> Any:
    if step == 0:
        return value
    if type(step) is int and type(value) is int:
        return wrapped(-(-value // step) * step)
    quotient = value / step
    return float(math.ceil(quotient) * step) if math.isfinite(quotient) else ERROR


def _among(value: Any, steps: list[Any]) -> Any:
    for step in steps:
        if type(step) not in (int, float, bool):
            return ERROR
        if step >= value:
            return step
    return _multiple(value, steps[-1]) if steps and worst(steps) is None else value


@eager("random", least=0, most=1)
def draw(limit: Any = 1.0) -> Any:
    """A number from 0 up to the limit: an integer below an integer, else a real."""
    if type(limit) is int:
        return _random.randrange(limit) if limit > 0 else ERROR
    return _random.random() * limit if type(limit) is float else ERROR
