"""The parameters of a method, read once from its function.

It decides what of a Python function a wire can name, and resolves annotations one at a time, so
that one that cannot be resolved (a name imported for type checkers only) spoils no other. How a
call is fitted to the parameters is `binding`'s business, how they are shown `signature`'s.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections import defaultdict
from collections.abc import Callable
from enum import Enum
from functools import partial
from inspect import Parameter as Python
from typing import Any

from attrs import field, frozen

from co2.rpc.checks import Check, Mismatch, check_for, takes_mapping
from co2.rpc.typenames import ANY, can_travel, describe

EMPTY: Any = Python.empty
"""No annotation, or no default."""

_LONGEST_DEFAULT = 60


@frozen
class Parameter:
    """One parameter; `annotation` and `default` are `EMPTY` if there is none.

    `check` accepts or converts a value, or is None where any will do.
    """

    name: str
    annotation: Any = EMPTY
    default: Any = EMPTY
    check: Check | None = None

    @property
    def optional(self) -> bool:
        """Whether a call may leave it out."""
        return self.default is not EMPTY

    @property
    def type(self) -> str:
        """Its type for a person, `any` where the author did not say."""
        return describe(self.annotation)

    @property
    def wire_default(self) -> Any:
        """The default as it would travel, an Enum by its value; `EMPTY` if it cannot."""
        value = self.default.value if isinstance(self.default, Enum) else self.default
        return value if can_travel(value) else EMPTY

    def accept(self, value: Any, place: str = "") -> Any:
        """Give the value for the function.

        Raises:
            Mismatch: it does not fit; its path starts with the parameter's name and `place`.
        """
        if self.check is None:
            return value
        try:
            return self.check(value)
        except Mismatch as mismatch:
            raise mismatch.inside(self.name + place) from None

    def __str__(self) -> str:
        if not self.optional:
            return self.name if self.annotation is EMPTY else f"{self.name}: {self.type}"
        shown = "None" if self.default is None else "..."
        if self.wire_default is not EMPTY and len(repr(self.wire_default)) <= _LONGEST_DEFAULT:
            shown = repr(self.wire_default)
        if self.annotation is EMPTY:
            return f"{self.name}={shown}"
        return f"{self.name}: {self.type} = {shown}"


@frozen
class Parameters:
    """All parameters of a method.

    Attributes:
        positional: those that bind in order, and by name.
        rest: `*args`, or None.
        keyword: those that bind by name only.
        others: `**kwargs`, or None.
        skipped: names that the server fills, which `**kwargs` must not give once more.
    """

    positional: tuple[Parameter, ...] = ()
    rest: Parameter | None = None
    keyword: tuple[Parameter, ...] = ()
    others: Parameter | None = None
    skipped: frozenset[str] = frozenset()
    named: tuple[Parameter, ...] = field(init=False)

    @named.default
    def _all_named(self) -> tuple[Parameter, ...]:
        return self.positional + self.keyword

    @property
    def nothing(self) -> bool:
        """Whether the function declares no parameter at all."""
        return not self.named and self.rest is None and self.others is None

    @property
    def whole(self) -> bool:
        """Whether the one argument of a call goes to the one parameter as it is."""
        if self.rest is not None or self.others is not None or len(self.named) != 1:
            return False
        (only,) = self.named
        return only.annotation is EMPTY or takes_mapping(only.annotation)


def read_parameters(function: Callable[..., Any], skip_caller: bool) -> tuple[Parameters, Any]:
    """Read a function's parameters, and the annotation of its result.

    Args:
        function: anything callable; of what has no readable signature every value is taken.
        skip_caller: the first parameter is the `Caller`, which is not the wire's business.
    """
    try:
        read = inspect.signature(function)
    except (TypeError, ValueError):
        return Parameters(rest=Parameter("values")), EMPTY
    raw = list(read.parameters.values())
    skipped = {"self"}
    if skip_caller and raw and raw[0].kind is not Python.VAR_POSITIONAL:
        skipped.add(raw.pop(0).name)
    resolve = _resolver(function)
    places: defaultdict[Any, list[Parameter]] = defaultdict(list)
    for one in raw:
        places[one.kind].append(_parameter(one, resolve))
    parameters = Parameters(
        # On the wire every parameter has a name, the positional-only ones of Python too.
        (*places[Python.POSITIONAL_ONLY], *places[Python.POSITIONAL_OR_KEYWORD]),
        next(iter(places[Python.VAR_POSITIONAL]), None),
        tuple(places[Python.KEYWORD_ONLY]),
        next(iter(places[Python.VAR_KEYWORD]), None),
        frozenset(skipped),
    )
    return parameters, resolve("return", read.return_annotation)


def _parameter(one: Python, resolve: Callable[[str, Any], Any]) -> Parameter:
    annotation = resolve(one.name, one.annotation)
    check = None if annotation is EMPTY else check_for(annotation)
    if check is not None and one.default is None:
        check = _or_nil(check)
    return Parameter(one.name, annotation, one.default, check)


def _or_nil(check: Check) -> Check:
    """Let `lamp: int = None` be called with the None that is its default."""
    return lambda value: None if value is None else check(value)


def _resolver(function: Callable[..., Any]) -> Callable[[str, Any], Any]:
    names = _globals_of(function)

    def resolve(name: str, annotation: Any) -> Any:
        if annotation is EMPTY:
            return annotation
        bearer = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            resolved = typing.get_type_hints(bearer, names)[name]
            hash(resolved)  # what cannot be looked up in a table is not understood
        except Exception:  # any code can stand in an annotation
            return annotation if isinstance(annotation, str) else ANY
        return resolved

    return resolve


def _globals_of(function: Callable[..., Any]) -> dict[str, Any]:
    inner = inspect.unwrap(function.func if isinstance(function, partial) else function)
    inner = getattr(inner, "__func__", inner)
    if not hasattr(inner, "__globals__"):
        inner = type(inner).__call__
    return getattr(inner, "__globals__", {})
