"""The general decoder: any document that PROTOCOL section 2 allows, on expat.

It decides what is refused and in which words, also for the fast scanner, which hands over whatever
it does not know. The grammar is `grammar`'s, the characters are `charset`'s.

How it works: the bytes become text (`charset`), the text UTF-8, and expat gets that in one piece.
Its events build `Element`s on a list, never by recursion. A refusal is an exception in a handler,
which stops expat at once.

Invariants:
- expat is fed once. In small pieces it looks at an unfinished token anew with each piece, and a
  long comment costs the square of its length (CVE-2023-52425).
- A DOCTYPE is refused in expat's handler, not by a search in the bytes, which UTF-16 evades; so no
  entity is ever declared, and nothing can grow beyond the bytes that came.
- What is open is at most a few elements for each level of `Limits.max_depth`; what is kept is
  bounded by `Limits.max_values` and the size of the document.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn
from xml.parsers import expat

from co2.errors import (
    BadValue,
    Co2Error,
    DoctypeRefused,
    DocumentError,
    InvalidCharacter,
    InvalidRequest,
    NotWellFormed,
    SecondRoot,
    TooDeep,
    TooManyValues,
    TrailingBytes,
)
from co2.wire.charset import decode_text
from co2.wire.grammar import BRANCHES, CHILDREN, HOLDS_TEXT, LEAVES, MOST_CHILDREN, ROOT, Element
from co2.wire.limits import Limits
from co2.wire.values import WHITE_SPACE, shorten
from co2.wire.writing import ILLEGAL_CHARACTER

_CONTAINERS = frozenset({"array", "struct"})
_SECOND_ROOT = re.compile(rb"<(?:[A-Za-z_:\x80-\xff]|\?xml[ \t\r\n])")
_BAD_REFERENCE = expat.errors.codes[expat.errors.XML_ERROR_BAD_CHAR_REF]


def read_document(document: bytes, root: str, limits: Limits) -> Any:
    """Read a whole document whose root element must be `root`, and give that element's value.

    Raises:
        DocumentError: one of its classes says what is wrong, the text also where.
    """
    text, codec = decode_text(document)
    utf8 = document if codec == "utf-8" else text.encode()
    return _Reader(utf8, root, limits, "byte" if utf8 is document else "byte (as UTF-8)").read()


class _Reader:
    """One pass over one document."""

    def __init__(self, utf8: bytes, root: str, limits: Limits, unit: str) -> None:
        self._utf8 = utf8
        self._root = root
        self._limits = limits
        self._unit = unit
        self._open = [Element(ROOT)]
        self._depth = 0
        self._values = 0
        parser = expat.ParserCreate("utf-8")  # whatever is declared: `charset` has seen to it
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype_began
        parser.StartElementHandler = self._element_began
        parser.EndElementHandler = self._element_ended
        parser.CharacterDataHandler = self._text_came
        self._parser = parser

    def read(self) -> Any:
        try:
            self._parser.Parse(self._utf8, True)
        except expat.ExpatError as error:
            self._refuse(error)
        finally:
            # It holds this object's methods: a circle that would keep the document for a while.
            del self._parser
        return self._open[0].children[0][1]

    def _doctype_began(self, *_: object) -> NoReturn:
        raise DoctypeRefused(f"a DOCTYPE{self._here()}: XML-RPC has none, leave it out")

    def _element_began(self, tag: str, attributes: dict[str, str]) -> None:
        parent = self._open[-1]
        if tag not in CHILDREN[parent.tag] or (parent.tag == ROOT and tag != self._root):
            self._refuse_element(tag, parent.tag)
        if parent.children and len(parent.children) == MOST_CHILDREN.get(parent.tag):
            raise NotWellFormed(f"one element too many inside <{parent.tag}>{self._here()}")
        if attributes:
            self._check_attributes(tag, attributes)
        if tag == "value":
            self._count_value()
        elif tag in _CONTAINERS:
            self._go_deeper()
        self._open.append(Element(tag))

    def _element_ended(self, tag: str) -> None:
        element = self._open.pop()
        try:
            if tag in LEAVES:
                value = LEAVES[tag](element.text)
            else:
                value = BRANCHES[tag](element)
        except ValueError as error:
            raise BadValue(f"<{tag}>: {error}{self._here()}") from None
        except DocumentError as error:
            raise type(error)(error.text + self._here()) from None
        if tag in _CONTAINERS:
            self._depth -= 1
        self._open[-1].children.append((tag, value))

    def _text_came(self, text: str) -> None:
        element = self._open[-1]
        if element.tag in HOLDS_TEXT:
            element.texts.append(text)
        elif text.strip(WHITE_SPACE):
            raise NotWellFormed(f"text inside <{element.tag}>{self._here()}: {shorten(text)}")

    def _count_value(self) -> None:
        self._values += 1
        if self._values > self._limits.max_values:
            raise TooManyValues(
                f"the document holds more than {self._limits.max_values} values;"
                " send it in several messages"
            )

    def _go_deeper(self) -> None:
        self._depth += 1
        if self._depth > self._limits.max_depth:
            raise TooDeep(
                f"arrays and structs are nested deeper than {self._limits.max_depth}{self._here()}"
            )

    def _check_attributes(self, tag: str, attributes: dict[str, str]) -> None:
        for name in attributes:
            if name != "xmlns" and not name.startswith("xmlns:"):
                raise NotWellFormed(
                    f"<{tag}> has the attribute {shorten(name)}{self._here()}: XML-RPC has none"
                )

    def _refuse_element(self, tag: str, parent: str) -> NoReturn:
        if parent == ROOT:
            raise InvalidRequest(
                f"the root element is {shorten(tag)}, where {self._root!r} is expected"
            )
        raise NotWellFormed(
            f"the element {shorten(tag)} may not stand inside <{parent}>{self._here()}"
        )

    def _here(self) -> str:
        return f" at {self._unit} {self._parser.CurrentByteIndex}"

    def _refuse(self, error: expat.ExpatError) -> NoReturn:
        raise self._explain(error, max(self._parser.ErrorByteIndex, 0)) from None

    def _explain(self, error: expat.ExpatError, where: int) -> Co2Error:
        at = f" at {self._unit} {where}"
        rest = self._utf8[where : where + 8]
        if self._open[0].children:
            if _SECOND_ROOT.match(rest):
                return SecondRoot(f"a second root element begins{at}")
            return TrailingBytes(f"the document ended before what stands{at}")
        if error.code == _BAD_REFERENCE:
            return InvalidCharacter(f"a reference to a character that XML cannot carry{at}")
        if ILLEGAL_CHARACTER.match(rest.decode(errors="ignore")):
            return InvalidCharacter(f"a character that XML cannot carry{at}")
        return NotWellFormed(f"not well-formed XML{at}: {expat.errors.messages[error.code]}")
