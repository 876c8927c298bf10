"""Replies and formats against a message: how each Python value is written and read.

A format is an example of the value wanted, or its type: `classad2.ClassAd()` and
`classad2.ClassAd` ask for the same. The type `bytes` asks for the rest of the message, an example
for as many bytes as it has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plugin.snake.cedar.values import MessageReader, MessageWriter
from plugin.snake.classads.ad import ClassAd
from plugin.snake.classads.convert import expression_of, is_foreign
from plugin.snake.classads.nodes import Record
from plugin.snake.handlers.sentinel import end_of_message


def is_ad(value: Any) -> bool:
    """Tell whether this is a ClassAd: ours, or the real classad2's."""
    return isinstance(value, ClassAd) or (is_foreign(value) and type(value).__name__ == "ClassAd")


def write(value: Any, writer: MessageWriter) -> None:
    """Write one item of a reply that is neither None nor `end_of_message`.

    Raises:
        TypeError: nothing of that type travels.
        OverflowError, ValueError: this value does not.
    """
    put = WRITERS.get(type(value))
    if put is None:
        put = _write_ad if is_ad(value) else _inherited(value)
    put(writer, value)


def _write_ad(writer: MessageWriter, value: Any) -> None:
    node = expression_of(value)
    assert isinstance(node, Record)
    writer.ad(node.attributes)


WRITERS: dict[type, Callable[[MessageWriter, Any], None]] = {
    bool: MessageWriter.integer,
    int: MessageWriter.integer,
    float: MessageWriter.real,
    str: MessageWriter.text,
    bytes: MessageWriter.raw,
    ClassAd: lambda writer, value: writer.ad(value.attributes),
}
"""How an item is written whose type is one of these; `write` knows what else travels."""


def _inherited(value: Any) -> Callable[[MessageWriter, Any], None]:
    for kind, put in WRITERS.items():
        if isinstance(value, kind):
            return put
    raise TypeError(
        f"a {type(value).__name__} cannot travel; ints, floats, str, bytes and ClassAds can"
    )


def read(wanted: Any, reader: MessageReader) -> Any:
    """Read one item of a format that is not None.

    Raises:
        TypeError: nothing can be read like that.
        PayloadError: the message does not hold it.
    """
    if wanted is end_of_message:
        reader.end()
        return end_of_message
    kind = wanted if isinstance(wanted, type) else type(wanted)
    get = _READERS.get(kind)
    if get is not None:
        return get(reader)
    if kind is bytes:
        return reader.rest() if wanted is bytes else reader.raw(len(wanted))
    if kind.__name__ == "ClassAd" and kind.__module__.startswith("classad2"):
        return kind(repr(ClassAd.of(reader.ad())))
    raise TypeError(f"{wanted!r} is no format: an example or a type of what can travel")


_READERS: dict[type, Callable[[MessageReader], Any]] = {
    bool: lambda reader: bool(reader.integer()),
    int: MessageReader.integer,
    float: MessageReader.real,
    str: MessageReader.text,
    ClassAd: lambda reader: ClassAd.of(reader.ad()),
}
