"""What arguments a method takes: reads it once from the function, binds every call by it, shows it.

How it works. `Signature.of` reads parameters, resolved annotations and defaults, and compiles two
things: a check for each parameter (`co2.rpc.checks`) and one `bind` function for the whole method,
chosen by the shape of its parameters. The rules are those of PROTOCOL section 1:

- exactly one parameter, unannotated (`Any`, `object` say no more) or mapping-typed: the call's one
  argument goes there whole, the seed's dict;
- otherwise values bind in order, and a single struct binds by name;
- a method whose only parameter is `*args` takes every value as it comes, structs included.

Invariants: a call that does not fit raises InvalidParams before the function runs, and the text
ends with the signature; `bind` never changes what the caller gave, it makes new containers where
a value is converted. The fast way in `_binder_in_order` returns the caller's own tuple: it is
taken only where the exact types of all values need no conversion.
"""

from __future__ import annotations

import datetime
import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterator
from enum import Enum
from functools import cached_property, partial
from inspect import Parameter as Python
from typing import Any

from attrs import frozen

from co2.errors import InvalidParams
from co2.rpc.checks import Check, Mismatch, check_for, takes_mapping
from co2.rpc.typenames import ANY, can_travel, describe, wire_type

Bound = tuple[tuple[Any, ...], dict[str, Any]]
Bind = Callable[[tuple[Any, ...]], Bound]

_EMPTY = Python.empty
_NO_NAMES: dict[str, Any] = {}
_EXACT = frozenset({int, float, str, bool, bytes, datetime.datetime})
_SHOWN_DEFAULT = 60


@frozen
class Parameter:
    """One parameter; `annotation` and `default` are `inspect.Parameter.empty` if there is none."""

    name: str
    annotation: Any
    default: Any
    check: Check | None

    @property
    def optional(self) -> bool:
        """Whether a call may leave it out."""
        return self.default is not _EMPTY

    def accept(self, value: Any) -> Any:
        """Give the value for the function.

        Raises:
            Mismatch: it does not fit; its path starts with the parameter's name.
        """
        if self.check is None or (value is None and self.default is None):
            return value
        try:
            return self.check(value)
        except Mismatch as mismatch:
            raise mismatch.inside(self.name) from None

    def __str__(self) -> str:
        text = self.name if self.annotation is _EMPTY else f"{self.name}: {self.type}"
        if not self.optional:
            return text
        return text + ("=" if self.annotation is _EMPTY else " = ") + _shown(self.default)

    @property
    def type(self) -> str:
        """Its type for a person, `any` where the author did not say."""
        return describe(self.annotation)


def _shown(default: Any) -> str:
    value = default.value if isinstance(default, Enum) else default
    if value is not None and not can_travel(value):
        return "..."
    text = repr(value)
    return text if len(text) <= _SHOWN_DEFAULT else "..."


class Signature:
    """A method's parameters and result.

    Attributes:
        name: as it stands in the texts.
        positional: the parameters that bind in order, and by name.
        rest: `*args`, or None.
        keyword: the parameters that bind by name only.
        others: `**kwargs`, or None.
        returns: the resolved annotation of the result.
        skipped: parameters that the server fills, which `**kwargs` must not give once more.
        bind: gives `(args, kwargs)` for a call's positional values, or raises InvalidParams.
    """

    def __init__(
        self,
        name: str,
        positional: tuple[Parameter, ...] = (),
        rest: Parameter | None = None,
        keyword: tuple[Parameter, ...] = (),
        others: Parameter | None = None,
        returns: Any = _EMPTY,
        skipped: Collection[str] = (),
    ) -> None:
        self.name = name
        self.positional = positional
        self.rest = rest
        self.keyword = keyword
        self.others = others
        self.returns = returns
        self.skipped = skipped
        self.bind: Bind = _binder_whole(self) if self.takes_whole else _binder_in_order(self)

    @classmethod
    def of(
        cls, function: Callable[..., Any], skip_caller: bool = False, name: str = ""
    ) -> Signature:
        """Read the signature of a function.

        Args:
            function: anything callable; of what has no readable signature every value is taken.
            skip_caller: the first parameter is the `Caller` and is not the wire's business.
            name: how texts call it; else the function's own name, without the `x_`.
        """
        shown = name or getattr(function, "__name__", type(function).__name__).removeprefix("x_")
        try:
            read = inspect.signature(function)
        except (TypeError, ValueError):
            return cls(shown, rest=Parameter("values", _EMPTY, _EMPTY, None))
        raw = list(read.parameters.values())
        skipped = {"self"}
        if skip_caller and raw and raw[0].kind is not Python.VAR_POSITIONAL:
            skipped.add(raw.pop(0).name)
        resolve = _resolver(function)
        kinds: dict[Any, list[Parameter]] = {}
        for one in raw:
            kinds.setdefault(_place(one.kind), []).append(_parameter(one, resolve))
        return cls(
            shown,
            tuple(kinds.get(Python.POSITIONAL_OR_KEYWORD, ())),
            next(iter(kinds.get(Python.VAR_POSITIONAL, ())), None),
            tuple(kinds.get(Python.KEYWORD_ONLY, ())),
            next(iter(kinds.get(Python.VAR_KEYWORD, ())), None),
            resolve("return", read.return_annotation),
            skipped,
        )

    @property
    def named(self) -> tuple[Parameter, ...]:
        """Every parameter that has a name on the wire."""
        return self.positional + self.keyword

    @property
    def takes_nothing(self) -> bool:
        """Whether the function declares no parameter at all."""
        return not self.named and self.rest is None and self.others is None

    @property
    def takes_whole(self) -> bool:
        """Whether the one argument of a call goes to the one parameter as it is."""
        if self.rest is not None or self.others is not None or len(self.named) != 1:
            return False
        (only,) = self.named
        return only.annotation is _EMPTY or takes_mapping(only.annotation)

    @cached_property
    def text(self) -> str:
        """The signature for a person: `fade(lamp: int, seconds: float = 1.0) -> bool`."""
        result = "" if self.returns is _EMPTY else f" -> {describe(self.returns)}"
        return f"{self.name}({', '.join(self._written())}){result}"

    def __str__(self) -> str:
        return self.text

    def _written(self) -> Iterator[str]:
        yield from map(str, self.positional)
        if self.rest is not None:
            yield f"*{self.rest}"
        elif self.keyword:
            yield "*"
        yield from map(str, self.keyword)
        if self.others is not None:
            yield f"**{self.others}"

    def as_struct(self) -> dict[str, Any]:
        """Give the struct that `co2.get_method_signature` answers, without `level`."""
        named = self.named
        return {
            "args": [one.name for one in named],
            "args_d": {one.name: _wire_default(one) for one in named if _has_wire_default(one)},
            "optional": [one.name for one in named if one.optional],
            "args_v": [] if self.rest is None else [self.rest.name],
            "args_kw": [] if self.others is None else [self.others.name],
            "types": {one.name: one.type for one in named},
            "returns": describe(self.returns),
        }

    def as_rows(self) -> list[list[str]]:
        """Give the rows of `system.methodSignature`: `[result, parameter…]`, longest first."""
        result = ANY if self.returns is _EMPTY else wire_type(self.returns)
        if any(not one.optional for one in self.keyword):
            return [[result, "struct"]]
        types_in_order = [wire_type(one.annotation) for one in self.positional]
        fewest = sum(not one.optional for one in self.positional)
        return [
            [result, *types_in_order[:count]]
            for count in range(len(types_in_order), fewest - 1, -1)
        ]

    def refuse(self, problem: str) -> InvalidParams:
        """Give the fault for a call that does not fit."""
        return InvalidParams(f"{problem}; the signature is {self.text}")


# --- reading ------------------------------------------------------------------------------------


def _place(kind: Any) -> Any:
    # On the wire every parameter has a name, the positional-only ones of Python too.
    return Python.POSITIONAL_OR_KEYWORD if kind is Python.POSITIONAL_ONLY else kind


def _resolver(function: Callable[..., Any]) -> Callable[[str, Any], Any]:
    """Resolve one annotation at a time, so that one name out of reach spoils no other."""
    inner = inspect.unwrap(function.func if isinstance(function, partial) else function)
    inner = getattr(inner, "__func__", inner)
    if not hasattr(inner, "__globals__"):
        inner = type(inner).__call__
    names = getattr(inner, "__globals__", {})

    def resolve(name: str, annotation: Any) -> Any:
        if annotation is _EMPTY:
            return annotation
        bearer = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            resolved = typing.get_type_hints(bearer, names)[name]
            hash(resolved)  # what cannot be looked up in a table is not understood
        except Exception:  # any code can stand in an annotation
            return annotation if isinstance(annotation, str) else ANY
        return resolved

    return resolve


def _parameter(one: Python, resolve: Callable[[str, Any], Any]) -> Parameter:
    annotation = resolve(one.name, one.annotation)
    check = None if annotation is _EMPTY else check_for(annotation)
    return Parameter(one.name, annotation, one.default, check)


def _wire_default(one: Parameter) -> Any:
    return one.default.value if isinstance(one.default, Enum) else one.default


def _has_wire_default(one: Parameter) -> bool:
    return one.optional and can_travel(_wire_default(one))


# --- binding ------------------------------------------------------------------------------------


def _binder_whole(signature: Signature) -> Bind:
    (only,) = signature.named
    by_keyword = bool(signature.keyword)
    unchecked = only.check is None and not by_keyword

    def bind(params: tuple[Any, ...]) -> Bound:
        if len(params) == 1:
            if unchecked:
                return params, _NO_NAMES
            try:
                value = only.accept(params[0])
            except Mismatch as mismatch:
                raise signature.refuse(f"{mismatch.path} {mismatch.problem}") from None
            return ((), {only.name: value}) if by_keyword else ((value,), _NO_NAMES)
        if not params and only.optional:
            return (), _NO_NAMES
        raise signature.refuse(f"one argument is wanted, {len(params)} were given")

    return bind


def _binder_in_order(signature: Signature) -> Bind:
    exact = frozenset(_exact_types(signature))
    by_name = _binder_by_name(signature)
    only_rest = not signature.named and signature.rest is not None and signature.others is None

    def bind(params: tuple[Any, ...]) -> Bound:
        if tuple(map(type, params)) in exact:
            return params, _NO_NAMES
        try:
            if len(params) == 1 and isinstance(params[0], dict) and not only_rest:
                return by_name(params[0])
            return _bind_in_order(signature, params), _NO_NAMES
        except Mismatch as mismatch:
            raise signature.refuse(f"{mismatch.path} {mismatch.problem}".strip()) from None

    return bind


def _exact_types(signature: Signature) -> Iterator[tuple[type, ...]]:
    """Give the rows of types that a call may have and need no look at its values."""
    if any(not one.optional for one in signature.keyword):
        return
    row: list[type] = []
    for one in signature.positional:
        if one.optional:
            yield tuple(row)
        if one.annotation not in _EXACT:
            return
        row.append(one.annotation)
    yield tuple(row)


def _bind_in_order(signature: Signature, params: tuple[Any, ...]) -> tuple[Any, ...]:
    positional, rest = signature.positional, signature.rest
    if len(params) > len(positional) and rest is None:
        raise Mismatch(f"at most {len(positional)} arguments are wanted, {len(params)} were given")
    for missing in (*positional[len(params) :], *signature.keyword):
        if not missing.optional:
            raise _missing(missing, signature)
    bound = [one.accept(value) for one, value in zip(positional, params, strict=False)]
    if rest is not None:
        for index, value in enumerate(params[len(positional) :]):
            try:
                bound.append(value if rest.check is None else rest.check(value))
            except Mismatch as mismatch:
                raise mismatch.inside(f"{rest.name}[{index}]") from None
    return tuple(bound)


def _missing(one: Parameter, signature: Signature) -> Mismatch:
    if one in signature.keyword:
        return Mismatch("is missing (it is given by name: send one struct)", one.name)
    return Mismatch("is missing", one.name)


def _binder_by_name(signature: Signature) -> Callable[[dict[str, Any]], Bound]:
    known = {one.name for one in signature.named}
    others = signature.others

    def bind(struct: dict[str, Any]) -> Bound:
        for one in signature.named:
            if not one.optional and one.name not in struct:
                raise _missing(one, signature)
        names: dict[str, Any] = {}
        for name in struct.keys() - known if others is None else ():
            raise Mismatch(f"{_quoted(name)} is no parameter")
        if others is not None:
            names = _others(signature, others, struct)
        args = _leading(signature.positional, struct)
        for one in signature.keyword:
            if one.name in struct:
                names[one.name] = one.accept(struct[one.name])
        return args, names

    return bind


def _leading(positional: tuple[Parameter, ...], struct: dict[str, Any]) -> tuple[Any, ...]:
    """Give the positional values up to the last one that the struct names."""
    last = max((i for i, one in enumerate(positional, 1) if one.name in struct), default=0)
    return tuple(
        one.accept(struct[one.name]) if one.name in struct else one.default
        for one in positional[:last]
    )


def _others(signature: Signature, others: Parameter, struct: dict[str, Any]) -> dict[str, Any]:
    known = {one.name for one in signature.named}
    names = {}
    for name, value in struct.items():
        if name in signature.skipped:
            raise Mismatch(f"{_quoted(name)} is no parameter")
        if name not in known:
            try:
                names[name] = value if others.check is None else others.check(value)
            except Mismatch as mismatch:
                raise mismatch.inside(_quoted(name)) from None
    return names


def _quoted(name: str) -> str:
    shown = ascii(name)
    return shown if len(shown) <= _SHOWN_DEFAULT else shown[:_SHOWN_DEFAULT] + "…"
