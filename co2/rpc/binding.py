"""Fits the values of a call to a method's parameters, by the rules of PROTOCOL section 1.

How it works. `binder_of` looks at the shape of the parameters once and gives back one function
that is run for every call:

- one parameter, unannotated (`Any` and `object` say no more) or mapping-typed: the call's one
  argument goes there whole, the seed's dict;
- otherwise values bind in order, and a single struct binds by name;
- a method whose only parameter is `*args` takes every value as it comes, structs included.

Invariants: what does not fit is refused before the method runs; nothing that the caller gave is
changed, a value that needs converting is made anew. The quick way in `_in_order` gives the call's
own tuple back: it is taken only where the exact types of all values need no look at the values.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from co2.errors import InvalidParams
from co2.rpc.checks import Mismatch
from co2.rpc.parameters import EMPTY, Parameter, Parameters

Bound = tuple[tuple[Any, ...], dict[str, Any]]
Bind = Callable[[tuple[Any, ...]], Bound]
Refuse = Callable[[str], InvalidParams]

_NO_NAMES: dict[str, Any] = {}
_EXACT = frozenset({int, float, str, bool, bytes, datetime.datetime})
_LONGEST_NAME = 60


def binder_of(parameters: Parameters, refuse: Refuse) -> Bind:
    """Compile the parameters into one function.

    Args:
        parameters: of the method.
        refuse: makes the error from a problem, by adding the signature.

    Returns:
        a function that gives `(args, kwargs)` for a call's values, or raises what `refuse` makes.
    """
    fit = _whole(parameters) if parameters.whole else _in_order(parameters)

    def bind(params: tuple[Any, ...]) -> Bound:
        try:
            return fit(params)
        except Mismatch as mismatch:
            raise refuse(f"{mismatch.path} {mismatch.problem}".strip()) from None

    return bind


def _whole(parameters: Parameters) -> Bind:
    (only,) = parameters.named
    by_keyword = bool(parameters.keyword)

    def fit(params: tuple[Any, ...]) -> Bound:
        if len(params) == 1:
            value = only.accept(params[0])
            return ((), {only.name: value}) if by_keyword else ((value,), _NO_NAMES)
        if not params and only.optional:
            return (), _NO_NAMES
        raise Mismatch(f"one argument is wanted, {len(params)} were given")

    return fit


def _in_order(parameters: Parameters) -> Bind:
    exact = frozenset(_exact_rows(parameters))
    by_name = _by_name(parameters)
    takes_structs = bool(parameters.rest and not parameters.named and not parameters.others)

    def fit(params: tuple[Any, ...]) -> Bound:
        if tuple(map(type, params)) in exact:
            return params, _NO_NAMES
        if len(params) == 1 and isinstance(params[0], dict) and not takes_structs:
            return by_name(params[0])
        return _fit_in_order(parameters, params), _NO_NAMES

    return fit


def _exact_rows(parameters: Parameters) -> Iterator[tuple[type, ...]]:
    """Give the rows of types that bind as they are, whatever the values."""
    if any(not one.optional for one in parameters.keyword):
        return
    row: list[type] = []
    for one in parameters.positional:
        if one.optional:
            yield tuple(row)
        if one.annotation not in _EXACT:
            return
        row.append(one.annotation)
    yield tuple(row)


def _fit_in_order(parameters: Parameters, params: tuple[Any, ...]) -> tuple[Any, ...]:
    positional, rest = parameters.positional, parameters.rest
    if len(params) > len(positional) and rest is None:
        raise Mismatch(f"at most {len(positional)} arguments are wanted, {len(params)} were given")
    for one in positional[len(params) :]:
        if not one.optional:
            raise Mismatch("is missing", one.name)
    for one in parameters.keyword:
        if not one.optional:
            raise Mismatch("is missing (it is given by name: send one struct)", one.name)
    bound = [one.accept(value) for one, value in zip(positional, params, strict=False)]
    if rest is not None:
        surplus = enumerate(params[len(positional) :])
        bound.extend(rest.accept(value, f"[{index}]") for index, value in surplus)
    return tuple(bound)


def _by_name(parameters: Parameters) -> Callable[[dict[str, Any]], Bound]:
    if parameters.keyword or parameters.others is not None:
        return lambda struct: _fit_by_name(parameters, struct)
    plan = tuple((one.name, one.default, one.accept) for one in parameters.positional)

    def fit(struct: dict[str, Any]) -> Bound:
        bound = []
        given = 0
        for name, default, accept in plan:
            value = struct.get(name, EMPTY)
            if value is not EMPTY:
                given += 1
                bound.append(accept(value))
            elif default is not EMPTY:
                bound.append(default)
            else:
                raise _misnamed(parameters, struct)
        if given != len(struct):
            raise _misnamed(parameters, struct)
        return tuple(bound), _NO_NAMES

    return fit


def _fit_by_name(parameters: Parameters, struct: dict[str, Any]) -> Bound:
    """The general form, for methods with keyword-only parameters or `**kwargs`."""
    others = parameters.others
    known = {one.name for one in parameters.named}
    surplus = {name: value for name, value in struct.items() if name not in known}
    missing = any(not one.optional and one.name not in struct for one in parameters.named)
    if missing or (surplus and others is None) or surplus.keys() & parameters.skipped:
        raise _misnamed(parameters, struct)
    args = tuple(_value_of(one, struct) for one in parameters.positional)
    names = {one.name: _value_of(one, struct) for one in parameters.keyword}
    if others is not None:
        for name, value in surplus.items():
            names[name] = others.accept(value, f"[{_quoted(name)}]")
    return args, names


def _value_of(one: Parameter, struct: dict[str, Any]) -> Any:
    return one.accept(struct[one.name]) if one.name in struct else one.default


def _misnamed(parameters: Parameters, struct: dict[str, Any]) -> Mismatch:
    """Name everything that is missing and everything that is too much."""
    problems = [
        f"{one.name} is missing"
        for one in parameters.named
        if not one.optional and one.name not in struct
    ]
    known = {one.name for one in parameters.named}
    allowed = struct.keys() - parameters.skipped if parameters.others is not None else known
    strange = [name for name in struct if name not in known and name not in allowed]
    problems.extend(f"{_quoted(name)} is no parameter" for name in strange[:5])
    return Mismatch(", ".join(problems))


def _quoted(name: str) -> str:
    return ascii(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "...")
