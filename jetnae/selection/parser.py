"""From the text of a cut to its tree, by recursive descent; the text is never run as code.

expression = conjunction { "or" conjunction }
conjunction = condition { "and" condition }
condition  = "not" condition | "(" expression ")" | operand [ sign operand [ sign operand ] ]
operand    = number | name | "|" name "|"
sign       = "<" | "<=" | ">" | ">=" | "==" | "!="
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

from jetnae.errors import InputError
from jetnae.selection.syntax import And, Column, Comparison, Flag, Not, Number, Or

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetnae.selection.syntax import Expression, Operand, Sign

MAX_LENGTH = 2000
"""Characters of one cut."""
MAX_DEPTH = 50
"""Parentheses and `not` inside each other."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<number>(?>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_./]))
    |(?P<word>[A-Za-z_][A-Za-z0-9_./]*)
    |(?P<sign><=|>=|==|!=|<|>)
    |(?P<mark>[()|])
    |(?P<other>[A-Za-z0-9_./]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = frozenset({"and", "or", "not"})
_HINTS = {
    "&": "write 'and'",
    "|": "write 'or', bars are for absolute values as in |eta|",
    "!": "write 'not'",
    "~": "write 'not'",
    "=": "write '=='",
    "(": "there are no functions, an absolute value is |eta|",
} | dict.fromkeys("+-*/%^", "there is no arithmetic")


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse(text: str) -> Expression:
    """Read one cut, such as `200 < pt < 400 and |eta| < 2.4`.

    Comparisons bind strongest, then `not`, `and`, `or`. Raises `InputError` of one line with the place of the first
    mistake, and for text of more than `MAX_LENGTH` characters or nested more than `MAX_DEPTH` deep.
    """
    if len(text) > MAX_LENGTH:
        raise InputError(
            f"selection {_shown(text)}: {len(text)} characters, expected at most {MAX_LENGTH}: make several cuts of it"
        )
    return _Parser(text).whole()


class _Parser:
    """One pass over the tokens of a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        found = (_Token(str(m.lastgroup), m.group(), m.start() + 1) for m in _TOKEN.finditer(text))
        self._tokens = [token for token in found if token.kind != "space"]
        self._next = 0
        self._depth = 0

    def whole(self) -> Expression:
        expression = self._expression()
        if self._peek().kind != "end":
            self._fail("a comparison, 'and', 'or' or the end" if self._after_name() else "'and', 'or' or the end")
        return expression

    def _expression(self) -> Expression:
        parts = self._joined("or", self._conjunction)
        return parts[0] if len(parts) == 1 else Or(parts)

    def _conjunction(self) -> Expression:
        parts = self._joined("and", self._condition)
        return parts[0] if len(parts) == 1 else And(parts)

    def _joined(self, word: str, part: Callable[[], Expression]) -> tuple[Expression, ...]:
        parts = [part()]
        while self._took(word):
            parts.append(part())
        return tuple(parts)

    def _condition(self) -> Expression:
        at = self._peek().at
        if self._took("not"):
            return Not(self._deeper(self._condition, at))
        if not self._took("("):
            return self._comparison()
        inside = self._deeper(self._expression, at)
        if not self._took(")"):
            self._fail("a comparison or ')'" if self._after_name() else "'and', 'or' or ')'")
        return inside

    def _deeper(self, part: Callable[[], Expression], at: int) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            problem = f"more than {MAX_DEPTH} parentheses or 'not' inside each other"
            self._refuse(problem, at, ": make several cuts of it")
        inside = part()
        self._depth -= 1
        return inside

    def _comparison(self) -> Expression:
        start = self._peek().at
        operands, signs = [self._operand("a comparison or a name")], list[str]()
        while self._peek().kind == "sign" and len(signs) < 2:
            signs.append(self._take().text)
            operands.append(self._operand("a number or a name"))
        first = operands[0]
        if not signs and isinstance(first, Column) and not first.absolute:
            return Flag(first.name)
        if not signs or self._peek().kind == "sign":
            self._fail("'and' or 'or'" if signs else "one of < <= > >= == !=")
        if len(signs) == 2 and (signs[0][0] != signs[1][0] or signs[0][0] not in "<>"):
            self._refuse(f"'{signs[0]}' and '{signs[1]}' make no range, expected both < or both >,", start)
        if not any(isinstance(operand, Column) for operand in operands):
            self._refuse("compares numbers only, expected the name of a column,", start)
        return Comparison(tuple(operands), tuple(cast("list[Sign]", signs)))

    def _operand(self, expected: str) -> Operand:
        token = self._peek()
        if token.kind == "number":
            return Number(self._number(self._take()))
        if self._took("|"):
            column = Column(self._name("a name"), absolute=True)
            if not self._took("|"):
                self._fail("'|'")
            return column
        return Column(self._name(expected))

    def _name(self, expected: str) -> str:
        token = self._peek()
        if token.kind != "word" or token.text in _WORDS:
            self._fail(expected)
        return self._take().text

    def _number(self, token: _Token) -> int | float:
        if token.text.lstrip("+-").isdigit() and abs(whole := int(token.text)) < 2**64:
            return whole
        value = float(token.text)
        if math.isinf(value):
            self._refuse(f"the number {_shown(token.text)} is too large", token.at)
        return value

    def _peek(self) -> _Token:
        end = _Token("end", "", len(self._text) + 1)
        return self._tokens[self._next] if self._next < len(self._tokens) else end

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _took(self, text: str) -> bool:
        """Step over a word or mark if it comes next."""
        found = self._peek().text == text
        self._next += found
        return found

    def _after_name(self) -> bool:
        last = self._tokens[self._next - 1]
        return self._next > 0 and last.kind == "word" and last.text not in _WORDS

    def _fail(self, expected: str) -> NoReturn:
        """Say what was expected in place of the next token, and what was meant perhaps."""
        token = self._peek()
        after = f" after {_shown(self._tokens[self._next - 1].text)}" if self._next else ""
        found = "the end" if token.kind == "end" else _shown(token.text)
        if not token.text.isascii():
            found += f" (U+{ord(token.text):04X}, only ASCII is understood)"
        hint = self._hint(token)
        self._refuse(f"expected {expected}{after}", token.at, f", found {found}" + (f": {hint}" if hint else ""))

    def _hint(self, token: _Token) -> str:
        after_number = self._next > 0 and self._tokens[self._next - 1].kind == "number"
        if token.text == "(" and not self._after_name():
            return ""
        if token.text == "|" and not (self._after_name() or after_number):
            return ""
        return _HINTS.get(token.text[:1] if token.kind == "number" else token.text, "")

    def _refuse(self, problem: str, at: int, rest: str = "") -> NoReturn:
        raise InputError(f"selection {_shown(self._text)}: {problem} at character {at}{rest}")


def _shown(text: str) -> str:
    """Text as it stands in a message: one line, not too long."""
    return repr(text if len(text) <= 80 else text[:77] + "...")
