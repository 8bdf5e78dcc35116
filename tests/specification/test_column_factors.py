"""Columns read as they are give the design matrices that patsy makes of code."""

import numpy as np
import pandas as pd
import patsy
import pytest
from numpy.testing import assert_array_equal

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.column_factors import ColumnFactor, with_columns
from sm_gllamm.specification.evaluation import FormulaEngine


@pytest.fixture
def data():
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=40),
            "x": rng.normal(size=40),
            "word": rng.choice(["ß", "Z", "a", "10", "9"], 40),
            "code": rng.integers(1, 4, 40),
            "share": rng.choice([0.5, 2.0, -1.5], 40),
            "flag": rng.random(40) < 0.5,
            "kind": pd.Categorical(rng.choice(["u", "v"], 40), categories=["v", "unused", "u"]),
        },
        index=np.repeat(np.arange(20), 2),
    )
    frame["thing"] = frame["word"].astype(object)
    frame["mixed"] = pd.Series([1, "a"] * 20, index=frame.index, dtype=object)
    return frame


FORMULAS = [
    "x", "word", "thing", "code", "flag", "kind", "mixed", "C(word)", "C(code)", "C(share)", "C(flag)",
    "C(kind)", "C(mixed)", "0 + word", "word * thing", "word:x", "x + code * kind", "C(code) + code",
    "thing + I(thing == 'a')", "C(word, Sum)", "C(word, levels=['9', '10', 'ß', 'a', 'Z'])",
    "C(C(code))", "np.log(x ** 2) + word", "center(x) + C(code)", "1", "0",
]  # fmt: skip


def as_patsy(data, gaps):
    """The data as patsy can read them, with holes."""
    if gaps:
        data.iloc[3:5, data.columns.get_indexer(["word", "thing", "kind"])] = None
        data.iloc[5, data.columns.get_loc("share")] = np.nan
    return data.astype({"word": object})


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("formula", FORMULAS)
def test_same_as_code(data, formula, gaps):
    reference = as_patsy(data, gaps)
    left, right = patsy.dmatrices("y ~ " + formula, reference, return_type="dataframe")
    found = FormulaEngine("patsy", {"np": np}).evaluate("y ~ " + formula, data)
    pd.testing.assert_frame_equal(found.right, right)
    pd.testing.assert_frame_equal(found.left, left)
    known = right.design_info
    assert found.spec.describe() == known.describe()
    assert found.spec.term_name_slices == known.term_name_slices
    levels = [
        {factor.name(): (info.type, info.categories) for factor, info in spec.factor_infos.items()}
        for spec in (found.spec, known)
    ]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("formula", FORMULAS)
def test_new_data(data, formula):
    engine = FormulaEngine("patsy", {"np": np})
    model = engine.evaluate("y ~ " + formula, data)
    new = data.iloc[7:12]
    expected = model.right.iloc[7:12]
    assert_array_equal(engine.apply(model.spec, formula, new).right, expected)
    # the record is also of use to patsy itself, and so to statsmodels
    by_patsy = patsy.dmatrix(model.spec, new.astype({"word": object}))
    assert_array_equal(by_patsy, expected)


def test_new_data_of_other_types(data):
    engine = FormulaEngine("patsy", {})
    model = engine.evaluate("y ~ word + C(code)", data)
    new = data.iloc[7:9].astype({"word": "category", "code": float})
    assert_array_equal(engine.apply(model.spec, "word + C(code)", new).right, model.right.iloc[7:9])
    with pytest.raises(SpecificationError, match=r"levels of a factor in 'word \+ C\(code\)'"):
        engine.apply(model.spec, "word + C(code)", new.assign(code=7))


def test_only_columns_are_taken_for_columns(data):
    columns = [*data.columns, "class", "None"]

    def taken(formula, environment=None, more=()):
        described = patsy.ModelDesc.from_formula(formula)
        model = with_columns(described, [*columns, *more], environment or {})
        return [type(term.factors[0]) is ColumnFactor for term in model.rhs_termlist[1:]]

    assert taken("x + C(code) + C( word ) + other + I(x) + np.log(x)") == [True] * 3 + [False] * 3
    assert taken("C(code, Sum) + C(C(code)) + C(x + 1) + None") == [False] * 4
    assert taken("C(code) + x", {"C": abs}) == [False, True]
    assert taken("C(code) + C", more=["C"]) == [False, True]


def test_code_that_is_none(data):
    with pytest.raises(SpecificationError, match="'y ~ x code' .* invalid syntax in 'x code'"):
        FormulaEngine("patsy", {}).evaluate("y ~ x code", data)
