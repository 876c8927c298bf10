"""The usual forms of XML-RPC as regular expressions, for the scanner.

It decides which spellings are usual: what co2, xmlrpc-c and the common libraries of Python, Perl,
PHP and Ruby write, white space between elements included. The rest is the general decoder's.

A token is as much of a document as can be recognized at a stroke: a whole scalar, with its member's
name if it has one, or the tags that open or close a container. The group that matched last tells
which (`Match.lastindex`, hence the empty groups).

Invariants:
- What matches here means the same as in XML, provided that the text holds no character that XML
  forbids, no carriage return and no `]]>`: the scanner sees to that before. (A class that excludes
  the forbidden ones would make long texts cost twelve times as much.)
- A reference stands only in what the scanner resolves: names, strings and bare texts.
- Each token begins with a literal and each repetition takes one character class, possessively, so
  that a document is looked at once from left to right, whatever it holds.
- The last alternative is empty: where nothing is known, it matches instead of searching on.
"""

from __future__ import annotations

import re

_W = "[ \\t\\r\\n]*+"

_SCALARS = (
    "<(?:string>(?P<string>[^<]*+)</string"
    # Nine digits fit into 32 bits whatever they are, so nobody has to look at the value.
    "|int>(?:(?P<int>[+-]?[0-9]{1,9}+)|(?P<long_int>[+-]?[0-9]{10}))</int"
    "|double>(?P<double>[-+0-9.eE]{1,400}+)</double"
    "|boolean>(?P<boolean>[01])</boolean"
    "|i4>(?P<i4>[+-]?[0-9]{1,10}+)</i4"
    "|i8>(?P<i8>[+-]?[0-9]{1,19}+)</i8"
    "|dateTime\\.iso8601>"
    "(?P<time>[0-9]{8}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{6}|))"
    "</dateTime\\.iso8601"
    "|base64>(?P<base64>[^&<]*+)</base64"
    "|nil/(?P<nil>))>"
    "|(?P<bare>[^<]*+)"
)

_VALUES = (
    # An empty alternative instead of `?`: the repetition would cost half as much again.
    f"(?:<member>{_W}<name>(?P<name>[^<]*+)</name>{_W}|)"
    f"<value>(?:(?:{_SCALARS})</value>{_W}(?(name)</member>{_W})"
    f"|{_W}<(?:struct>{_W}(?P<struct>)|array>{_W}<data>{_W}(?P<array>)))"
    "|</(?:"
    f"struct>{_W}</value>{_W}(?:</member>{_W}(?P<struct_member_ends>)|(?P<struct_ends>))"
    f"|data>{_W}</array>{_W}</value>{_W}(?:</member>{_W}(?P<array_member_ends>)|(?P<array_ends>)))"
)


def _tokens(root: str) -> re.Pattern[str]:
    return re.compile(
        f"{_VALUES}|</param>{_W}"
        f"(?:</params>{_W}</{root}>{_W}\\Z(?P<document_ends>)|<param>{_W}(?P<next_param>))"
        "|(?P<unknown>)"
    )


_DECLARATION = (
    "(?:<\\?xml version=(?:\"1\\.0\"|'1\\.0')"
    "(?: encoding=(?:\"[Uu][Tt][Ff]-8\"|'[Uu][Tt][Ff]-8'))?"
    f" ?\\?>{_W})?"
)

CALL_BEGINS = re.compile(
    f"{_DECLARATION}<methodCall>{_W}<methodName>([A-Za-z0-9_.:/]++)</methodName>{_W}"
    f"(?:<params>{_W}<param>{_W}()|(?:<params>{_W}</params>{_W}|<params/>{_W}|)</methodCall>{_W}\\Z)"
)
"""Group 1 is the method's name; group 2 matched if a first value follows."""

ANSWER_BEGINS = re.compile(f"{_DECLARATION}<methodResponse>{_W}<params>{_W}<param>{_W}")

CALL_TOKENS = _tokens("methodCall")
ANSWER_TOKENS = _tokens("methodResponse")

_index = CALL_TOKENS.groupindex
NAME = _index["name"]
STRING = _index["string"]
INT = _index["int"]
LONG_INT = _index["long_int"]
DOUBLE = _index["double"]
BOOLEAN = _index["boolean"]
I4 = _index["i4"]
I8 = _index["i8"]
TIME = _index["time"]
BASE64 = _index["base64"]
NIL = _index["nil"]
BARE = _index["bare"]
# Whatever holds others comes after every scalar; the scanner relies on that.
STRUCT = _index["struct"]
ARRAY = _index["array"]
STRUCT_MEMBER_ENDS = _index["struct_member_ends"]
STRUCT_ENDS = _index["struct_ends"]
ARRAY_MEMBER_ENDS = _index["array_member_ends"]
ARRAY_ENDS = _index["array_ends"]
DOCUMENT_ENDS = _index["document_ends"]
NEXT_PARAM = _index["next_param"]
