"""Parameter tables of lavaan syntax, against those of lavaan itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.lavaan_table import lavaan_table

REFERENCE = json.loads(
    (Path(__file__).parent.parent / "reference" / "lavaan_tables.json").read_text(encoding="utf-8")
)
COLUMNS = REFERENCE["columns"]


def our_options(case):
    """lavaan's options under the names of `lavaan_table`."""
    options = {name.replace(".", "_"): value for name, value in case["options"].items()}
    if case["style"] == "growth":
        options.setdefault("meanstructure", True)
    options.setdefault("meanstructure", False)
    if number := options.pop("ngroups", None):
        if "group:" not in case["model"]:
            options["groups"] = range(1, number + 1)
    return options


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda case: case["id"])
def test_lavaans_table(case):
    table = lavaan_table(case["model"], style=case["style"], **our_options(case))
    frame = table.frame()
    found = [tuple(row) for row in frame[COLUMNS].itertuples(index=False)]
    expected = [tuple(row) for row in case["rows"]]
    index = COLUMNS.index("ustart")
    starts = np.array([row[index] for row in expected], dtype=float)
    np.testing.assert_allclose(frame["ustart"], starts, rtol=1e-14)
    drop = [tuple(v for i, v in enumerate(row) if i != index) for row in found]
    assert drop == [tuple(v for i, v in enumerate(row) if i != index) for row in expected]
    assert frame["id"].tolist() == list(range(1, len(expected) + 1))
    labels = [f".p{row.id}." if row.block else "" for row in frame.itertuples()]
    assert frame["plabel"].tolist() == labels


def rows(text, *ops, **options):
    """Parameters of some operators: value if fixed, "free", or "given" for moments of covariates."""
    return {
        f"{row.lhs}{row.op}{row.rhs}" + f"@{row.block}" * (row.block > 1): "free"
        if row.free
        else "given"
        if row.exo
        else row.rv or row.ustart
        for row in lavaan_table(text, **options).rows
        if row.block and (not ops or row.op in ops)
    }


def test_group_blocks_free_the_means_as_repeated_models_do():
    # lavaan 0.6-14 leaves the means of the second block at zero
    one = "f =~ x1 + x2 + x3"
    equal = {"group_equal": ["loadings", "intercepts"], "std_lv": True}
    written = lavaan_table(f"group: 1\n{one}\ngroup: 2\n{one}", **equal)
    assert written.rows == lavaan_table(one, groups=["a", "b"], **equal).rows


def test_groups_are_named():
    text = "group: a\ny ~ x\ngroup: b\ny ~ x + z"
    assert lavaan_table(text).groups == ("a", "b")
    assert lavaan_table(text, groups=["b", "a"]).groups == ("a", "b")
    assert lavaan_table(
        text.replace("a\n", "1\n").replace("b\n", "2\n"), groups=["u", "v"]
    ).groups == (
        "u",
        "v",
    )
    assert lavaan_table("y ~ x", groups=[3, 5]).groups == ("3", "5")


def test_levels_of_each_group():
    one = "level: 1\ny ~ x\nlevel: school\ny ~ w"
    both = lavaan_table(one, groups=["a", "b"], group_equal="regressions")
    written = lavaan_table(f"group: a\n{one}\ngroup: b\n{one}", group_equal="regressions")
    assert both.rows == written.rows
    assert both.levels == ("1", "school")
    assert [(row.block, row.group, row.level) for row in both.rows if row.op == "~"] == [
        (1, 1, 1),
        (2, 1, 2),
        (3, 2, 1),
        (4, 2, 2),
    ]


def test_exceptions_to_equality_have_no_direction():
    table = lavaan_table(
        "x1 ~~ x2\nx1 ~~ x3",
        groups=[1, 2],
        group_equal="residual.covariances",
        group_partial=["x2 ~~ x1"],
    )
    labels = {f"{r.lhs}{r.op}{r.rhs}": r.label for r in table.rows if r.user == 1 and r.group == 2}
    assert labels == {"x1~~x2": "", "x1~~x3": ".p2."}


def test_mixed_modifiers_of_groups():
    table = lavaan_table("f =~ x1 + c(a, NA)*x2 + c(b, 0.5)*x3", groups=[1, 2])
    found = [(r.rhs, r.label, r.free > 0) for r in table.rows if r.op == "=~"]
    assert found[1:3] == [("x2", "a", True), ("x3", "b", True)]
    assert found[4:] == [("x2", "", True), ("x3", "", False)]


def test_equal_finds_labelled_parameters():
    table = lavaan_table("f =~ x1 + a*x2 + equal('f =~ x2')*x3 + equal('f=~x1')*x4")
    assert table.distinct[:2].tolist() == [0, 0]
    assert rows("f =~ x1 + a*x2 + equal('f=~x1')*x4", "=~")["f=~x4"] == 1.0
    assert ("==", ".p2.", ".p3.") in [(row.op, row.lhs, row.rhs) for row in table.rows]


def test_equal_finds_covariances_of_either_direction():
    table = lavaan_table("x1 ~~ x2\nx3 ~~ equal('x2~~x1')*x4")
    assert table.distinct[:2].tolist() == [0, 0]


def test_products_with_latent_variables_are_no_variables():
    text = "f =~ x1 + x2\ng =~ y1 + y2\nh =~ z1 + z2\nh ~ f + g + f:g + f:f + f:x"
    table = lavaan_table(text, meanstructure=True)
    assert table.roles[0].products == ("f:g", "f:f", "f:x")
    assert [row.rhs for row in table.rows if ":" in row.lhs + row.rhs] == ["f:g", "f:f", "f:x"]
    assert not [row for row in table.rows if row.rhs == "x"]


def test_ordered_variables():
    found = rows("f =~ u + y", ordered={"u": 2}, residual_variance={"u": np.pi**2 / 3})
    assert found == {
        "f=~u": 1.0,
        "f=~y": "free",
        "u|t1": "free",
        "u|t2": "free",
        "u~~u": np.pi**2 / 3,
        "y~~y": "free",
        "f~~f": "free",
        "u~1": 0.0,
        "y~1": "free",
        "f~1": 0.0,
    }


def test_ordered_covariates_stay_covariates():
    assert rows("y ~ u", ordered={"u": 2}) == {"y~u": "free", "y~~y": "free", "u~~u": "given"}
    random = rows("y ~ u + 1", ordered={"u": 2}, fixed_x=False)
    assert random["u~1"] == random["u~~u"] == "free"


def test_counts_have_no_residual_variance():
    found = rows(
        "f =~ count + y\nother ~ x\ncount ~ x", residual_variance={"count": None, "other": None}
    )
    assert "count~~count" not in found and "other~~other" not in found
    assert found["count~1"] == found["y~~y"] == "free"


def test_responses_of_two_levels():
    text = "level: 1\nf =~ u + y + count\nlevel: 2\nf =~ u + y + count"
    found = rows(text, "~~", "|", "~1", ordered={"u": 2}, residual_variance={"count": None})
    assert found == {
        "u~~u": 1.0,
        "y~~y": "free",
        "f~~f": "free",
        "u~1": 0.0,
        "y~1": 0.0,
        "count~1": 0.0,
        "f~1": 0.0,
        "u|t1@2": "free",
        "u|t2@2": "free",
        "u~~u@2": 0.0,
        "y~~y@2": "free",
        "count~~count@2": 0.0,
        "f~~f@2": "free",
        "u~1@2": 0.0,
        "y~1@2": "free",
        "count~1@2": "free",
        "f~1@2": 0.0,
    }
    written = rows(text + "\nu ~~ u", "~~", ordered={"u": 2}, residual_variance={"count": None})
    assert written["u~~u@2"] == "free" and written["count~~count@2"] == 0.0
    moved = rows(text.replace("level: 2", "u | t1\nlevel: 2"), "|", ordered={"u": 2})
    assert moved == {"u|t1": "free", "u|t2": "free"}


def test_growth_of_two_levels_has_one_set_of_means():
    growth = "i =~ 1*t1 + 1*t2\ns =~ 0*t1 + 1*t2"
    found = rows(f"level: 1\n{growth}\nlevel: 2\n{growth}", "~1", style="growth")
    assert [name for name, value in found.items() if value == "free"] == ["i~1@2", "s~1@2"]


def test_random_coefficients():
    # as lavaan 0.6-14, but for its row "s =~ s"
    found = rows("level: 1\ny ~ rv('s')*x + z\nlevel: 2\ny ~ w\ns ~ w\ns ~~ y")
    assert found == {
        "y~x": "s",
        "y~z": "free",
        "y~~y": "free",
        "x~~x": "given",
        "x~~z": "given",
        "z~~z": "given",
        "y~1": 0.0,
        "x~1": "given",
        "z~1": "given",
        "y~w@2": "free",
        "s~w@2": "free",
        "s~~y@2": "free",
        "y~~y@2": "free",
        "s~~s@2": "free",
        "w~~w@2": "given",
        "y~1@2": "free",
        "w~1@2": "given",
        "s~1@2": "free",
    }


def test_random_loadings():
    table = lavaan_table("level: 1\nf =~ y1 + rv(l)*y2\nlevel: 2\nfb =~ y1 + y2", std_lv=True)
    found = {f"{r.lhs}{r.op}{r.rhs}": r.free > 0 for r in table.rows if r.block == 2}
    assert found["l~~l"] and found["l~1"] and not found["fb~~fb"] and "fb~~l" not in found
    assert table.roles[1].coefficients == ("l",)


def test_random_coefficients_of_the_third_level():
    text = "level: 1\ny ~ rv(s)*x\nlevel: 2\ny ~~ y\nlevel: 3\ny ~~ y{}"
    assert "s~~s@2" in rows(text.format(""))
    assert "s~~s@3" in rows(text.format(" + s"))


def test_latent_variables_of_higher_levels_predict():
    text = "level: 1\nf =~ y1 + y2\nf ~ x + g + g:x\nlevel: 2\ng =~ y1 + y2"
    table = lavaan_table(text, columns=["y1", "y2", "x"])
    assert table.roles[0].higher == ("g",)
    assert table.roles[0].covariates == ("x",)
    named = [row for row in table.rows if row.block == 1 and "g" in (row.lhs, row.rhs)]
    assert [(row.lhs, row.op, row.rhs) for row in named] == [("f", "~", "g")]


def test_means_by_default():
    assert not [row for row in lavaan_table("y ~ x").rows if row.op == "~1"]
    for text, options in [
        ("y ~ x + 1", {}),
        ("y ~ x\nz ~ 1", {"meanstructure": False}),
        ("y ~ x", {"groups": [1, 2]}),
        ("level: 1\ny ~ x\nlevel: 2\ny ~~ y", {}),
        ("y ~ x", {"residual_variance": {"y": None}}),
        ("y ~ x\nu | t1", {}),
    ]:
        assert [r for r in lavaan_table(text, **options).rows if (r.op, r.lhs) == ("~1", "y")]


def test_switches():
    text = "f =~ x1 + x2\ng =~ y1 + y2"
    assert rows(text, "=~", auto_fix_first=False)["f=~x1"] == "free"
    assert rows(text, "=~", std_lv=True, auto_fix_first=True)["f=~x1"] == 1.0
    assert "f~~g" not in rows(text, auto_cov_lv_x=False)


def test_names_of_parameters():
    table = lavaan_table("y ~ a*x + equal('y~x')*z", groups=["u", "v"])
    assert table.names == (
        *("a", "y~z", "y~~y", "y~1"),
        *("a", "y~z.g2", "y~~y.g2", "y~1.g2"),
    )
    assert table.distinct.tolist() == [0, 0, 1, 2, 0, 0, 3, 4]
    two = lavaan_table("level: 1\ny ~ x\nlevel: 2\ny ~ w")
    assert two.names == ("y~x", "y~~y", "y~w.l2", "y~~y.l2", "y~1.l2")


def test_evaluate():
    table = lavaan_table(
        "m ~ a*x + 2*z + k*z\ny ~ b*m + a*x\nab := a*b*k\ntotal := ab + exp(a)\n"
        "a == b^2; a < 3*b; total > 1 - .p3."
    )
    assert table.defined == ("ab", "total")
    rng = np.random.default_rng(4)
    params = rng.normal(size=(5, table.n_free))
    a, b = params[:, 0], params[:, 1]
    expected = {
        ":=": [a * b * 2, a * b * 2 + np.exp(a)],
        "==": [a - b**2],
        "<": [3 * b - a, 2 * a * b + np.exp(a) - (1 - b)],
    }
    for op, columns in expected.items():
        values, jacobian = table.evaluate(params, op)
        np.testing.assert_allclose(values, np.stack(columns, axis=-1))
        for k in range(table.n_free):
            step = 1e-6 * np.eye(table.n_free)[k]
            above, below = (table.evaluate(params + sign * step, op)[0] for sign in (1, -1))
            np.testing.assert_allclose(jacobian[..., k], (above - below) / 2e-6, atol=1e-7)
        single = table.evaluate(params[2], op)
        np.testing.assert_allclose(single[0], values[2])
        np.testing.assert_allclose(single[1], jacobian[2])


def test_evaluate_without_relations():
    values, jacobian = lavaan_table("y ~ x").evaluate(np.zeros((4, 2)), ":=")
    assert values.shape == (4, 0) and jacobian.shape == (4, 0, 2)


@pytest.mark.parametrize(
    "params, op, message",
    [([1.0], ":=", "2 free parameters"), (1.0, ":=", "2 free"), ([1.0, 2.0], "~", "op must be")],
)
def test_evaluate_refuses(params, op, message):
    with pytest.raises(SpecificationError, match=message):
        lavaan_table("y ~ x").evaluate(params, op)


@pytest.mark.parametrize(
    "text, line, column, message",
    [
        ("y ~ a*x\nb := a*q", 2, 8, "no parameter is labelled 'q'"),
        ("y ~ alpha*x\nb := alfa*2", 2, 6, "did you mean 'alpha'"),
        ("y ~ x\nb == 2", 2, 1, "the model has no labels"),
        ("y ~ a*x\nb := c + 1\nc := a", 2, 6, "move its definition up"),
        ("y ~ a*x\na := 2", 2, 1, "label of another parameter"),
        ("y ~ a*x\nb := a\nb := 2*a", 3, 1, "label of another parameter"),
        ("y ~ b*x\nb == 1\nb == 2", 3, 1, "contradicts"),
        ("y ~ a*x + b*z\na == 2*b\nc := a - b\nb == 1\nc > 3", 5, 1, "contradicts"),
        ("y ~ a*x + b*z\na > b\nb > a + 1", 3, 1, "contradicts"),
        ("y ~ a*x + 1*x + b*z\na + b == 3\nb < 1", 3, 1, "contradicts"),
        ("y ~ 2*x + a*x\na == 3", 2, 1, "contradicts"),
        ("y ~ 2*x + a*x + a*z + 3*z", 1, 19, "label 'a' has two values, 2 and 3"),
        ("y ~ 1*x + 2*x", 1, 11, "contradicts another modifier"),
        ("y ~ 1*x + NA*x", 1, 11, "contradicts another modifier"),
        ("y ~ NA*x + 1*x", 1, 12, "contradicts another modifier"),
        ("y ~ a*x + b*x", 1, 11, "contradicts another modifier"),
        ("y ~ 1*x + start(2)*x", 1, 17, "contradicts another modifier"),
        ("y ~ start(2)*x + 1*x", 1, 18, "contradicts another modifier"),
        ("level: 1\ny ~ a*x + rv(s)*x\nlevel: 2\ny~~y", 2, 14, "contradicts another modifier"),
        ("y ~ .p1.*x", 1, 5, "belong to the table"),
        ("y ~ c(a, b)*x", 1, 7, "2 modifiers for 1 group"),
        ("group: a\ny ~ c(a, b)*x\ngroup: b\ny ~ x", 2, 7, "2 modifiers for 1 group"),
        ("y ~ equal('y~q')*x + z", 1, 18, "did you mean"),
        ("y ~ rv('s')*x", 1, 8, "a level above"),
        ("level: 1\ny ~~ rv(s)*x\nlevel: 2\ny~~y", 2, 9, "belongs to '=~' and '~'"),
        ("level: 1\nf ~~ g\nf ~ g\nf =~ y\nlevel: 2\ng =~ y", 2, 6, "stands right of '~' only"),
        ("u | 2*t1 + 1*t2", 1, 14, "thresholds increase"),
    ],
)
def test_errors_point_at_the_place(text, line, column, message):
    with pytest.raises(SpecificationError) as caught:
        lavaan_table(text)
    first, shown, caret = str(caught.value).split("\n")
    assert first.startswith(f"line {line}, column {column}: ")
    assert message in first
    assert shown.strip() == text.split("\n")[line - 1].strip()
    assert caret.index("^") == 4 + column - 1


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("f =~ age1 + x2\nf ~ age", {"columns": ["age1", "x2"]}, "'age' is neither.*did you mean"),
        ("f =~ x1 + x2\nf ~ f:q", {"columns": ["x1", "x2"]}, "cannot be regressed on itself"),
        (
            "f =~ x1 + x2\ng ~ f",
            {"columns": ["x1", "x2"]},
            r"(?s)line 2, column 1: 'g'.*g ~ f\n    \^",
        ),
        ("y ~ x:z", {"columns": ["x", "y"]}, "'z' is neither"),
        ("f =~ x", {"columns": ["x", "f"]}, "has the name of a column"),
        ("u | t3", {"ordered": {"u": 2}}, "u' has 3 categories, therefore thresholds t1 to t2"),
        ("c ~~ x", {"residual_variance": {"c": None}}, "no residual variance"),
        ("y ~ x", {"groups": []}, "groups is empty"),
        (
            "group: a\ny ~ x\ngroup: b\ny ~ x",
            {"groups": ["a", "c"]},
            "line 3, column 1: there is no",
        ),
        ("group: a\ny ~ x", {"groups": ["a", "b"]}, "no block 'group: b'"),
        ("y ~ x", {"groups": [1, 2], "group_equal": ["loading"]}, "did you mean 'loadings'"),
        ("y ~ x", {"groups": [1, 2], "group_partial": "y ~ z"}, "the model has no 'y ~ z'"),
        ("y ~ c(a,b,c)*x", {"groups": [1, 2]}, "3 modifiers for 2 groups"),
        (
            "f =~ x1 + c(1, 2)*x2",
            {"groups": [1, 2], "group_equal": "loadings"},
            "line 1, column 19: 'f=~x2' is fixed at values that differ",
        ),
        ("y ~ x", {"style": "semm"}, "did you mean 'sem'"),
        ("y ~ x", {"auto_foo": True}, "no option 'auto_foo'"),
        ("y ~ x", {"ordered": {"y": 2}, "std_lv": True, "std_ov": True}, "no option 'std_ov'"),
    ],
)
def test_wrong_options(text, options, message):
    with pytest.raises(SpecificationError, match=message):
        lavaan_table(text, **options)
