import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.arrays import (
    align_inputs,
    levels_for_new_arrays,
    levels_from_arrays,
    missing_rows,
    take_rows,
)

SCHOOL = ["v", "u", "v", "u", "v", "u"]
KLASS = [1, 1, 2, 2, 1, 1]
X = np.arange(6.0)


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        (SCHOOL, "group"),
        (np.array(SCHOOL), "group"),
        (np.array(SCHOOL)[:, None], "group"),
        (pd.Series(SCHOOL), "group"),
        (pd.Series(SCHOOL, name="school"), "school"),
        (pd.Series(SCHOOL, name="school", dtype="category"), "school"),
        (pd.Categorical(SCHOOL), "group"),
        (pd.Index(SCHOOL, name="school"), "school"),
        (pd.DataFrame({"school": SCHOOL}), "school"),
        ({"school": SCHOOL}, "school"),
    ],
)
def test_one_level(groups, name):
    (level,) = levels_from_arrays(groups, nobs=6)
    assert level.name == name
    assert level.codes.tolist() == [1, 0, 1, 0, 1, 0]
    assert level.labels.tolist() == ["u", "v"]
    assert level.names == ("Intercept",)
    assert_array_equal(level.columns, np.ones((6, 1)))
    (new,) = levels_for_new_arrays([level], ["v", "w", None])
    assert new.codes.tolist() == [1, -1, -1]
    assert_array_equal(new.columns, np.ones((3, 1)))


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        (pd.DataFrame({"s": SCHOOL, "k": KLASS}), ["s:k", "s"]),
        ({"s": SCHOOL, "k": KLASS}, ["s:k", "s"]),
        (np.column_stack([[2, 1, 2, 1, 2, 1], KLASS]), ["group1:group2", "group1"]),
        (
            np.array(list(zip(SCHOOL, KLASS, strict=True)), dtype=object),
            ["group1:group2", "group1"],
        ),
    ],
)
def test_nested_levels(groups, names):
    levels = levels_from_arrays(groups)
    assert [level.name for level in levels] == names
    bottom, top = levels
    assert top.codes.tolist() == [1, 0, 1, 0, 1, 0]
    assert bottom.codes.tolist() == [2, 0, 3, 1, 2, 0]
    new = levels_for_new_arrays(levels, take_rows(groups, np.array([2, 1])))
    assert [level.codes.tolist() for level in new] == [[3, 0], [1, 0]]


def test_columns_and_their_names():
    x = np.column_stack([np.ones(6), X])
    (level,) = levels_from_arrays(SCHOOL, x)
    assert level.names == ("Intercept", "x_re2")
    assert level.terms[0].structure == "unstructured"
    (level,) = levels_from_arrays(SCHOOL, X, covariance="diagonal")
    assert level.names == ("x_re1",)
    frame = pd.DataFrame({"const": 1, "age": X})
    (level,) = levels_from_arrays(SCHOOL, frame, covariance="diagonal")
    assert level.names == ("const", "age")
    assert level.terms[0].structure == "diagonal"
    assert level.columns.dtype == np.float64
    (new,) = levels_for_new_arrays([level], ["u"], frame[["age", "const"]].iloc[[3]])
    assert_array_equal(new.columns, [[1.0, 3.0]])
    (level,) = levels_from_arrays(SCHOOL, pd.Series(X, name="age"))
    assert level.names == ("age",)


def test_columns_by_level():
    groups = {"s": SCHOOL, "k": KLASS}
    x = np.column_stack([np.ones(6), X])
    levels = levels_from_arrays(groups, {"s": x}, covariance={"s": "diagonal"})
    assert levels[0].names == ("Intercept",)
    assert levels[1].names == ("Intercept", "x_re2")
    assert levels[1].terms[0].structure == "diagonal"
    new = levels_for_new_arrays(levels, None, {"s": x[:2]})
    assert [level.codes.tolist() for level in new] == [[-1, -1], [-1, -1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": None}, "needs labels"),
        ({"groups": "school"}, "only from_formula"),
        ({"groups": {}}, "empty dict"),
        ({"groups": []}, "no rows"),
        ({"groups": np.zeros((2, 2, 2))}, "one or two dimensions"),
        ({"groups": SCHOOL, "nobs": 7}, "has 6 rows where the response has 7"),
        ({"groups": {"s": SCHOOL, "k": KLASS[:5]}}, r"groups\['k'\] has 5 rows"),
        ({"groups": ["a", None, "b"]}, "'group' is missing in rows 1"),
        ({"groups": [1.0, np.nan, 2.0]}, "'group' is missing in rows 1"),
        ({"groups": SCHOOL, "exog_re": X[:4]}, "exog_re of level 'group' has 4 rows"),
        ({"groups": SCHOOL, "exog_re": np.zeros((6, 0))}, "at least one column"),
        ({"groups": SCHOOL, "exog_re": SCHOOL}, "not numeric"),
        ({"groups": SCHOOL, "exog_re": [1, np.nan, 3, 4, 5, 6]}, "'x_re1'.*in row 1"),
        ({"groups": SCHOOL, "exog_re": {"grup": X}}, "did you mean 'group'"),
        ({"groups": {"s": SCHOOL, "k": KLASS}, "exog_re": X}, "must be a dict"),
        ({"groups": SCHOOL, "covariance": "full"}, "covariance 'full'"),
        ({"groups": SCHOOL, "covariance": {"g": "equal"}}, "covariance names level 'g'"),
        (
            {"groups": SCHOOL, "exog_re": pd.DataFrame(np.ones((6, 2)), columns=["a", "a"])},
            "two columns of one name",
        ),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(SpecificationError, match=message):
        levels_from_arrays(**arguments)


def test_missing_labels_by_row_label():
    with pytest.raises(SpecificationError, match="in rows 'r1'"):
        levels_from_arrays(["a", None, "b"], rows=pd.Index(["r0", "r1", "r2"]))


def test_errors_for_new_rows():
    levels = levels_from_arrays(SCHOOL, np.column_stack([np.ones(6), X]))
    with pytest.raises(SpecificationError, match="exog_re is missing for level 'group'"):
        levels_for_new_arrays(levels, ["u"])
    with pytest.raises(SpecificationError, match="has 1 columns, the model has 2"):
        levels_for_new_arrays(levels, ["u"], [[1.0]])
    with pytest.raises(SpecificationError, match="groups has 2 columns, the model has 1 levels"):
        levels_for_new_arrays(levels, {"a": ["u"], "b": [1]})
    with pytest.raises(SpecificationError, match="number of new rows"):
        levels_for_new_arrays(levels)


def test_missing_rows_over_all_inputs():
    mask = missing_rows(
        6,
        endog=np.array([1, np.nan, 1, 1, 1, 1]),
        exog=np.array([[1, 1]] * 5 + [[1, np.nan]]),
        groups=pd.DataFrame({"s": ["a", "b", None, "a", "b", "c"], "k": KLASS}),
        exog_re=None,
        weights={"row": [1, 1, 1, None, 1, 1]},
        labels=["a", "b", "c", "d", "e", "f"],
        category=pd.Categorical(["a"] * 6),
    )
    assert mask.tolist() == [False, True, True, True, False, True]
    with pytest.raises(SpecificationError, match="offset has 2 rows"):
        missing_rows(6, offset=[1, 2])


def test_take_rows_keeps_types():
    keep = np.array([True, False, True, False, False, False])
    for value in (np.array(SCHOOL), pd.Series(SCHOOL), pd.Categorical(SCHOOL), pd.Index(SCHOOL)):
        taken = take_rows(value, keep)
        assert type(taken) is type(value)
        assert list(taken) == ["v", "v"]
    assert take_rows(pd.DataFrame({"s": SCHOOL}), keep).index.tolist() == [0, 2]
    assert list(take_rows(SCHOOL, keep)) == ["v", "v"]
    assert take_rows(None, keep) is None
    assert list(take_rows({"a": SCHOOL}, keep)["a"]) == ["v", "v"]


def test_align_inputs():
    index = pd.Index(["c", "a", "b"])
    series = pd.Series([1, 2, 3], index=["a", "b", "c"])
    aligned = align_inputs(index, 3, offset=series, groups={"s": series}, weights=None, x=[1, 2, 3])
    assert aligned["offset"].tolist() == [3, 1, 2]
    assert aligned["groups"]["s"].tolist() == [3, 1, 2]
    assert aligned["weights"] is None
    assert aligned["x"] == [1, 2, 3]
    assert align_inputs(None, 3, offset=series)["offset"] is series
    with pytest.raises(SpecificationError, match=r"groups\['s'\] has row labels"):
        align_inputs(index, 3, groups={"s": series.reset_index(drop=True)})
    with pytest.raises(SpecificationError, match="offset has 2 entries"):
        align_inputs(index, 3, offset=[1, 2])
