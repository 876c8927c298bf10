"""A value as people read and write it: words, printf formats, sexagesimal angles, units.

Angles are converted here; every other unit by pint, which is imported when it is first needed.
"""

from __future__ import annotations

import math
import re
from typing import Any

from plugin.mktl.values.description import Description
from plugin.mktl.values.kinds import check_value, read_mask
from plugin.mktl.wire.message import Bulk

_ANGLES = {
    "radian": 1.0, "radians": 1.0, "rad": 1.0,
    "degree": math.pi / 180, "degrees": math.pi / 180, "deg": math.pi / 180, "d": math.pi / 180,
    "hour": math.pi / 12, "hours": math.pi / 12, "h": math.pi / 12, "hourangle": math.pi / 12,
    "arcminute": math.pi / 10800, "arcminutes": math.pi / 10800, "arcmin": math.pi / 10800,
    "arcsecond": math.pi / 648000, "arcseconds": math.pi / 648000, "arcsec": math.pi / 648000,
}  # fmt: skip
_TIMES = frozenset({"hour", "hours", "h", "d"})
_DECIMALS = re.compile(r"\.(\d+)f")


def format_value(description: Description, value: Any) -> str:
    """Give a value as text."""
    if value is None:
        return ""
    if isinstance(value, Bulk):
        return f"<{'x'.join(map(str, value.shape))} {value.dtype}>"
    if description.kind in ("boolean", "enumerated"):
        return description.enumerators.get(value, str(value))
    if description.kind == "mask":
        return _format_mask(description, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _format_number(description, value)
    if isinstance(value, list | tuple) and description.kind == "numeric array":
        return f"[{', '.join(_format_number(description, one) for one in value)}]"
    return str(value)


def read_formatted(description: Description, text: Any) -> Any:
    """Read a text as people write it; the opposite of `format_value`.

    Raises:
        KeyError: a word that is no enumerator.
        ValueError: a number cannot be read.
    """
    if description.kind == "mask":
        try:
            return read_mask(description, str(text))
        except ValueError as error:
            raise KeyError(str(error)) from None
    if description.kind in ("boolean", "enumerated"):
        return _read_word(description, str(text))
    if description.kind == "numeric":
        return _read_number(description, str(text))
    if description.kind == "numeric array":
        words = str(text).strip(" []()").replace(",", " ").split()
        return [_read_number(description, word) for word in words]
    return text


def _read_word(description: Description, text: str) -> int:
    wanted = text.strip().lower()
    for number, word in description.enumerators.items():
        if word.lower() == wanted:
            return number
    words = ", ".join(description.enumerators.values())
    raise KeyError(f"{description.key} is one of {words}, not {text!r}")


def _format_mask(description: Description, value: int) -> str:
    words = [word for bit, word in sorted(description.enumerators.items()) if value & 1 << bit]
    return ", ".join(words) if words else description.nothing


def _format_number(description: Description, value: float) -> str:
    number = convert(value, description.units, description.formatted_units)
    if not description.format:
        return str(number)
    if ":" in description.format:
        return _format_sexagesimal(description.format, number)
    if "d" in description.format:
        number = round(number)  # printf would cut 34.9999 to 34
    return description.format % number


def _format_sexagesimal(pattern: str, number: float) -> str:
    """Round first, then take apart, so that 59.96 seconds never become 60.0."""
    fields = pattern.split(":")
    match = _DECIMALS.search(fields[-1])
    scale = 10 ** int(match.group(1)) if match else 1
    left = round(abs(number) * 60 ** (len(fields) - 1) * scale)
    parts: list[float] = []
    for _ in fields[1:]:
        left, part = divmod(left, 60 * scale if not parts else 60)
        parts.insert(0, part / scale if not parts else part)
    texts = [field % part for field, part in zip(fields, [left, *parts], strict=True)]
    if number < 0:
        texts[0] = ("-" + texts[0].lstrip()).rjust(len(texts[0]))
    return ":".join(texts)


def _read_number(description: Description, text: str) -> float:
    if ":" in text:
        number = _read_sexagesimal(text)
    else:
        number = _bare_number(description, text)
    return convert(number, description.formatted_units, description.units)


def _bare_number(description: Description, text: str) -> float:
    number: float = check_value(Description(description.key, "numeric"), text.strip())
    return number


def _read_sexagesimal(text: str) -> float:
    """Read d:m:s; a sign before the first field is for all, one before another only for that."""
    words = text.strip().split(":")
    try:
        parts = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"{text!r} is no sexagesimal number, as in 12:34:56.7") from None
    sign = -1.0 if words[0].strip().startswith("-") else 1.0
    parts[0] = abs(parts[0])
    number: float = sum(part / 60**place for place, part in enumerate(parts))
    return sign * number


def convert(value: float, old: str, new: str) -> float:
    """Convert a number between units.

    Raises:
        ValueError: the units do not fit together, or are not known.
    """
    if old == new or not old or not new:
        return value
    old_angle, new_angle = _ANGLES.get(old.lower()), _ANGLES.get(new.lower())
    both_times = old.lower() in _TIMES and new.lower() in _TIMES
    if old_angle is not None and new_angle is not None and not both_times:
        return value * (old_angle / new_angle)
    return float(convert_quantity(make_quantity(value, old), new).magnitude)


def convert_quantity(quantity: Any, units: Any) -> Any:
    """Convert a `pint.Quantity`.

    Raises:
        ValueError: the units do not fit, or are not known.
    """
    try:
        return quantity.to(units)
    except Exception as error:  # pint's errors, without importing it here
        raise ValueError(f"{quantity.units} are no {units}: {error}") from None


def make_quantity(value: Any, units: str) -> Any:
    """Give a `pint.Quantity`.

    Raises:
        ValueError: pint is not installed, or does not know the units.
    """
    try:
        import pint
    except ImportError:
        raise ValueError("units need pint: pip install 'co2-satellite[mktl]'") from None
    registry: Any = pint.application_registry
    try:
        return registry.Quantity(value, units)
    except (pint.errors.PintError, AttributeError) as error:
        raise ValueError(f"{units!r} are no units that pint knows: {error}") from None


def read_quantity(description: Description, quantity: Any) -> float:
    """Give a quantity's number in the item's units.

    Raises:
        ValueError: it does not convert to them.
    """
    if not hasattr(quantity, "to"):
        raise ValueError(f"{description.key}: {quantity!r} is no quantity")
    try:
        return float(quantity.to(description.units).magnitude)
    except Exception as error:  # pint's errors, without importing it here
        raise ValueError(f"{description.key}: {error}") from None
