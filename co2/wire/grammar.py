"""Which XML-RPC element may stand where, and what a finished one means.

It decides the grammar of the specification (its DTD in words), and turns an element with its text
and its children's values into a value. It knows no parser, no position and no limits.

How it works: `CHILDREN` says what may open inside what, so anything not in it is refused the moment
it opens. When an element ends, one of two tables gives its value, which joins the parent's
children: `LEAVES` makes it from the text, `BRANCHES` from the whole `Element`. White space between
elements never gets here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from co2.errors import DuplicateMember, InvalidRequest, NotWellFormed
from co2.wire.values import SCALARS, WHITE_SPACE, shorten

ROOT = ""
"""The tag of what encloses the root element."""


class Element:
    """An element that is open: its `tag`, the `texts` so far, and its finished `children`."""

    __slots__ = ("children", "tag", "texts")

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.texts: list[str] = []
        self.children: list[tuple[str, Any]] = []

    @property
    def text(self) -> str:
        """All character data, joined."""
        return "".join(self.texts)


class Answer(NamedTuple):
    """What a methodResponse holds: the value, or the struct of a fault."""

    value: Any
    is_fault: bool


_NOTHING: frozenset[str] = frozenset()
_VALUE_ONLY = frozenset({"value"})

CHILDREN: dict[str, frozenset[str]] = {
    ROOT: frozenset({"methodCall", "methodResponse"}),
    "methodCall": frozenset({"methodName", "params"}),
    "methodResponse": frozenset({"params", "fault"}),
    "methodName": _NOTHING,
    "params": frozenset({"param"}),
    "param": _VALUE_ONLY,
    "fault": _VALUE_ONLY,
    "value": frozenset({"array", "struct", *SCALARS}),
    "array": frozenset({"data"}),
    "data": _VALUE_ONLY,
    "struct": frozenset({"member"}),
    "member": frozenset({"name", "value"}),
    "name": _NOTHING,
    **dict.fromkeys(SCALARS, _NOTHING),
}
"""Element name to the names of the elements that may open directly inside it."""

MOST_CHILDREN: dict[str, int] = {
    ROOT: 1,
    "methodCall": 2,
    "methodResponse": 1,
    "param": 1,
    "fault": 1,
    "value": 1,
    "array": 1,
    "member": 2,
}
"""How many elements may stand inside, where the grammar sets a number.

Held to when an element opens: megabytes of `<name/>` in one member must not pile up.
"""

HOLDS_TEXT = frozenset({"methodName", "name", "value", *SCALARS})
"""The elements in which characters that are no white space may stand."""


def _only_child(element: Element) -> Any:
    if not element.children:
        raise NotWellFormed(f"<{element.tag}> is empty")
    return element.children[0][1]


def _read_all(element: Element) -> list[Any]:
    return [value for _, value in element.children]


def _read_value(element: Element) -> Any:
    if not element.children:
        return element.text
    if element.text.strip(WHITE_SPACE):
        raise NotWellFormed("<value> holds both an element and text")
    return _only_child(element)


def _read_member(element: Element) -> tuple[str, Any]:
    if [tag for tag, _ in element.children] != ["name", "value"]:
        raise NotWellFormed("<member> must hold a <name> and then a <value>")
    return element.children[0][1], element.children[1][1]


def _read_struct(element: Element) -> dict[str, Any]:
    struct: dict[str, Any] = {}
    for _, (name, value) in element.children:
        if name in struct:
            raise DuplicateMember(f"a struct names the member {shorten(name)} twice")
        struct[name] = value
    return struct


def _read_method_name(text: str) -> str:
    # People who write documents by hand, and their templates, put line ends around the name. No
    # name holds white space (the registry enters none), so what is meant is never in doubt. White
    # space inside of a name is left: such a method is not found, and the fault shows why.
    name = text.strip(WHITE_SPACE)
    if not name:
        raise InvalidRequest("<methodName> is empty: it names the method to call")
    return name


def _read_call(element: Element) -> tuple[str, tuple[Any, ...]]:
    tags = [tag for tag, _ in element.children]
    if tags not in (["methodName"], ["methodName", "params"]):
        raise InvalidRequest("<methodCall> must hold a <methodName> and then at most one <params>")
    params = element.children[1][1] if len(tags) == 2 else ()
    return element.children[0][1], tuple(params)


def _read_response(element: Element) -> Answer:
    content = _only_child(element)
    if element.children[0][0] == "fault":
        return Answer(content, True)
    if len(content) != 1:
        raise NotWellFormed(f"an answer holds one value, not {len(content)}")
    return Answer(content[0], False)


LEAVES: dict[str, Callable[[str], Any]] = {"name": str, "methodName": _read_method_name, **SCALARS}
"""Element name to what reads its text; ValueError, or an error of co2's without a place."""

BRANCHES: dict[str, Callable[[Element], Any]] = {
    "methodCall": _read_call,
    "methodResponse": _read_response,
    "params": _read_all,
    "param": _only_child,
    "fault": _only_child,
    "value": _read_value,
    "array": _only_child,
    "data": _read_all,
    "struct": _read_struct,
    "member": _read_member,
}
"""Element name to what reads a finished element; errors of co2's, without a place."""
