import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.categories import category_codes, nominal_codes

GRADES = ["low", "mid", "high"]


@pytest.mark.parametrize(
    ("values", "order", "codes", "labels"),
    [
        (pd.Categorical(["mid", "low", "high"], GRADES, ordered=True), None, [1, 0, 2], GRADES),
        (["mid", "low", "high"], GRADES, [1, 0, 2], GRADES),
        (pd.Series(["mid", "low", "high"], dtype="category"), GRADES, [1, 0, 2], GRADES),
        (np.array(["mid", "low", "high"], dtype=object), GRADES, [1, 0, 2], GRADES),
        ([30, 10, 20, 10], None, [2, 0, 1, 0], [10, 20, 30]),
        ([3.0, 1.0, 2.0], None, [2, 0, 1], [1, 2, 3]),
        (pd.array([3, 1, 2], dtype="Int64"), None, [2, 0, 1], [1, 2, 3]),
        (pd.Series([3, 1, 2], dtype="category"), None, [2, 0, 1], [1, 2, 3]),
        ([3, 1, 2], [3, 2, 1], [0, 2, 1], [3, 2, 1]),
        ([True, False, True], None, [1, 0, 1], [False, True]),
    ],
)
def test_ordered(values, order, codes, labels):
    result = category_codes(values, order)
    assert_array_equal(result[0], codes)
    assert result[0].dtype == np.intp
    assert list(result[1]) == labels


@pytest.mark.parametrize(
    ("values", "order", "message"),
    [
        (["mid", "low"], None, "of 'grade' have no order, for instance 'mid'; state it"),
        (pd.Categorical(["mid", "low"]), None, "have no order"),
        (["mid", "top"], GRADES, "'grade' is 'top' in row 1, which is not among .* 'high'"),
        (["mid", "low"], GRADES, "No row of 'grade' is in category 'high'"),
        (pd.Categorical(["mid", "low"], GRADES, ordered=True), None, "is in category 'high'"),
        ([1, 2, 4], [1, 2, 3, 4], "is in category 3"),
        ([2, 2], None, "'grade' is 2 in every row"),
        ([1, np.nan], None, "'grade' is missing in row 1"),
        (["low", None], GRADES, "'grade' is missing in row 1"),
        ([1.0, 2.5], None, "'grade' is 2.5 in row 1: a category is"),
        ([1.0, np.inf], None, "'grade' is inf in row 1"),
        (["a", "b"], "ab", "order must be a list"),
        (["a", "b"], ["a", "b", "a"], "order names category 'a' twice"),
        (["a", "b"], ["a", "b", None], "order has a missing category"),
        ([[1, 2]], None, "must be one column"),
        ([], None, "no rows"),
    ],
)
def test_bad_ordered(values, order, message):
    with pytest.raises(SpecificationError, match=message):
        category_codes(values, order, name="grade")


def test_messages_name_rows_as_the_data_do():
    with pytest.raises(SpecificationError, match="is 'top' in row 'second'"):
        category_codes(pd.Series(["low", "top"], index=["first", "second"]), GRADES)


@pytest.mark.parametrize(
    ("values", "base", "codes", "labels"),
    [
        (["c", "a", "b"], None, [2, 0, 1], ["a", "b", "c"]),
        (["c", "a", "b"], "c", [0, 1, 2], ["c", "a", "b"]),
        (pd.Categorical(["c", "a"], ["c", "a"]), None, [0, 1], ["c", "a"]),
        ([3, 1, 2, 1], 2, [2, 1, 0, 1], [2, 1, 3]),
        ([True, False], True, [0, 1], [True, False]),
    ],
)
def test_nominal(values, base, codes, labels):
    result = nominal_codes(values, base)
    assert_array_equal(result[0], codes)
    assert list(result[1]) == labels


@pytest.mark.parametrize(
    ("values", "base", "message"),
    [
        (["a", "b"], "z", "base category 'z' is not among those of 'mode': 'a', 'b'"),
        (["a", 1], None, "of different types, for instance 'a'"),
        (pd.Categorical(["a", "b"], ["a", "b", "c"]), None, "is in category 'c'"),
        (["a", "a"], None, "'mode' is 'a' in every row"),
        (["a", None], None, "missing in row 1"),
        ([0.5, 1.5], None, "'mode' is 0.5 in row 0"),
    ],
)
def test_bad_nominal(values, base, message):
    with pytest.raises(SpecificationError, match=message):
        nominal_codes(values, base, name="mode")
