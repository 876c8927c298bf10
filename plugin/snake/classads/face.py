"""What a handler gets for `import classad2` when the real one is not asked for.

The names, arguments and results are those of HTCondor's `classad2`; `docs/snake.md` lists where
this one differs. It is never installed as a module: only a genus's private imports find it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from io import TextIOBase

from plugin.snake.classads import as_json, as_xml, old
from plugin.snake.classads.ad import ClassAd, ExprTree
from plugin.snake.classads.nodes import Literal
from plugin.snake.classads.parser import parse_expression, parse_record
from plugin.snake.classads.unparse import quoted
from plugin.snake.classads.values import ClassAdException, Value

__all__ = [
    "ClassAd",
    "ClassAdException",
    "ExprTree",
    "Parser",
    "ParserType",
    "Value",
    "lastError",
    "parseAds",
    "parseNext",
    "parseOne",
    "quote",
    "unquote",
    "version",
]


class ParserType(enum.IntEnum):
    """The syntaxes that can be read; Auto tells old and new apart, FileAuto all four."""

    Auto = -1
    Old = 0
    XML = 1
    JSON = 2
    New = 3
    FileAuto = 4


Parser = ParserType
_INK = re.compile(r"\S")
Input = str | Iterable[str]


def parseAds(input: Input, parser: ParserType = ParserType.Auto) -> Iterator[ClassAd]:
    """Read every ad of a text, a file, or an iterable of texts."""
    text = input if isinstance(input, str) else "".join(input)
    return (ad for ad, _ in _ads(text, parser))


def _ads(text: str, parser: ParserType) -> Iterator[tuple[ClassAd, int]]:
    """Give each ad, and where the text goes on behind it."""
    kind = _syntax(text, parser)
    if kind is ParserType.New:
        yield from _new_ads(text)
    elif kind is ParserType.Old:
        yield from _old_ads(text)
    else:
        read = as_json.read_ads if kind is ParserType.JSON else as_xml.read_ads
        for record in read(text):
            yield ClassAd.of(record.attributes), len(text)


def _syntax(text: str, parser: ParserType) -> ParserType:
    start = text.lstrip()[:80]
    if parser is ParserType.FileAuto:
        if start.startswith("<"):
            return ParserType.XML
        if start.startswith("{") or (start.startswith("[") and start[1:].lstrip()[:1] in "{]"):
            return ParserType.JSON
    if parser in (ParserType.Auto, ParserType.FileAuto):
        return ParserType.New if start[:1] in ("[", "/") else ParserType.Old
    return parser


def _new_ads(text: str) -> Iterator[tuple[ClassAd, int]]:
    position = 0
    while _INK.search(text, position):
        record, position = parse_record(text, position, whole=False)
        yield ClassAd.of(record.attributes), position


def _old_ads(text: str) -> Iterator[tuple[ClassAd, int]]:
    position = 0

    def read() -> Iterator[str]:
        nonlocal position
        for line in text.split("\n"):
            position += len(line) + 1
            yield line

    taken = read()
    while found := old.attributes(taken):
        yield ClassAd.of(found), position


def parseOne(input: Input, parser: ParserType = ParserType.Auto) -> ClassAd:
    """Read every ad and give them merged into one."""
    merged = ClassAd()
    for ad in parseAds(input, parser):
        merged.attributes.update(ad.attributes)
    return merged


def parseNext(input: Input, parser: ParserType = ParserType.Auto) -> ClassAd | None:
    """Read the first ad, None if there is none; a file then stands behind it."""
    if isinstance(input, str):
        return next(parseAds(input, parser), None)
    if not isinstance(input, TextIOBase):
        raise TypeError("parseNext takes a str or an open text file")
    start = input.tell()
    ad, behind = next(_ads(input.read(), parser), (None, 0))
    if ad is not None:
        input.seek(start)
        input.read(behind)
    return ad


def quote(input: str) -> str:
    """Write a string as the language does."""
    return quoted(input)


def unquote(input: str) -> str:
    """Read a string literal; ClassAdException if it is none."""
    node = parse_expression(input)
    if not isinstance(node, Literal) or type(node.value) is not str:
        raise ClassAdException("a string literal is in double quotes")
    return node.value


def lastError() -> str:
    """Empty: here an error's text is that of its exception."""
    return ""


def version() -> str:
    """The version of the language, which is that of the bindings it was compared with."""
    return "25.14.1"
