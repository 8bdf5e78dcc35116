"""Lavaan model syntax: what the parser reads, and errors that point at the place."""

import textwrap

import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.lavaan_syntax import parse


def terms(text):
    return [str(term) for term in parse(text).terms]


def modifiers(text):
    """Kind and value of each modifier of each term, lists of groups as tuples."""
    return [
        [tuple((one.kind, one.value) for one in several) for several in term.modifiers]
        for term in parse(text).terms
    ]


def test_operators():
    found = terms("f =~ x1 + x2; y ~ f + z\ny ~~ z; y ~ 1; u | t1 + t2; u ~*~ u; w ~ 1 + f:z")
    assert found == [
        "f =~ x1",
        "f =~ x2",
        "y ~ f",
        "y ~ z",
        "y ~~ z",
        "y ~ 1",
        "u | t1",
        "u | t2",
        "u ~*~ u",
        "w ~ 1",
        "w ~ f:z",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "y ~ x + z",
        "y ~ x + # the first\n   z",
        "y ~ x ! the first\n + z",
        "y\n~\nx\n\n\n+ z",
        "y ~\n\n# nothing\n  x +\n  z\n",
        "\n\ty~x+z;",
        "'y' ~ `x` + \"z\"",
    ],
)
def test_layout(text):
    assert terms(text) == ["y ~ x", "y ~ z"]


def test_quoted_names_may_hold_anything():
    assert terms("'my y' ~ \"a+b # c\"") == ["my y ~ a+b # c"]


def test_several_left_sides():
    assert terms("y1 + y2 ~ x + z") == ["y1 ~ x", "y1 ~ z", "y2 ~ x", "y2 ~ z"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("y ~ 0.5*x", ("fixed", 0.5)),
        ("y ~ -1e-2*x", ("fixed", -0.01)),
        ("y ~ (1 + 2)/4*x", ("fixed", 0.75)),
        ("y ~ 2^-1*x", ("fixed", 0.5)),
        ("y ~ sqrt(4)*x", ("fixed", 2.0)),
        ("y ~ NA*x", ("free", None)),
        ("y ~ a.b*x", ("label", "a.b")),
        ("y ~ 'a b'*x", ("label", "a b")),
        ('y ~ label("a")*x', ("label", "a")),
        ("y ~ start(.5)*x", ("start", 0.5)),
        ("y ~ equal('f=~x')*x", ("equal", "f=~x")),
        ("y ~ rv('s')*x", ("rv", "s")),
        ("y ~ a*1", ("label", "a")),
        ("y ~ 0", ("fixed", 0.0)),
    ],
)
def test_modifiers(text, expected):
    assert modifiers(text) == [[(expected,)]]


def test_modifiers_of_groups():
    expected = (("label", "a"), ("fixed", -1.0), ("free", None))
    assert modifiers("y ~ c(a, -1, NA)*x") == [[expected]]
    assert modifiers("y ~ start(c(1, NA))*x") == [[(("start", 1.0), ("start", None))]]
    assert modifiers("y ~ label(c('a', \"b\"))*x") == [[(("label", "a"), ("label", "b"))]]


def test_several_modifiers():
    expected = [[(("label", "a"),), (("start", 0.5),)]]
    assert modifiers("y ~ a*start(.5)*x") == expected
    assert modifiers("y ~ a*x + start(.5)*x") == [expected[0][:1], expected[0][1:]]


def test_blocks():
    blocks = parse("group: a\nlevel: 1\ny~x\nlevel: 2\ny~~y\nGroup: b;Level:1;y~x\nlevel: 2\ny~~y")
    assert [(block.group, block.level) for block in blocks.blocks] == [
        ("a", "1"),
        ("a", "2"),
        ("b", "1"),
        ("b", "2"),
    ]
    assert [term.block for term in blocks.terms] == [0, 1, 2, 3]


def test_a_block_goes_on():
    syntax = parse("level: pupil\ny ~ x\nlevel: school\ny ~ w\nlevel: pupil\nz ~ x")
    assert [term.block for term in syntax.terms] == [0, 1, 0]


def test_a_variable_may_be_called_level():
    assert terms("level ~ group\ngroup ~~ level") == ["level ~ group", "group ~~ level"]


def test_relations():
    found = parse("y ~ a*x\nd := a ^ 2 -  # squared\n 1; a == d/2\na < 1\n a >= 0").relations
    assert [str(relation) for relation in found] == ["d := a^2-1", "a == d/2", "a < 1", "a > 0"]


@pytest.mark.parametrize(
    "text, line, column, message",
    [
        ("f =~ x1\nf =~ x2 + + x3", 2, 11, "expected a variable, found '+'"),
        ("y ~ x +", 1, 8, "expected a variable, found the end of the text"),
        ("y ~ x +; z ~ x", 1, 8, "expected a variable, found the end of the line"),
        ("y ~ x z", 1, 7, "expected '+' or the end of the statement, found 'z'"),
        ("y ~ x\nx1 x2", 2, 4, "expected one of the operators"),
        ("y", 1, 2, "expected one of the operators"),
        ("~ x", 1, 1, "expected a variable"),
        ("y = x", 1, 3, "'=' is no operator"),
        ("y ~ x ~ z", 1, 7, "a second operator"),
        ("a == b == c\ny ~ x", 1, 8, "a second operator"),
        ("f <~ x1 + x2", 1, 3, "formative"),
        ("y %~% x", 1, 3, "means nothing here"),
        ("y ~ a?x", 1, 6, "means nothing here"),
        ("y ~ (x", 1, 5, "never closed"),
        ("y ~ a*start(.5*x\nz ~ x", 1, 12, "never closed"),
        ("y ~ x)", 1, 6, "never opened"),
        ("y ~ 'x", 1, 5, "quotation mark"),
        ("y ~ 2x", 1, 5, "cannot begin with a digit"),
        ("y ~ foo(2)*x", 1, 5, "no modifier 'foo()'"),
        ("y ~ log(x)", 1, 5, "column of the data"),
        ("y ~ -x", 1, 5, "column of the data"),
        ("y ~ x - z", 1, 7, "joined by '+'"),
        ("y ~ x:z:w", 1, 8, "products of three"),
        ("y ~~ x:z", 1, 6, "right of '~' only"),
        ("x:z ~ y", 1, 1, "a block begins with 'group:' or 'level:'"),
        ("2*x ~ y", 1, 1, "expected a variable"),
        ("a*x ~ y", 1, 2, "right of an operator"),
        ("y ~ 2*a*x", 1, 9, "a number times something else"),
        ("y ~ (2*a)*x", 1, 5, "statement of their own"),
        ("y ~ start(a)*x", 1, 11, "takes numbers"),
        ("y ~ label(2)*x", 1, 11, "takes names"),
        ("y ~ start()*x", 1, 11, "expected a number"),
        ("y ~ NA", 1, 5, "expected a variable"),
        ("f =~ x + 1", 1, 10, "expected a variable"),
        ("y ~ 2", 1, 5, "expected a variable"),
        ("y ~ a*0", 1, 7, "expected a variable or 1"),
        ("f =~ f + x", 1, 6, "cannot measure itself"),
        ("y ~ x + y", 1, 9, "cannot be regressed on itself"),
        ("y ~ x:y", 1, 5, "cannot be regressed on itself"),
        ("y ~*~ x", 1, 7, "same variable on both sides"),
        ("u | low", 1, 5, "t1, t2"),
        ("y ~ x\ny ~ x", 2, 5, "given twice"),
        ("y ~ x + x", 1, 9, "given twice"),
        ("y ~~ x\nx ~~ y", 2, 6, "given twice"),
        ("a*b := c\ny ~ x", 1, 1, "name of a new parameter"),
        ("y ~ a*x\nb := foo(a)", 2, 6, "no function 'foo'"),
        ("y ~ a*x\nb := sqr(a)", 2, 6, "did you mean 'sqrt'"),
        ("y ~ a*x\nb := log(a, 2)", 2, 11, "one argument"),
        ("y ~ a*x\nb := a + ", 2, 9, "expected a number"),
        ("y ~ x\nlevel: 1\ny ~ x", 1, 5, "above the first block"),
        ("level: 1\nlevel: 2\ny ~ x", 1, 1, "no formulas"),
        ("level: 1\ny ~ x\nlevel: 2", 3, 1, "no formulas"),
        ("group: a\ngroup: b\ny ~ x", 1, 1, "no formulas"),
        ("level: \ny ~ x", 2, 3, "expected"),
        ("class: 1\ny ~ x", 1, 1, "not with 'class:'"),
        ("level: 1\ny ~ x\ngroup: a\ny ~ x", 1, 1, "levels stand within groups"),
        ("group: a\nlevel: 1\ny~x\ngroup: b\nlevel: 2\ny~x", 5, 1, "the same levels"),
        ("group: a\ny~x\nlevel: 1\ny~x", 1, 1, "within and outside of levels"),
    ],
)
def test_errors_point_at_the_place(text, line, column, message):
    with pytest.raises(SpecificationError) as caught:
        parse(text)
    first, shown, caret = str(caught.value).split("\n")
    assert first.startswith(f"line {line}, column {column}: ")
    assert message in first
    assert shown == f"    {text.split(chr(10))[line - 1].rstrip()}"
    assert caret.index("^") == 4 + column - 1


def test_the_caret_stands_below_tabs():
    with pytest.raises(SpecificationError) as caught:
        parse("y ~ x\n\tf =~ x1 +\t+ x2")
    assert str(caught.value).split("\n")[2] == "    \t         \t^"


@pytest.mark.parametrize("text", ["", "  \n # nothing\n", "a == 1"])
def test_models_without_formulas(text):
    with pytest.raises(SpecificationError, match="the model is empty"):
        parse(text)


def test_a_model_is_a_string():
    with pytest.raises(SpecificationError, match="not a list"):
        parse(["y ~ x"])


def test_places_of_variables():
    text = textwrap.dedent("""
        f =~ x1 + x2
        y ~ f + f:z""")
    syntax = parse(text)
    for name in ("f", "x2", "y", "z"):
        assert syntax.place_of(name) == text.index({"z": "f:z"}.get(name, name))
    assert syntax.place_of("nobody") == 0
