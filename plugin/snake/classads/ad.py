"""`ClassAd` and `ExprTree`, with the methods that they have in `classad2`.

Decides how an ad behaves as a Python mapping. Names are case-insensitive and keep the case they
were first written in; values that are constants come out as Python values, everything else as an
unevaluated `ExprTree`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from plugin.snake.classads.as_json import json_text
from plugin.snake.classads.convert import REMEMBERED, expression_of, python_of
from plugin.snake.classads.evaluate import Scope, compute
from plugin.snake.classads.functions import (  # noqa: F401 - importing enters the functions
    arguments,
    kinds,
    lists,
    moments,
    numbers,
    texts,
    users,
    wordlists,
)
from plugin.snake.classads.nodes import Attributes, Expression, Literal, Record
from plugin.snake.classads.parser import parse_expression, parse_record
from plugin.snake.classads.partial import flattened, references
from plugin.snake.classads.unparse import (
    attribute_name,
    new_text,
    old_text,
    ordered,
    pretty_text,
    same,
)
from plugin.snake.classads.values import UNDEFINED, Value


def _scopes(scope: ClassAd | None, target: ClassAd | None) -> Scope:
    mine = Scope({} if scope is None else scope.attributes)
    if target is not None:
        theirs = Scope(target.attributes, None, mine.budget)
        mine.other, theirs.other = theirs, mine
    return mine


def _to_python(value: Any) -> Any:
    return python_of(value, lambda scope: ClassAd.of(scope.attributes), ExprTree.of)


class ExprTree:
    """An expression of the ClassAd language."""

    __slots__ = ("node",)
    __hash__ = None  # type: ignore[assignment]  # equal ones are written differently, as in classad2

    def __init__(self, expr: str | ExprTree | None = None) -> None:
        self.node: Expression = Literal(UNDEFINED) if expr is None else parse_expression(str(expr))

    @classmethod
    def of(cls, node: Expression) -> ExprTree:
        """Wrap a parsed expression."""
        tree = cls.__new__(cls)
        tree.node = node
        return tree

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExprTree) and same(self.node, other.node)

    def __str__(self) -> str:
        return new_text(self.node)

    __repr__ = __str__

    def eval(self, scope: ClassAd | None = None, target: ClassAd | None = None) -> Any:
        """Compute the expression, in an ad and against another one."""
        return _to_python(compute(self.node, _scopes(scope, target)))

    def simplify(self, scope: ClassAd | None = None, target: ClassAd | None = None) -> ExprTree:
        """Compute the expression, and give the result as an expression."""
        return ExprTree.of(Literal(compute(self.node, _scopes(scope, target))))


class ClassAd(MutableMapping[str, Any]):
    """A record of named expressions.

    Args:
        input: nothing for an empty ad, a str in the new syntax, or a mapping.

    Raises:
        ClassAdException: the text is no ad.
    """

    __slots__ = ("attributes",)

    def __init__(self, input: str | Mapping[str, Any] | None = None) -> None:
        self.attributes: dict[str, tuple[str, Expression]] = {}
        if input is None:
            return
        if isinstance(input, str):
            self.attributes.update(parse_record(input, whole=False)[0].attributes)
        elif isinstance(input, Mapping):
            for name, value in input.items():
                self[name] = value
        else:
            raise TypeError("input must be None, str, or dict")

    @classmethod
    def of(cls, attributes: Attributes) -> ClassAd:
        """Make an ad of entries that are parsed already; they are copied."""
        ad = cls.__new__(cls)
        ad.attributes = dict(attributes)
        return ad

    @property
    def node(self) -> Record:
        """The ad as an expression, as it is now."""
        return Record(dict(self.attributes))

    # --- the mapping ---------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        return _to_python(self._entry(key)[1])

    def __setitem__(self, key: str, value: Any) -> None:
        kind = type(value)
        if kind is int or (kind is str and len(value) <= REMEMBERED):
            lowered, entry = _short_entry(key, value)
        else:
            lowered, entry = _key(key), (key, expression_of(value))
        known = self.attributes.setdefault(lowered, entry)
        if known is not entry:
            self.attributes[lowered] = entry if known[0] == key else (known[0], entry[1])

    def __delitem__(self, key: str) -> None:
        self._entry(key)
        del self.attributes[key.lower()]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self.attributes

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in ordered(self.attributes)])

    def __len__(self) -> int:
        return len(self.attributes)

    def __eq__(self, other: object) -> bool:
        return same(self.node, other.node) if isinstance(other, ClassAd) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a mapping that changes

    def __repr__(self) -> str:
        return new_text(self.node)

    def __str__(self) -> str:
        return pretty_text(self.attributes)

    def __reduce__(self) -> tuple[Any, ...]:
        return (ClassAd, (repr(self),))

    def _entry(self, key: str) -> tuple[str, Expression]:
        entry = self.attributes.get(_key(key))
        if entry is None:
            raise KeyError(key)
        return entry

    # --- the language --------------------------------------------------------------------------

    def lookup(self, attr: str) -> ExprTree:
        """Give the unevaluated expression of an attribute; KeyError if there is none."""
        return ExprTree.of(self._entry(attr)[1])

    def eval(self, attr: str) -> Any:
        """Compute an attribute in this ad; KeyError if there is none."""
        return self.lookup(attr).eval(self)

    def matches(self, ad: ClassAd) -> bool:
        """Tell whether the other ad's requirements are true of this one."""
        if "requirements" not in ad:
            return False
        result = ad.lookup("requirements").eval(scope=ad, target=self)
        return (
            not isinstance(result, Value)
            and isinstance(result, (bool, int, float))
            and bool(result)
        )

    def symmetricMatch(self, ad: ClassAd) -> bool:
        """Tell whether each ad's requirements are true of the other."""
        return self.matches(ad) and ad.matches(self)

    def externalRefs(self, expr: ExprTree) -> list[str]:
        """Name the attributes that an expression needs and this ad lacks."""
        return references(expr.node, self.attributes, inside=False)

    def internalRefs(self, expr: ExprTree) -> list[str]:
        """Name the attributes of this ad that an expression needs."""
        return references(expr.node, self.attributes, inside=True)

    def flatten(self, expr: ExprTree) -> ExprTree:
        """Compute what this ad suffices for, and leave the rest of an expression."""
        return ExprTree.of(flattened(expr.node, self.attributes))

    # --- other texts ---------------------------------------------------------------------------

    def printOld(self) -> str:
        """Write the ad as lines of the old syntax."""
        lines = [f"{attribute_name(name)} = {old_text(n)}" for name, n in ordered(self.attributes)]
        return "\n".join(lines) + "\n"

    def printJson(self) -> str:
        """Write the ad as JSON; expressions are strings `/Expr(…)/`."""
        return json_text(self.attributes)

    formatOld = printOld
    formatJson = printJson


@functools.lru_cache(maxsize=8192)
def _short_entry(key: str, value: int | str) -> tuple[str, tuple[str, Expression]]:
    """Give the lowered name and the entry of an attribute; handlers set the same all the time."""
    return _key(key), (key, expression_of(value))


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError("ClassAd keys are strings")
    return key.lower()
