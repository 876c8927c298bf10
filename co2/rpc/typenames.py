"""Names of types: for people as Python writes them, for XML-RPC as its specification does.

Pure text. A name never holds a module's path or an object's address.
"""

from __future__ import annotations

import collections.abc as abc
import datetime
import inspect
import math
import re
import types
import typing
from enum import Enum
from typing import Any

_UNIONS = (typing.Union, types.UnionType)
_DEPTH = 32
_NO_XML_CHARACTER = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 (its production 2, Char) cannot carry."""

ANY = "any"
"""The type of what is not said."""

_WIRE: dict[Any, str] = {
    int: "int",
    float: "double",
    str: "string",
    bool: "boolean",
    bytes: "base64",
    datetime.datetime: "dateTime.iso8601",
    type(None): "nil",
    None: "nil",
}
_ARRAYS = frozenset(
    {
        list, tuple, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection,
        abc.Iterator, abc.Generator, abc.AsyncIterator, abc.AsyncGenerator, abc.AsyncIterable,
    }
)  # fmt: skip
_STRUCTS = frozenset({dict, abc.Mapping, abc.MutableMapping})
_AWAITED = frozenset({abc.Awaitable, abc.Coroutine})


def describe(annotation: Any) -> str:
    """Write an annotation as Python would, without modules: `list[int]`, `str | None`.

    An Enum is written as the Literal of its values, and a Deferred as what it comes to, for those
    are what travels.
    """
    if annotation is inspect.Parameter.empty or annotation in (Any, object):
        return ANY
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, str):
        return annotation
    origin = typing.get_origin(annotation)
    if origin is not None:
        return _describe_generic(origin, typing.get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return describe_choices(tuple(annotation))
    return str(getattr(annotation, "__name__", ANY))


def _describe_generic(origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin in _UNIONS:
        return " | ".join(dict.fromkeys(describe(argument) for argument in arguments))
    if _is_awaited(origin):
        return describe(arguments[-1])
    if origin is typing.Literal:
        return describe_choices(arguments)
    inner = ", ".join("..." if arg is Ellipsis else _describe_argument(arg) for arg in arguments)
    return f"{getattr(origin, '__name__', ANY)}[{inner}]"


def _describe_argument(argument: Any) -> str:
    if isinstance(argument, list):  # the parameters of a Callable
        return f"[{', '.join(describe(item) for item in argument)}]"
    return describe(argument)


def describe_choices(values: tuple[Any, ...]) -> str:
    """Write the values that may be given, as a Literal."""
    shown = (repr(value.value if isinstance(value, Enum) else value) for value in values)
    return f"Literal[{', '.join(shown)}]"


def wire_type(annotation: Any) -> str:
    """Name the XML-RPC type of an annotation, `any` where it may be one of several."""
    while isinstance(annotation, typing.NewType):
        annotation = annotation.__supertype__
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in _UNIONS:
        return _one_of({wire_type(arg) for arg in arguments if arg is not type(None)})
    if origin is typing.Literal:
        return _one_of({wire_type(type(value)) for value in arguments})
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _one_of({wire_type(type(member.value)) for member in annotation})
    return _plain_wire_type(annotation if origin is None else origin, arguments)


def _plain_wire_type(kind: Any, arguments: tuple[Any, ...]) -> str:
    if _is_awaited(kind) and arguments:
        return wire_type(arguments[-1])
    if kind in _ARRAYS:
        return "array"
    if kind in _STRUCTS or typing.is_typeddict(kind):
        return "struct"
    return _WIRE.get(kind, ANY)


def _is_awaited(kind: Any) -> bool:
    """Tell whether the caller gets what this comes to: a coroutine or Deferred."""
    return kind in _AWAITED or getattr(kind, "__name__", "") == "Deferred"


def _one_of(names: set[str]) -> str:
    return names.pop() if len(names) == 1 else ANY


def can_travel(value: Any, depth: int = 0) -> bool:
    """Tell whether the server may answer with that value; nil it never answers by itself."""
    if depth > _DEPTH:
        return False
    if isinstance(value, bool | bytes):
        return True
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return _NO_XML_CHARACTER.search(value) is None
    if isinstance(value, datetime.datetime):
        return value.tzinfo is not None
    if isinstance(value, list | tuple):
        return all(can_travel(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return all(
            isinstance(name, str) and can_travel(name, depth + 1) and can_travel(item, depth + 1)
            for name, item in value.items()
        )
    return False
