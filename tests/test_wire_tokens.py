"""The scanner's tokens."""

from __future__ import annotations

import pytest

from co2.wire import tokens
from co2.wire.tokens import ANSWER_TOKENS, CALL_BEGINS, CALL_TOKENS


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<value><string>a</string></value>", tokens.STRING),
        ("<value>a</value>", tokens.BARE),
        ("<member> <name>n</name> <value><int>-1</int></value></member>\n", tokens.INT),
        ("<value><int>1234567890</int></value>", tokens.LONG_INT),
        ("<value><nil/></value>", tokens.NIL),
        ("<value> <struct>\n", tokens.STRUCT),
        ("<member><name>n</name><value><array><data>", tokens.ARRAY),
        ("</struct></value> </member>", tokens.STRUCT_MEMBER_ENDS),
        ("</data> </array></value>", tokens.ARRAY_ENDS),
        ("</param> <param>", tokens.NEXT_PARAM),
        ("</param></params></methodCall>\r\n", tokens.DOCUMENT_ENDS),
        ("<member><name>n</name><value><int>1</int></value>", CALL_TOKENS.groups),
        ("<value><int>1</int></value", CALL_TOKENS.groups),
        ("", CALL_TOKENS.groups),
    ],
)
def test_the_last_group_tells_the_kind_of_token(text: str, kind: int) -> None:
    """A whole scalar or the edge of a container is one match; all else is unknown, and empty."""
    found = CALL_TOKENS.match(text)
    assert found is not None and found.lastindex == kind
    assert found.end() == (0 if kind == CALL_TOKENS.groups else len(text))


def test_both_kinds_of_documents_have_the_same_groups() -> None:
    """The scanner uses one set of numbers for calls and answers."""
    assert CALL_TOKENS.groupindex == ANSWER_TOKENS.groupindex
    assert max(tokens.STRING, tokens.BARE, tokens.NIL, tokens.BASE64) < tokens.STRUCT


@pytest.mark.parametrize(
    "head", ["", "<?xml version='1.0'?>\r\n", '<?xml version="1.0" encoding="UTF-8"?>']
)
def test_usual_declarations_are_passed(head: str) -> None:
    """The head tells the method, and whether there are values."""
    found = CALL_BEGINS.match(f"{head}<methodCall> <methodName>a.b</methodName><params>\n<param> ")
    assert found is not None and found[1] == "a.b" and found[2] == ""
