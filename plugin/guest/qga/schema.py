"""What arguments a command takes, and the check of those that came, in qemu-ga's words.

A command is a method marked by `call`. Its parameters are given as names with kinds: 'str', 'int',
'bool', '[str]', 'whence', 'capture', or one of SHAPES; a trailing '?' makes one optional.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from attrs import frozen

from plugin.guest.qga.tables import first_unknown

_Function = TypeVar("_Function", bound=Callable[..., Any])
WHENCE = {"set": 0, "cur": 1, "end": 2}
CAPTURES = ("none", "stdout", "stderr", "separated", "merged")
SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1


class CallFailed(Exception):
    """A command cannot be done; the text is the error's 'desc', the class its 'class'."""

    def __init__(self, text: str, kind: str = "GenericError") -> None:
        super().__init__(text)
        self.kind = kind


@frozen
class Parameter:
    """One argument: its name on the wire, what it is, whether it may be missing."""

    name: str
    kind: str
    optional: bool

    @property
    def attribute(self) -> str:
        """Its name in Python."""
        return self.name.replace("-", "_")


def _parameters(kinds: Mapping[str, str]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(one.replace("_", "-"), kind.rstrip("?"), kind.endswith("?"))
        for one, kind in kinds.items()
    )


SHAPES: Mapping[str, tuple[Parameter, ...]] = {
    "processor": _parameters({"logical_id": "int", "online": "bool", "can_offline": "bool?"}),
    "block": _parameters({"phys_index": "uint", "online": "bool", "can_offline": "bool?"}),
}
"""Objects that stand in lists: kind to members."""


@frozen
class Call:
    """One command.

    Attributes:
        name: on the wire.
        parameters: in the order of their check.
        answers: False where success is not answered.
        function: the method.
    """

    name: str
    parameters: tuple[Parameter, ...]
    answers: bool
    function: Callable[..., Any]


def call(name: str, *, answers: bool = True, **parameters: str) -> Callable[[_Function], _Function]:
    """Mark a method as the command of that name; an underscore stands for a hyphen."""
    known = _parameters(parameters)

    def mark(function: _Function) -> _Function:
        function.__guest_call__ = Call(name, known, answers, function)  # type: ignore[attr-defined]
        return function

    return mark


def calls_of(source: object) -> dict[str, Call]:
    """Give the commands of an object, bound to it."""
    found = {}
    for attribute in dir(type(source)):
        known = getattr(getattr(type(source), attribute), "__guest_call__", None)
        if known is not None:
            bound = getattr(source, attribute)
            found[known.name] = Call(known.name, known.parameters, known.answers, bound)
    return found


def bind(wanted: Call, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments by their names in Python.

    Raises:
        CallFailed: one is missing, of another type, or unknown.
    """
    return _members(wanted.parameters, given, "")


def _members(
    parameters: Iterable[Parameter], given: Mapping[str, Any], where: str
) -> dict[str, Any]:
    known, bound = set(), {}
    for one in parameters:
        known.add(one.name)
        if one.name in given:
            bound[one.attribute] = _checked(f"{where}{one.name}", one.kind, given[one.name])
        elif not one.optional:
            raise CallFailed(f"Parameter '{where}{one.name}' is missing")
    if len(bound) < len(given):
        raise CallFailed(f"Parameter '{where}{first_unknown(given, known)}' is unexpected")
    return bound


def _checked(name: str, kind: str, value: Any) -> Any:
    if kind.startswith("["):
        if not isinstance(value, list):
            raise _wrong(name, "array")
        return [_checked(f"{name}[{at}]", kind[1:-1], one) for at, one in enumerate(value)]
    if kind in SHAPES:
        if not isinstance(value, dict):
            raise _wrong(name, "object")
        return _members(SHAPES[kind], value, f"{name}.")
    return _CHECKS[kind](name, value)


def _wrong(name: str, expected: str) -> CallFailed:
    return CallFailed(f"Invalid parameter type for '{name}', expected: {expected}")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "string")
    return value


def _integer(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not SMALLEST <= value <= LARGEST:
        raise _wrong(name, "integer")
    return value


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, "boolean")
    return value


def _unsigned(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise CallFailed(f"Parameter '{name}' expects uint64")
    return value


def _whence(name: str, value: Any) -> int:
    if isinstance(value, str):
        if value not in WHENCE:
            raise CallFailed(f"Parameter '{name}' does not accept value '{value}'")
        return WHENCE[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, "GuestFileWhence")
    return _integer(name, value)


def _capture(name: str, value: Any) -> str:
    """A bool up to QEMU 8.0, since then also a word."""
    if isinstance(value, str) and value in CAPTURES:
        return value
    return "separated" if _boolean(name, value) else "none"


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "str": _text,
    "int": _integer,
    "bool": _boolean,
    "uint": _unsigned,
    "whence": _whence,
    "capture": _capture,
}
