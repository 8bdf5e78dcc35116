import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.formula import Bar, parse


@pytest.mark.parametrize(
    ("formula", "fixed", "bars"),
    [
        ("y ~ x", "y ~ x", []),
        ("y ~ x + (1 | g)", "y ~ x", [Bar("1", ("g",))]),
        ("y~(1+x|g)", "y ~ 1", [Bar("1+x", ("g",))]),
        ("y ~ 0 + x + (0 + x | g)", "y ~ 0 + x", [Bar("0 + x", ("g",))]),
        ("y ~ (x || g) - 1", "y ~ -1", [Bar("x", ("g",), False)]),
        ("y ~ -1 + x + (1 | g)", "y ~ -1 + x", [Bar("1", ("g",))]),
        ("y ~ (1 | g) + x + -1", "y ~ x - 1", [Bar("1", ("g",))]),
        ("y ~ (1 | a/b)", "y ~ 1", [Bar("1", ("a",)), Bar("1", ("a", "b"))]),
        ("y ~ (1 | a) + (1 | a:b)", "y ~ 1", [Bar("1", ("a",)), Bar("1", ("a", "b"))]),
        (
            "y ~ (x || a/b/c)",
            "y ~ 1",
            [Bar("x", ("a", "b", "c")[:i], False) for i in (1, 2, 3)],
        ),
        ("y ~ (1 | a:b/c)", "y ~ 1", [Bar("1", ("a", "b")), Bar("1", ("a", "b", "c"))]),
        ("y ~ x*(a + b) + (1 | g)", "y ~ x*(a + b)", [Bar("1", ("g",))]),
        ("y ~ (x + (1 | g))", "y ~ (x)", [Bar("1", ("g",))]),
        ("y ~ ((1 | g))", "y ~ 1", [Bar("1", ("g",))]),
        ("y ~\n  x\n  + (1 | g)", "y ~ x", [Bar("1", ("g",))]),
        ("s + f ~ x + (1 | g)", "s + f ~ x", [Bar("1", ("g",))]),
        ("y ~ (1 + np.log(x) | school.id)", "y ~ 1", [Bar("1 + np.log(x)", ("school.id",))]),
        ("y ~ (1 | `a b`/Q('c/d'))", "y ~ 1", [Bar("1", ("a b",)), Bar("1", ("a b", "c/d"))]),
        ("y ~ (1 + I((x > 0)|(z > 0)) | g)", "y ~ 1", [Bar("1 + I((x > 0)|(z > 0))", ("g",))]),
    ],
)
def test_bars_are_taken_out(formula, fixed, bars):
    parsed = parse(formula)
    assert parsed.fixed == fixed
    assert list(parsed.bars) == bars


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ I((x>0)|(z>0))",
        "y ~ f(x | z) + g((a)|(b))",
        'y ~ Q("a|b")',
        "y ~ `a|b`",
        "y ~ {x | z}",
        "y ~ x[a | b]",
    ],
)
def test_bars_of_the_formula_library_are_left_alone(formula):
    parsed = parse(formula)
    assert parsed.fixed == formula
    assert parsed.bars == ()


def test_name_of_nested_factor():
    assert [bar.name for bar in parse("y ~ (1 | school/klass)").bars] == ["school", "school:klass"]


@pytest.mark.parametrize(
    ("formula", "message", "position"),
    [
        ("y ~ x + (1 | g", "never closed", 9),
        ("y ~ x)", "closes nothing", 6),
        ("y ~ (x]", "closes nothing", 7),
        ("y ~ 'a", "quotation mark", 5),
        ("y ~ ( | g)", "nothing before", 7),
        ("y ~ (1 | )", "no grouping factor", 8),
        ("y ~ (1 |)", "no grouping factor", 8),
        ("y ~ x (1 | g)", "by '\\+'", 5),
        ("y ~ x*(1 | g)", "by '\\+'", 5),
        ("y ~ x + 1 | g", "in parentheses", 11),
        ("y ~ (1 | a | b)", "one '\\|'", 12),
        ("y ~ (1 | a*b)", "not a column name", 10),
        ("y ~ (1 | 2)", "not a column name", 10),
        ("y ~ (1 | a/)", "column name is missing", 12),
        ("y ~ (1 | a/a)", "'a' twice", 10),
        ("y ~ (1 | a) + ", "Nothing follows", 13),
        ("y ~ x - (1 | g)", "cannot be subtracted", 9),
        ("y ~ ((a | b) | g)", "inside another", 9),
        ("y ~ (y ~ x | g)", "no '~'", 8),
        ("(1 | g) ~ x", "before '~'", 4),
        ("y + x", "lacks '~'", 1),
        ("~ x", "lacks a response", 1),
        ("y ~ x ~ z", "one '~'", 7),
    ],
)
def test_errors_point_at_the_position(formula, message, position):
    with pytest.raises(SpecificationError, match=message) as caught:
        parse(formula)
    text = str(caught.value)
    assert f"position {position} " in text
    assert text.splitlines()[-1].index("^") == position + 3


def test_same_term_twice():
    with pytest.raises(SpecificationError, match=r"\(1 \+ x \| g\) is given twice"):
        parse("y ~ (1+x | g) + (1 + x | g)")


def test_not_a_string():
    with pytest.raises(SpecificationError, match="must be a string"):
        parse(None)
