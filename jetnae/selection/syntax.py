"""What a cut is made of: a frozen tree of comparisons, with the names it uses and its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sign = Literal["<", "<=", ">", ">=", "==", "!="]


@dataclass(frozen=True)
class Number:
    """A number; whole numbers stay exact, so that event numbers beyond 2^53 can be compared."""

    value: int | float


@dataclass(frozen=True)
class Column:
    """The values of a column, or its absolute values where `absolute` is set."""

    name: str
    absolute: bool = False


Operand = Number | Column


@dataclass(frozen=True)
class Flag:
    """A column of 0 and 1 used as a condition, a trigger decision say."""

    name: str


@dataclass(frozen=True)
class Comparison:
    """Two operands and a sign between them, or three operands and two signs of one direction: a range."""

    operands: tuple[Operand, ...]
    signs: tuple[Sign, ...]


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    part: Expression


@dataclass(frozen=True)
class And:
    """All of two or more conditions."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Or:
    """At least one of two or more conditions."""

    parts: tuple[Expression, ...]


Expression = Flag | Comparison | Not | And | Or


def names(expression: Expression) -> frozenset[str]:
    """The columns a cut uses."""
    match expression:
        case Flag(name):
            return frozenset({name})
        case Comparison(operands):
            return frozenset(operand.name for operand in operands if isinstance(operand, Column))
        case Not(part):
            return names(part)
        case And(parts) | Or(parts):
            return frozenset().union(*(names(part) for part in parts))


def to_text(expression: Expression) -> str:
    """The text of a cut, with no more parentheses than it needs: `parse` makes the same tree of it."""
    match expression:
        case Flag(name):
            return name
        case Comparison(operands, signs):
            rest = (f" {sign} {_operand(operand)}" for sign, operand in zip(signs, operands[1:], strict=True))
            return _operand(operands[0]) + "".join(rest)
        case Not(part):
            return f"not {_inside(part, And, Or)}"
        case And(parts):
            return " and ".join(_inside(part, And, Or) for part in parts)
        case Or(parts):
            return " or ".join(_inside(part, Or) for part in parts)


def _operand(operand: Operand) -> str:
    if isinstance(operand, Number):
        return repr(operand.value)
    return f"|{operand.name}|" if operand.absolute else operand.name


def _inside(part: Expression, *weaker: type) -> str:
    """Text of a part, in parentheses where it binds no stronger than what it stands in."""
    return f"({to_text(part)})" if isinstance(part, weaker) else to_text(part)
