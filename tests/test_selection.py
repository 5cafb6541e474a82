"""The language of cuts: what is written is what is meant, and what is not understood is refused."""

from __future__ import annotations

import operator
from typing import Any

import awkward as ak
import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.selection import Expression, evaluate, names, parse, to_text
from jetnae.selection.parser import MAX_DEPTH
from jetnae.selection.syntax import And, Column, Comparison, Flag, Not, Number, Or

SIGNS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
PT, ETA = Column("pt"), Column("eta")


def random_expression(rng: np.random.Generator, depth: int) -> Expression:
    """A tree over the columns of `random_columns`, of every kind of node."""
    kind = rng.integers(6) if depth else rng.integers(3)
    if kind == 0:
        return Flag(str(rng.choice(["HLT_Jet", "is/good.one"])))
    if kind == 1:
        return Comparison((random_column(rng), random_number(rng)), (rng.choice(list(SIGNS)),))
    if kind == 2:
        signs = rng.choice([["<", "<="], [">", ">="]][rng.integers(2)], 2)
        return Comparison((random_number(rng), random_column(rng), random_column(rng)), tuple(signs))
    if kind == 3:
        return Not(random_expression(rng, depth - 1))
    parts = tuple(random_expression(rng, depth - 1) for _ in range(rng.integers(2, 4)))
    return And(parts) if kind == 4 else Or(parts)


def random_number(rng: np.random.Generator) -> Number:
    choices = [int(rng.integers(-3, 4)), float(rng.normal()), float(rng.normal() * 1e-30), -1.5e17]
    return Number(choices[rng.integers(len(choices))])


def random_column(rng: np.random.Generator) -> Column:
    return Column(str(rng.choice(["pt", "eta", "n"])), absolute=bool(rng.integers(2)))


def random_columns(rng: np.random.Generator, n: int, nan: float = 0.0) -> dict[str, np.ndarray]:
    """Columns of several kinds; a share `nan` of the floating-point ones is NaN."""
    columns = {
        "pt": rng.normal(size=n),
        "eta": rng.integers(-2, 3, n).astype(np.float32),
        "n": rng.integers(-3, 4, n),
        "HLT_Jet": rng.random(n) < 0.5,
        "is/good.one": (rng.random(n) < 0.5).astype(np.float64),
    }
    for name in ("pt", "eta", "is/good.one"):
        columns[name][rng.random(n) < nan] = np.nan
    return columns


def holds(node: Expression, row: dict[str, Any]) -> bool | None:
    """Whether one entry meets a condition; None where it is undefined. Written for reading, one entry at a time."""
    match node:
        case Flag(name):
            return None if np.isnan(row[name]) else bool(row[name])
        case Comparison(operands, signs):
            values = [float(o.value) if isinstance(o, Number) else float(row[o.name]) for o in operands]
            values = [
                abs(v) if isinstance(o, Column) and o.absolute else v for o, v in zip(operands, values, strict=True)
            ]
            return both(
                None if np.isnan([a, b]).any() else SIGNS[s](a, b)
                for s, a, b in zip(signs, values, values[1:], strict=False)
            )
        case Not(part):
            inside = holds(part, row)
            return None if inside is None else not inside
        case And(parts):
            return both(holds(part, row) for part in parts)
        case Or(parts):
            answers = [holds(part, row) for part in parts]
            return True if True in answers else None if None in answers else False


def both(answers: Any) -> bool | None:
    answers = list(answers)
    return False if False in answers else None if None in answers else True


def in_numpy(node: Expression, columns: dict[str, np.ndarray]) -> np.ndarray:
    """The mask of a condition on columns without NaN, by NumPy's own operators."""
    match node:
        case Flag(name):
            return columns[name].astype(bool)
        case Comparison(operands, signs):
            values = [o.value if isinstance(o, Number) else columns[o.name] for o in operands]
            values = [
                np.abs(v) if isinstance(o, Column) and o.absolute else v for o, v in zip(operands, values, strict=True)
            ]
            pairs = zip(signs, values, values[1:], strict=False)
            return np.logical_and.reduce([SIGNS[s](a, b) for s, a, b in pairs])
        case Not(part):
            return ~in_numpy(part, columns)
        case And(parts):
            return np.logical_and.reduce([in_numpy(part, columns) for part in parts])
        case Or(parts):
            return np.logical_or.reduce([in_numpy(part, columns) for part in parts])


def fully_parenthesized(node: Expression) -> str:
    """Text that needs no rule of precedence."""
    match node:
        case Not(part):
            return f"(not ({fully_parenthesized(part)}))"
        case And(parts) | Or(parts):
            word = " and " if isinstance(node, And) else " or "
            return f"({word.join(f'({fully_parenthesized(part)})' for part in parts)})"
        case _:
            return to_text(node)


@pytest.mark.parametrize("seed", range(10))
def test_the_text_of_a_cut_gives_the_same_cut_and_the_same_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = random_columns(rng, 200)
    for _ in range(50):
        expression = random_expression(rng, depth=3)
        again = parse(to_text(expression))
        assert again == expression
        np.testing.assert_array_equal(evaluate(again, columns), in_numpy(expression, columns))


@pytest.mark.parametrize("seed", range(10))
def test_precedence_is_that_of_the_parentheses_it_saves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(50):
        expression = random_expression(rng, depth=2)
        assert parse(fully_parenthesized(expression)) == expression


@pytest.mark.parametrize("seed", range(5))
def test_undefined_values_follow_the_three_valued_tables(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = random_columns(rng, 60, nan=0.3)
    rows = [{name: column[i] for name, column in columns.items()} for i in range(60)]
    for _ in range(20):
        expression = random_expression(rng, depth=3)
        assert evaluate(expression, columns).tolist() == [holds(expression, row) is True for row in rows]


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("HLT_PFJet500", Flag("HLT_PFJet500")),
        ("pt>4e2", Comparison((PT, Number(400.0)), (">",))),
        ("-.5 <= eta", Comparison((Number(-0.5), ETA), ("<=",))),
        ("200 < pt < 400", Comparison((Number(200), PT, Number(400)), ("<", "<"))),
        ("| eta | < +2.", Comparison((Column("eta", absolute=True), Number(2.0)), ("<",))),
        ("Jet/Jet.PT != pt", Comparison((Column("Jet/Jet.PT"), PT), ("!=",))),
        ("a or b and not c", Or((Flag("a"), And((Flag("b"), Not(Flag("c"))))))),
        ("(a or b) and c", And((Or((Flag("a"), Flag("b"))), Flag("c")))),
        ("not pt > 4 and a", And((Not(Comparison((PT, Number(4)), (">",))), Flag("a")))),
        ("not not (((a)))", Not(Not(Flag("a")))),
        ("android or notable", Or((Flag("android"), Flag("notable")))),
        ("a\n and\tb", And((Flag("a"), Flag("b")))),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, tree: Expression) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize("seed", range(5))
def test_de_morgan_and_ranges_hold_where_values_are_undefined_too(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = random_columns(rng, 500, nan=0.2)
    a, b = (fully_parenthesized(random_expression(rng, depth=2)) for _ in range(2))
    same = {
        f"not (({a}) and ({b}))": f"not ({a}) or not ({b})",
        f"not (({a}) or ({b}))": f"not ({a}) and not ({b})",
        "|pt| < 0.7": "-0.7 < pt < 0.7",
        "|eta| >= 1": "not -1 < eta < 1",
        "not pt > 0.5": "pt <= 0.5",
        "-1 <= pt < 1": "pt >= -1 and 1 > pt",
        "pt == eta": "not pt != eta",
    }
    for left, right in same.items():
        np.testing.assert_array_equal(evaluate(parse(left), columns), evaluate(parse(right), columns))


@pytest.mark.parametrize("sign", SIGNS)
def test_nan_passes_no_comparison_and_no_opposite_of_one(sign: str) -> None:
    columns = {"pt": np.array([np.nan, np.nan]), "good": np.array([True, False])}
    for text in (f"pt {sign} 3", f"3 {sign} |pt|", f"not pt {sign} 3", f"pt {sign} pt", "pt", "not pt"):
        assert not evaluate(parse(text), columns).any()
    assert evaluate(parse(f"pt {sign} 3 or good"), columns).tolist() == [True, False]


def test_missing_values_are_as_undefined_as_nan() -> None:
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    columns = {"masked": masked, "missing": ak.Array([1, None, 3])}
    for name in columns:
        assert evaluate(parse(f"{name} > 1"), columns).tolist() == [False, False, True]
        assert evaluate(parse(f"not {name} > 1"), columns).tolist() == [True, False, False]


def test_whole_numbers_are_compared_exactly_and_floats_in_double_precision() -> None:
    columns = {
        "event": np.array([2**63 + 1, 2**63 + 2], dtype=np.uint64),
        "lowest": np.array([-(2**63), 0]),
        "mass": np.array([0.1, 0.2], dtype=np.float32),
        "bit": np.array([True, False]),
    }
    expected = {
        f"event == {2**63 + 1}": [True, False],
        "event > -1": [True, True],
        "|lowest| < 5": [False, True],
        "lowest < event": [True, True],
        "mass > 0.1": [True, True],  # the nearest float32 lies above 0.1
        "mass < 1e300": [True, True],
        "bit == 1": [True, False],
        f"bit < {2**64 - 1}": [True, True],
    }
    for text, mask in expected.items():
        assert evaluate(parse(text), columns).tolist() == mask, text


def test_the_names_are_those_of_the_columns() -> None:
    text = "a or not (|b| < 3 and 1 < c <= d) and andy"
    assert names(parse(text)) == {"a", "b", "c", "d", "andy"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pt >> 400", r"selection 'pt >> 400': expected a number or a name after '>' at character 5, found '>'"),
        ("", "expected a comparison or a name at character 1, found the end"),
        ("pt > 3 & eta < 2", "at character 8, found '&': write 'and'"),
        ("pt > 3 || a", r"at character 8, found '\|': write 'or', bars are for absolute values"),
        ("a | b", "write 'or'"),
        ("!a", "found '!': write 'not'"),
        ("pt = 3", "write '=='"),
        ("abs(eta) < 2", r"there are no functions, an absolute value is \|eta\|"),
        ("pt - 5 > 3", "there is no arithmetic"),
        ("pt -5 > 3", "there is no arithmetic"),
        ("200 < pt > 100", "make no range"),
        ("pt == eta == 3", "make no range"),
        ("1 < pt < 2 < 3", "expected 'and' or 'or' after '2' at character 12, found '<'"),
        ("1 < 2", "expected the name of a column"),
        ("|eta|", "expected one of < <= > >= == !="),
        ("|eta < 3", r"expected '\|' after 'eta'"),
        ("|-3| < eta", r"expected a name after '\|'"),
        ("(pt > 3", r"expected 'and', 'or' or '\)' after '3' at character 8, found the end"),
        ("pt > 3)", r"found '\)'"),
        ("pt > 200GeV", "found '200GeV'"),
        ("pt > 1_000", "found '1_000'"),
        ("pt > 1e999", "too large"),
        ("pt > " + "9" * 1990, "too large"),
        ("pt > and", "found 'and'"),
        ("not", "found the end"),
        ("pt > 3 AND a", "found 'AND'"),
    ],
)
def test_a_mistake_is_shown_in_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse(text)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "__import__('os').system('true') > 1",
        "pt.__class__()",
        "().__class__",
        "lambda: 0",
        "pt > 3; pt",
        "pt[0] > 1",
        "{pt} > 1",
        "'pt' > 1",
        "pt if a else b",
        "рt > 3",  # the first letter is Cyrillic
        "pt > ３",  # a full-width digit
        "pt\u00a0> 3",
        "pt ≥ 3",
        "\ud800 > 3",
        "pt\x00 > 3",
        "pt >\n\n> 3",
        "(" * 10_000 + "a" + ")" * 10_000,
        "(" * 900,
        "not " * 400 + "a",
        "a and " * 1_000_000 + "a",
        "1" * 1999 + "x",
    ],
)
def test_hostile_text_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 600


def test_names_are_only_looked_up_and_never_followed() -> None:
    with pytest.raises(InputError, match=r"no column 'pt\.__class__', similar names are"):
        evaluate(parse("pt.__class__ == 1"), {"pt": np.ones(2), "pt_class": np.ones(2)})


def test_nesting_is_understood_up_to_its_bound() -> None:
    deepest = "(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH
    assert parse(deepest) == Flag("a")
    with pytest.raises(InputError, match=f"more than {MAX_DEPTH} parentheses .* at character {MAX_DEPTH + 1}"):
        parse(f"({deepest})")
    assert parse(f"{deepest} and {deepest}") == And((Flag("a"), Flag("a")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PT > 3", "no column 'PT', similar names are pt; `jetnae inspect FILE`"),
        ("Electron > 3", "no column 'Electron'; `jetnae inspect FILE`"),
        ("lists > 3", "`lists` holds several numbers per entry"),
        ("table > 3", "`table` holds several numbers per entry"),
        ("text > 3", "`text` holds <U1, expected one number per entry"),
        ("texts > 3", "`texts` holds"),
        ("records > 3", "`records` holds"),
        ("pt", "`pt` has values such as 2, not only 0 and 1"),
        ("pt > short", "columns of different length, 3 of `pt`, 2 of `short`"),
    ],
)
def test_columns_that_cannot_be_cut_on_are_named(text: str, message: str) -> None:
    columns = {
        "pt": np.array([0.0, 1.0, 2.0]),
        "lists": ak.Array([[1], [], [2, 3]]),
        "table": np.ones((3, 2)),
        "text": np.array(["a", "b", "c"]),
        "texts": ak.Array(["a", "b", "c"]),
        "records": ak.Array([{"x": 1}, {"x": 2}, {"x": 3}]),
        "short": np.ones(2),
    }
    with pytest.raises(InputError, match=message):
        evaluate(parse(text), columns)
