"""What a request, an answer and a publication hold, whatever the dialect.

A `Payload` is the JSON object of a message: a dict, as the seed's users take it apart, with the
names of later generations as attributes. `Bulk` is an array's bytes with shape and type, so that a
daemon needs no numpy to keep one. It must not know frames.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

_DTYPE = re.compile(r"^[<>|=]?(?:([biufc])(\d{1,2})|(bool|int|uint|float|complex)(\d{0,3}))$")
MOST_AXES = 32


class MalformedMessage(ValueError):
    """A message that cannot be understood; the text says why."""


@frozen
class Bulk:
    """An array as it travels.

    Attributes:
        data: the elements, row by row.
        shape: lengths of the axes.
        dtype: the elements' type, as numpy names it ('float64', '<f4').
    """

    data: bytes = field(repr=False)
    shape: tuple[int, ...]
    dtype: str

    def tobytes(self) -> bytes:
        """Give the elements' bytes; what numpy calls it."""
        return self.data

    def as_array(self) -> Any:
        """Give a numpy array of it, or itself where numpy is not installed."""
        try:
            import numpy
        except ImportError:
            return self
        return numpy.frombuffer(self.data, dtype=self.dtype).reshape(self.shape)


def make_bulk(array: Any) -> Bulk:
    """Take a copy of an array's present contents, so that later changes in place are seen as such.

    Args:
        array: a `Bulk`, or anything with `tobytes()`, `shape` and `dtype`.
    """
    if isinstance(array, Bulk):
        return array
    if not getattr(array.dtype, "isnative", True):  # peers know the native types' names only
        array = array.astype(array.dtype.newbyteorder("="))
    shape = tuple(int(length) for length in array.shape)
    return read_bulk(array.tobytes(), shape, str(array.dtype))


def read_bulk(data: bytes, shape: Any, dtype: Any) -> Bulk:
    """Check what came with an array's bytes.

    Raises:
        MalformedMessage: shape, type and number of bytes do not fit together.
    """
    if not isinstance(shape, list | tuple) or len(shape) > MOST_AXES:
        raise MalformedMessage(f"bulk: 'shape' is a list of at most {MOST_AXES} lengths")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise MalformedMessage("bulk: 'shape' is a list of whole numbers, none negative")
    size = math.prod(shape) * _itemsize(dtype)
    if size != len(data):
        raise MalformedMessage(
            f"bulk: shape {list(shape)} of {dtype} needs {size} bytes, {len(data)} came"
        )
    return Bulk(bytes(data), tuple(shape), dtype)


def _itemsize(dtype: Any) -> int:
    match = _DTYPE.match(dtype) if isinstance(dtype, str) else None
    if match is None:
        raise MalformedMessage(f"bulk: 'dtype' {dtype!r} is no plain number type")
    code, size, name, bits = match.groups()
    if code is not None:
        if int(size) not in (1, 2, 4, 8, 16):
            raise MalformedMessage(f"bulk: 'dtype' {dtype!r} has a size that there is not")
        return int(size)
    if name == "bool":
        return 1
    if bits not in ("8", "16", "32", "64", "128"):
        raise MalformedMessage(f"bulk: 'dtype' {dtype!r} needs its bits, as in {name}64")
    return int(bits) // 8


class Payload(dict[str, Any]):
    """The JSON object of a message; `payload.value` and `payload['value']` are the same.

    Attributes:
        bulk: the array of the message, a `Bulk`, or None; it is no part of the JSON.
    """

    __slots__ = ("bulk",)

    def __init__(
        self, value: Any = None, time: float | None = None, bulk: Bulk | None = None, **others: Any
    ) -> None:
        super().__init__(others)
        self["value"] = value
        if time is not None:
            self["time"] = time
        self.bulk = bulk

    @classmethod
    def of(cls, members: Mapping[str, Any], bulk: Bulk | None = None) -> Payload:
        """Make one of a JSON object, with nothing added."""
        made = cls.__new__(cls)
        made.update(members)
        made.bulk = bulk
        return made

    def __getattr__(self, name: str) -> Any:
        """Give any other member, as `payload.shape`."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the payload has no member {name!r}") from None

    @property
    def value(self) -> Any:
        """The value; the array where there is one."""
        return self.get("value") if self.bulk is None else self.bulk.as_array()

    @property
    def time(self) -> float | None:
        """UNIX seconds, or None."""
        return self.get("time")

    @property
    def error(self) -> dict[str, Any] | None:
        """What went wrong: {'type', 'text'}, or None."""
        return self.get("error")

    @property
    def refresh(self) -> bool:
        """Whether a GET wants a fresh value."""
        return bool(self.get("refresh"))


@define(eq=False)
class Request:
    """What a client asks.

    Attributes:
        id: chosen by the client, and given back as it came.
        type: 'GET' or 'SET'; 'HASH' and 'CONFIG' are turned into these by the old dialect.
        target: `store.key`, in lower case.
        payload: the JSON object.
        ack, reply: whether the client wants these.
    """

    id: bytes
    type: str
    target: str
    payload: Payload = field(factory=Payload)
    ack: bool = True
    reply: bool = True

    @property
    def bulk(self) -> bytes | None:
        """The bytes of the request's array, or None."""
        return None if self.payload.bulk is None else self.payload.bulk.data

    @property
    def value(self) -> Any:
        """The payload's value."""
        return self.payload.value


@frozen
class Publication:
    """A new value of an item, as a subscriber gets it."""

    target: str
    payload: Payload


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=None).encode
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


def encode_json(value: Any) -> bytes:
    """Give the JSON text of a value; NaN and infinities become null, numpy's numbers plain ones.

    Raises:
        TypeError: something in it is no JSON.
    """
    try:
        return _encode(value).encode()
    except (ValueError, TypeError):
        return _encode(copy_json(value)).encode()


def decode_json(text: bytes) -> Any:
    """Read JSON.

    Raises:
        MalformedMessage: it is none.
    """
    try:
        return _decode(text.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"the payload is no JSON: {error}") from None


def copy_json(value: Any) -> Any:
    """Copy a value as JSON would give it back.

    Raises:
        TypeError: something in it is no JSON.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): copy_json(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [copy_json(member) for member in value]
    if isinstance(value, Bulk):
        return {"shape": list(value.shape), "dtype": value.dtype}
    if value is None or isinstance(value, str | int | bool):
        return value
    if hasattr(value, "tolist"):
        return copy_json(value.tolist())
    raise TypeError(f"a value of type {type(value).__name__} is no JSON")
