"""What a handler gets for `import classad2` when the real one is not asked for.

The names, arguments and results are those of HTCondor's `classad2`; `docs/snake.md` lists where
this one differs. It is never installed as a module: only a genus's private imports find it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

from plugin.snake.classads import old
from plugin.snake.classads.ad import ClassAd, ExprTree
from plugin.snake.classads.lexer import unescaped
from plugin.snake.classads.parser import parse_record
from plugin.snake.classads.unparse import quoted
from plugin.snake.classads.values import ClassAdException, Value

__all__ = [
    "ClassAd",
    "ClassAdException",
    "ExprTree",
    "Parser",
    "ParserType",
    "Value",
    "parseAds",
    "parseNext",
    "parseOne",
    "quote",
    "unquote",
    "version",
]


class ParserType(enum.IntEnum):
    """The syntaxes that can be read; XML and JSON are not."""

    Auto = -1
    Old = 0
    New = 3


Parser = ParserType
Input = str | Iterable[str]


def parseAds(input: Input, parser: ParserType = ParserType.Auto) -> Iterator[ClassAd]:
    """Read every ad of a text, a file, or an iterable of texts."""
    text = input if isinstance(input, str) else "".join(input)
    if parser is ParserType.New or (parser is ParserType.Auto and text.lstrip()[:1] in ("[", "/")):
        yield from _new_ads(text)
    else:
        yield from _old_ads(text)


def _new_ads(text: str) -> Iterator[ClassAd]:
    position = 0
    while text[position:].strip():
        record, position = parse_record(text, position, whole=False)
        yield ClassAd.of(record.attributes)


def _old_ads(text: str) -> Iterator[ClassAd]:
    lines = iter(text.split("\n"))
    while found := old.attributes(lines):
        yield ClassAd.of(found)


def parseOne(input: Input, parser: ParserType = ParserType.Auto) -> ClassAd:
    """Read every ad and give them merged into one."""
    merged = ClassAd()
    for ad in parseAds(input, parser):
        merged.attributes.update(ad.attributes)
    return merged


def parseNext(input: Input, parser: ParserType = ParserType.Auto) -> ClassAd | None:
    """Read the first ad, None if there is none."""
    return next(parseAds(input, parser), None)


def quote(input: str) -> str:
    """Write a string as the language does."""
    return quoted(input)


def unquote(input: str) -> str:
    """Read a string literal."""
    if len(input) < 2 or input[0] != '"' or input[-1] != '"':
        raise ClassAdException("a string literal is in double quotes")
    return unescaped(input[1:-1])


def version() -> str:
    """The version of the language, which is that of the bindings it was compared with."""
    return "25.14.1"
