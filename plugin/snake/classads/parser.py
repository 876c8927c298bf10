"""Tokens -> expressions: a Pratt parser of the ClassAd language.

Decides precedence and what is a whole expression or ad. Depth is limited, so that a hostile text
ends in an error and not in a crash of the interpreter.
"""

from __future__ import annotations

from plugin.snake.classads.lexer import Allowance, Token, integer_of, tokens, unescaped
from plugin.snake.classads.nodes import (
    Binary,
    Call,
    Choice,
    Expression,
    ListOf,
    Literal,
    Record,
    Reference,
    Unary,
)
from plugin.snake.classads.times import absolute_of
from plugin.snake.classads.values import ERROR, INTEGER_MAX, UNDEFINED, ClassAdException

MAX_DEPTH = 60
"""Nesting that is still read: of parentheses, lists, ads and arguments together."""

_LEVELS = (
    ("||",), ("&&",), ("|",), ("^",), ("&",),
    ("==", "!=", "is", "isnt", "=?=", "=!="),
    ("<", "<=", ">", ">="), ("<<", ">>", ">>>"), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip
_POWER = {operator: level for level, row in enumerate(_LEVELS, 2) for operator in row}
_SYNONYMS = {"=?=": "is", "=!=": "isnt"}
_CHOICE, _PREFIX = 1, 20
_CONSTANTS = {"true": True, "false": False, "undefined": UNDEFINED, "error": ERROR}


def parse_expression(text: str, allowance: Allowance | None = None) -> Expression:
    """Read a whole text as one expression in the new syntax.

    Args:
        text: the expression.
        allowance: the words that may be read, if not `MAX_TOKENS`.

    Raises:
        ClassAdException: with the place where the text stopped making sense.
    """
    parser = _Parser(text, allowance=allowance)
    result = parser.expression(0)
    parser.finish()
    return result


def parse_record(text: str, start: int = 0, whole: bool = True) -> tuple[Record, int]:
    """Read an ad in the new syntax.

    Args:
        text: `[ name = expression; … ]`.
        start: where in it to begin.
        whole: nothing but white space may follow.

    Returns:
        the ad, and where the text goes on behind it.
    """
    parser = _Parser(text, start)
    parser.expect("[")
    record = parser.record()
    if whole:
        parser.finish()
    return record, parser.behind


class _Parser:
    def __init__(self, text: str, start: int = 0, allowance: Allowance | None = None) -> None:
        self._tokens = tokens(text, start, allowance)
        # only as far as it was looked at: what stands behind an ad is the next one's
        self._ahead: list[Token] = []
        self._depth = 0
        self.behind = start

    def _peek(self, distance: int = 0) -> Token:
        while len(self._ahead) <= distance:
            self._ahead.append(next(self._tokens))
        return self._ahead[distance]

    def _take(self) -> Token:
        token = self._ahead.pop(0) if self._ahead else next(self._tokens)
        self.behind = token.end
        return token

    def _fail(self, token: Token, wanted: str) -> ClassAdException:
        what = repr(token.text) if token.text else "the end"
        return ClassAdException(f"{wanted} wanted at character {token.start}, not {what}")

    def _maybe(self, operator: str) -> bool:
        if self._peek().kind == "operator" and self._peek().text == operator:
            self._take()
            return True
        return False

    def expect(self, operator: str) -> None:
        if not self._maybe(operator):
            raise self._fail(self._peek(), repr(operator))

    def finish(self) -> None:
        if self._peek().kind != "end":
            raise self._fail(self._peek(), "an operator or the end")

    # --- infix ---------------------------------------------------------------------------------

    def expression(self, power: int) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ClassAdException(f"nested deeper than {MAX_DEPTH}")
        result = self._infix(power)
        self._depth -= 1
        return result

    def _infix(self, power: int) -> Expression:
        left = self._prefix()
        while (binding := self._binding()) > power:
            operator = self._take().text.lower()
            if binding == _CHOICE:
                left = self._choice(left)
            else:
                operator = _SYNONYMS.get(operator, operator)
                left = Binary(operator, left, self.expression(binding))
        return left

    def _binding(self) -> int:
        token = self._peek()
        if token.kind == "operator" and token.text == "?":
            return _CHOICE
        if token.kind == "operator" or token.kind == "name":
            return _POWER.get(token.text.lower(), 0)
        return 0

    def _choice(self, condition: Expression) -> Expression:
        then = self.expression(0)
        self.expect(":")
        return Choice(condition, then, self.expression(0))

    # --- prefix and what can follow an operand -------------------------------------------------

    def _prefix(self) -> Expression:
        token = self._peek()
        if token.kind == "operator" and token.text in "-+!~":
            self._take()
            negative = self._negative_number(token)
            if negative is not None:
                return self._postfix(negative)
            return Unary(token.text, self.expression(_PREFIX))
        return self._postfix(self._primary())

    def _negative_number(self, sign: Token) -> Expression | None:
        follower = self._peek()
        if sign.text != "-" or follower.start != sign.end:
            return None
        if follower.kind == "real":
            return Literal(-float(self._take().text))
        if follower.kind == "integer":
            return Literal(-integer_of(self._take().text))
        return None

    def _postfix(self, operand: Expression) -> Expression:
        while True:
            if self._maybe("."):
                operand = Reference(self._attribute(), operand)
            elif self._maybe("["):
                operand = Binary("[", operand, self.expression(0))
                self.expect("]")
            elif self._maybe_default():
                operand = Choice(operand, None, self._default())
            else:
                return operand

    def _maybe_default(self) -> bool:
        """`?:`, which binds like a subscript; the two signs may stand apart."""
        if self._peek().text == "?" and self._peek(1).text == ":":
            self._take()
            self._take()
            return True
        return self._maybe("?:")

    def _default(self) -> Expression:
        sign = self._peek()
        if sign.text != "-":
            return self._postfix(self._primary())
        self._take()
        negative = self._negative_number(sign)
        if negative is None:
            raise self._fail(sign, "an operand without a sign")
        return negative

    def _attribute(self) -> str:
        token = self._take()
        if token.kind == "name":
            return token.text
        if token.kind == "quoted":
            return unescaped(token.text[1:-1])
        raise self._fail(token, "an attribute's name")

    # --- operands ------------------------------------------------------------------------------

    def _primary(self) -> Expression:
        token = self._take()
        if token.kind == "name":
            return self._named(token)
        if token.kind == "operator":
            return self._bracketed(token)
        if token.kind == "quoted":
            return Reference(unescaped(token.text[1:-1]))
        return Literal(self._constant(token))

    def _constant(self, token: Token) -> object:
        if token.kind == "integer":
            number = integer_of(token.text)
            if number > INTEGER_MAX:
                raise ClassAdException(f"the integer {token.text} does not fit 64 bits")
            return number
        if token.kind == "real":
            return float(token.text)
        if token.kind == "string":
            return self._strings(token)
        raise self._fail(token, "an operand")

    def _strings(self, token: Token) -> str:
        """String literals side by side are one."""
        text = unescaped(token.text[1:-1])
        while self._peek().kind == "string":
            text += unescaped(self._take().text[1:-1])
        return text

    def _named(self, token: Token) -> Expression:
        if self._maybe("("):
            return _folded(token.text, self._sequence(")"))
        constant = _CONSTANTS.get(token.text.lower())
        if constant is not None:
            return Literal(constant)
        return Reference(token.text)

    def _bracketed(self, token: Token) -> Expression:
        if token.text == "(":
            inner = self.expression(0)
            self.expect(")")
            return Unary("(", inner)
        if token.text == "{":
            return ListOf(self._sequence("}"))
        if token.text == "[":
            return self.record()
        if token.text == ".":
            return Reference(self._attribute(), None, True)
        raise self._fail(token, "an operand")

    def _sequence(self, closing: str) -> tuple[Expression, ...]:
        items: list[Expression] = []
        while not self._maybe(closing):
            if items:
                self.expect(",")
            items.append(self.expression(0))
        return tuple(items)

    def record(self) -> Record:
        attributes: dict[str, tuple[str, Expression]] = {}
        while not self._maybe("]"):
            if self._maybe(";"):
                continue
            name = self._attribute()
            self.expect("=")
            written = attributes.get(name.lower(), (name, None))[0]
            attributes[name.lower()] = (written, self.expression(0))
            if self._peek().text != "]":
                self.expect(";")
        return Record(attributes)


def _folded(name: str, arguments: tuple[Expression, ...]) -> Expression:
    """A moment written out is a constant, not a call: `absTime("2020-01-01T00:00:00Z")`."""
    if name.lower() == "abstime" and len(arguments) == 1 and isinstance(arguments[0], Literal):
        written = arguments[0].value
        moment = absolute_of(written) if type(written) is str else None
        if moment is not None:
            return Literal(moment)
    return Call(name, arguments)
