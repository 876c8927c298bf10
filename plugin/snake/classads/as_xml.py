"""ClassAds out of XML: `<c>` an ad, `<a n="…">` an attribute, one element for each kind of value.

Several ads may stand one after the other or inside `<classads>`. Entities of a document's own are
refused, so that a short text cannot stand for a long one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from xml.parsers import expat

from attrs import define, field

from plugin.snake.classads.nodes import Expression, ListOf, Literal, Record
from plugin.snake.classads.parser import MAX_DEPTH, parse_expression
from plugin.snake.classads.times import absolute_of, relative_of
from plugin.snake.classads.values import ERROR, UNDEFINED, ClassAdException

_PROLOG = re.compile(r"\s*(?:<\?xml[^>]*\?>)?\s*(?:<!DOCTYPE[^>\[]*>)?")
_UNUSUAL = frozenset({"NaN", "INF", "-INF"})


@define
class _Element:
    """One element as it is read."""

    name: str
    attributes: dict[str, str]
    children: list[_Element] = field(factory=list)
    text: str = ""


def read_ads(text: str) -> Iterator[Record]:
    """Read every ad of a text.

    Raises:
        ClassAdException: it is no XML, or not what a ClassAd is in it.
    """
    return _ads(_tree(text))


def _ads(element: _Element) -> Iterator[Record]:
    for child in element.children:
        if child.name == "classads":
            yield from _ads(child)
        elif child.name == "c":
            yield _record(child)
        else:
            raise ClassAdException(f"<c> wanted, not <{child.name}>")


def _tree(text: str) -> _Element:
    root = _Element("", {})
    stack = [root]

    def begin(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > 2 * MAX_DEPTH:
            raise ClassAdException(f"nested deeper than {2 * MAX_DEPTH}")
        element = _Element(name, attributes)
        stack[-1].children.append(element)
        stack.append(element)

    def characters(data: str) -> None:
        stack[-1].text += data

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda name: stack.pop()
    parser.CharacterDataHandler = characters
    prolog = _PROLOG.match(text)
    body = text if prolog is None else text[prolog.end() :]
    try:
        # inside one element, as several ads may stand side by side; a DOCTYPE cannot stand there
        parser.Parse(f"<classads>{body}</classads>".encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise ClassAdException(f"no XML: {error}") from None
    return root


def _record(element: _Element) -> Record:
    found: dict[str, tuple[str, Expression]] = {}
    for child in element.children:
        name = child.attributes.get("n")
        if child.name != "a" or not name or len(child.children) != 1:
            raise ClassAdException('<a n="…"> with one value in it wanted in <c>')
        written = found.get(name.lower(), (name,))[0]
        found[name.lower()] = (written, _value(child.children[0]))
    return Record(found)


def _value(element: _Element) -> Expression:
    if element.name == "c":
        return _record(element)
    if element.name == "l":
        return ListOf(tuple(map(_value, element.children)))
    if element.name == "e":
        return parse_expression(element.text)
    make = _CONSTANTS.get(element.name)
    if make is None or element.children:
        raise ClassAdException(f"<{element.name}> is no value")
    value = make(element)
    if value is None:
        raise ClassAdException(f"<{element.name}> cannot hold {element.text[:60]!r}")
    return Literal(value)


def _number(element: _Element) -> Any:
    text = element.text.strip()
    if element.name == "r" and text in _UNUSUAL:
        return float(text)
    node = parse_expression(text)
    value = node.value if isinstance(node, Literal) else None
    if type(value) is int:
        return value if element.name == "i" else float(value)
    return value if type(value) is float and element.name == "r" else None


_CONSTANTS: dict[str, Callable[[_Element], Any]] = {
    "i": _number,
    "r": _number,
    "s": lambda element: element.text,
    "b": lambda element: {"t": True, "f": False}.get(element.attributes.get("v", "")),
    "un": lambda element: UNDEFINED,
    "er": lambda element: ERROR,
    "at": lambda element: absolute_of(element.text),
    "rt": lambda element: relative_of(element.text),
}
