"""Turns an annotation into a small function that accepts, converts or refuses one wire value.

How it works. `check_for` looks at an annotation once and gives back a `Check`: a function of one
value that returns the value for the method (the very same object where nothing had to be changed)
or raises `Mismatch` with the path to what does not fit. What is inside a list or struct is checked
by the checks of its elements, so a call later runs no more than plain function calls. None stands
for "nothing to check": `Any`, `object`, and every annotation that is not understood.

It knows nothing of methods, names or faults; `signature` turns a `Mismatch` into InvalidParams.
"""

from __future__ import annotations

import collections.abc as abc
import datetime
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from co2.rpc.typenames import describe, describe_choices

Check = Callable[[Any], Any]

NoneType = type(None)
_LONGEST_NAME = 60


class Mismatch(Exception):
    """A value does not fit; `path` leads from the parameter to it, `problem` says what it must be.

    `problem` is a clause without a subject: "must be int, not str".
    """

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path

    def inside(self, step: str) -> Mismatch:
        """Give the same mismatch as seen from one container further out."""
        return Mismatch(self.problem, step + self.path)


def _wrong(wanted: str, value: object) -> Mismatch:
    got = "nil" if value is None else type(value).__name__
    return Mismatch(f"must be {wanted}, not {got}")


# --- single values ------------------------------------------------------------------------------


def _check_int(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong("int", value)


def _check_float(value: Any) -> Any:
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    raise _wrong("float", value)


def _instance_check(kind: type, wanted: str) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        raise _wrong(wanted, value)

    return check


def _choice_check(choices: Mapping[tuple[type, Any], Any], wanted: str) -> Check:
    """Compare type and value: True is no 1 here."""

    def check(value: Any) -> Any:
        if isinstance(value, Enum) and value in choices.values():
            return value
        try:
            return choices[type(value), value]
        except (KeyError, TypeError):
            raise Mismatch(f"must be {wanted}") from None

    return check


def _enum_check(kind: type[Enum]) -> Check | None:
    try:
        choices = {(type(member.value), member.value): member for member in kind}
    except TypeError:  # a member's value is not hashable, so nothing on the wire names it
        return None
    return _choice_check(choices, describe(kind))


def _literal_check(values: tuple[Any, ...]) -> Check:
    choices = {}
    for value in values:
        wire = value.value if isinstance(value, Enum) else value
        choices[type(wire), wire] = value
    return _choice_check(choices, describe_choices(values))


# --- containers ---------------------------------------------------------------------------------


def _check_list(value: Any) -> Any:
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    raise _wrong("list", value)


def _checked_items(items: abc.Iterable[Any], check: Check) -> list[Any]:
    checked = []
    for index, item in enumerate(items):
        try:
            checked.append(check(item))
        except Mismatch as mismatch:
            raise mismatch.inside(f"[{index}]") from None
    return checked


def _list_check(annotation: Any) -> Check:
    element = check_for(annotation)
    if element is None:
        return _check_list

    def check(value: Any) -> Any:
        return _checked_items(_check_list(value), element)

    return check


def _tuple_check(arguments: tuple[Any, ...]) -> Check:
    if not arguments or (len(arguments) == 2 and arguments[1] is Ellipsis):
        items = _list_check(arguments[0] if arguments else Any)
        return lambda value: tuple(items(value))
    checks = [check_for(argument) for argument in arguments]

    def check(value: Any) -> Any:
        given = _check_list(value)
        if len(given) != len(checks):
            raise Mismatch(f"must hold {len(checks)} values, not {len(given)}")
        checked = []
        for index, (element, item) in enumerate(zip(checks, given, strict=True)):
            try:
                checked.append(item if element is None else element(item))
            except Mismatch as mismatch:
                raise mismatch.inside(f"[{index}]") from None
        return tuple(checked)

    return check


_check_dict = _instance_check(dict, "dict")


def _member(name: str) -> str:
    """Give the step to a member; a name from the wire may be long and strange."""
    if len(name) <= _LONGEST_NAME and name.isprintable():
        return f".{name}"
    return f"[{name[:_LONGEST_NAME]!a}...]"


def _dict_check(arguments: tuple[Any, ...]) -> Check:
    element = check_for(arguments[1]) if len(arguments) == 2 else None
    if element is None:
        return _check_dict

    def check(value: Any) -> Any:
        checked = {}
        for name, item in _check_dict(value).items():
            try:
                checked[name] = element(item)
            except Mismatch as mismatch:
                raise mismatch.inside(_member(name)) from None
        return checked

    return check


def _typed_dict_check(kind: Any) -> Check:
    checks = {name: check_for(hint) for name, hint in typing.get_type_hints(kind).items()}

    def check(value: Any) -> Any:
        checked = dict(_check_dict(value))
        for name in kind.__required_keys__ - checked.keys():
            raise Mismatch("is missing", f".{name}")
        for name, element in checks.items():
            if element is not None and name in checked:
                try:
                    checked[name] = element(checked[name])
                except Mismatch as mismatch:
                    raise mismatch.inside(f".{name}") from None
        return checked

    return check


def _union_check(annotation: Any, arguments: tuple[Any, ...]) -> Check | None:
    checks = [check_for(argument) for argument in arguments]
    known = [check for check in checks if check is not None]
    if len(known) < len(checks):
        return None

    def check(value: Any) -> Any:
        converted: list[Any] = []
        inner: list[Mismatch] = []
        for branch in known:
            try:
                converted.append(branch(value))
            except Mismatch as mismatch:
                inner.extend([mismatch] if mismatch.path else [])
        if converted:  # the branch that leaves the value's type as it is fits best
            return next((one for one in converted if type(one) is type(value)), converted[0])
        if len(inner) == 1:  # one branch is of the right kind: say what is wrong in there
            raise inner[0]
        raise _wrong(describe(annotation), value)

    return check


# --- from annotation to check -------------------------------------------------------------------

_SINGLE: dict[Any, Check] = {
    int: _check_int,
    float: _check_float,
    str: _instance_check(str, "str"),
    bool: _instance_check(bool, "bool"),
    bytes: _instance_check(bytes, "bytes"),
    datetime.datetime: _instance_check(datetime.datetime, "datetime"),
    NoneType: _instance_check(NoneType, "nil"),
    None: _instance_check(NoneType, "nil"),
}
_LISTS = frozenset(
    {list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection, abc.Reversible}
)
MAPPINGS = frozenset({dict, abc.Mapping, abc.MutableMapping})
"""What an annotation may name to say that a parameter is a struct."""

UNIONS = (typing.Union, types.UnionType)
"""The two ways in which Python writes a choice of types."""


def check_for(annotation: Any) -> Check | None:
    """Give the check of an annotation, or None where any value will do.

    Args:
        annotation: a resolved one; what is not understood checks nothing.
    """
    while isinstance(annotation, typing.NewType):
        annotation = annotation.__supertype__
    origin = typing.get_origin(annotation)
    if origin is not None:
        return _generic_check(annotation, origin, typing.get_args(annotation))
    if isinstance(annotation, type) or annotation is None:
        return _class_check(annotation)
    return None


def _class_check(kind: Any) -> Check | None:
    if kind in _SINGLE:
        return _SINGLE[kind]
    if kind is tuple:
        return _tuple_check(())
    if kind in _LISTS:
        return _check_list
    if kind in MAPPINGS:
        return _check_dict
    if typing.is_typeddict(kind):
        return _typed_dict_check(kind)
    return _enum_check(kind) if issubclass(kind, Enum) else None


def _generic_check(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Check | None:
    if origin in UNIONS:
        return _union_check(annotation, arguments)
    if origin is typing.Literal:
        return _literal_check(arguments)
    if origin is tuple:
        return _tuple_check(arguments)
    if origin in _LISTS:
        return _list_check(arguments[0])
    return _dict_check(arguments) if origin in MAPPINGS else None


def takes_mapping(annotation: Any) -> bool:
    """Tell whether a parameter so annotated may be a struct: a mapping, or anything at all."""
    if annotation is Any or annotation is object:
        return True
    if typing.is_typeddict(annotation) or annotation in MAPPINGS:
        return True
    origin = typing.get_origin(annotation)
    if origin in UNIONS:
        return any(takes_mapping(argument) for argument in typing.get_args(annotation))
    return origin in MAPPINGS
