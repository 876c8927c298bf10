"""What values an item of each type may have, and how they are put into their one form.

Every check gives the value as it is kept, or raises TypeError or ValueError with the item's key in
the text. None is a value of every type: it says that there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from plugin.mktl.values.description import Description
from plugin.mktl.wire.message import Bulk, encode_json, make_bulk


class OutOfRange(ValueError):
    """A number outside of the item's `range`."""


def check_value(description: Description, value: Any) -> Any:
    """Give the value in the form of the item's type.

    Raises:
        TypeError: it is of another type.
        ValueError: the type is right, the value is not; OutOfRange among them.
    """
    if value is None:
        return None
    return _CHECKS[description.kind](description, value)


def _wrong(description: Description, value: Any, wanted: str) -> TypeError:
    return TypeError(f"{description.key} is {wanted}, not {_shown(value)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(value: Any) -> Any:
    """Take a numpy scalar apart, and leave everything else."""
    if hasattr(value, "item") and hasattr(value, "dtype") and getattr(value, "shape", None) == ():
        return value.item()
    return value


def _anything(description: Description, value: Any) -> Any:
    if isinstance(value, Bulk) or hasattr(value, "tobytes"):
        return _plain(value) if getattr(value, "shape", None) == () else make_bulk(value)
    if type(value) not in (str, int, float, bool):
        encode_json(value)  # raises TypeError for what cannot travel
    if description.lowest is not None or description.highest is not None:
        return _numeric(description, value)
    return value


def _number(description: Description, value: Any) -> int | float:
    kind = type(value)
    if kind is int or kind is float:
        number = value
    elif kind is bool:
        number = int(value)
    elif kind is str:
        number = _read_number(description, value)
    else:
        number = _plain(value)
        if not isinstance(number, int | float):
            raise _wrong(description, value, "a number")
    if number != number or number in (math.inf, -math.inf):
        raise ValueError(f"{description.key} takes no {number}")
    return number  # type: ignore[no-any-return]  # one of the two by the checks above


def _read_number(description: Description, text: str) -> int | float:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    raise ValueError(f"{description.key} is a number, not {_shown(text)}")


def _numeric(description: Description, value: Any) -> int | float:
    number = _number(description, value)
    lowest, highest = description.lowest, description.highest
    if (lowest is not None and number < lowest) or (highest is not None and number > highest):
        raise OutOfRange(
            f"{description.key} takes {'any' if lowest is None else lowest} to "
            f"{'any' if highest is None else highest}, not {number}"
        )
    return number


def _numeric_array(description: Description, value: Any) -> list[int | float]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise _wrong(description, value, "a list of numbers")
    return [_numeric(description, one) for one in value]


def _boolean(description: Description, value: Any) -> bool:
    if isinstance(value, str):
        return bool(_word(description, value))
    value = _plain(value)
    if value not in (0, 1) or not isinstance(value, bool | int | float):
        raise _wrong(description, value, "0 or 1")
    return bool(value)


def _whole(description: Description, value: Any) -> int:
    number = _plain(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int):
        raise _wrong(description, value, "a whole number")
    return int(number)


def _enumerated(description: Description, value: Any) -> int:
    if isinstance(value, str):
        return _word(description, value)
    number = _whole(description, value)
    if number not in description.enumerators:
        raise ValueError(f"{description.key} is one of {_choices(description)}, not {number}")
    return number


def _mask(description: Description, value: Any) -> int:
    if isinstance(value, str):
        return read_mask(description, value)
    number = _whole(description, value)
    known = sum(1 << bit for bit in description.enumerators)
    if number < 0 or number & ~known:
        raise ValueError(f"{description.key} has the bits {_choices(description)}, not {number}")
    return number


def _string(description: Description, value: Any) -> str:
    value = _plain(value)
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise _wrong(description, value, "text")


def _bulk(description: Description, value: Any) -> Bulk:
    if isinstance(value, Bulk) or (hasattr(value, "tobytes") and hasattr(value, "dtype")):
        return make_bulk(value)
    raise _wrong(description, value, "an array")


def _word(description: Description, text: str) -> int:
    """Find an enumerator by its word, or by its number as text."""
    wanted = text.strip().lower()
    for number, word in description.enumerators.items():
        if word.lower() == wanted or str(number) == wanted:
            return number
    raise ValueError(f"{description.key} is one of {_choices(description)}, not {text!r}")


def read_mask(description: Description, text: str) -> int:
    """Read 'A, B' as bits, or a whole number as text.

    Raises:
        ValueError: a word is no enumerator of the mask.
    """
    wanted = text.strip().lower()
    if wanted.isdigit():
        return _mask(description, int(wanted))
    if wanted in ("", description.nothing.lower(), "none"):
        return 0
    words = {word.lower(): bit for bit, word in description.enumerators.items()}
    bits = 0
    for word in wanted.split(","):
        bit = words.get(word.strip())
        if bit is None:
            raise ValueError(
                f"{description.key} has the bits {_choices(description)}, not {word.strip()!r}"
            )
        bits |= 1 << bit
    return bits


def _choices(description: Description) -> str:
    return ", ".join(f"{number} {word}" for number, word in description.enumerators.items())


_CHECKS: dict[str, Callable[[Description, Any], Any]] = {
    "": _anything,
    "boolean": _boolean,
    "bulk": _bulk,
    "enumerated": _enumerated,
    "mask": _mask,
    "numeric": _numeric,
    "numeric array": _numeric_array,
    "string": _string,
}


def same(one: Any, other: Any) -> bool:
    """Tell whether a new value is no change; True and 1 are two values, arrays compare by bytes."""
    return one is other or (type(one) is type(other) and bool(one == other))
