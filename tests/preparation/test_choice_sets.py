import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.choice_sets import check_choice_sets


def test_sets_of_any_order_and_size():
    sets = np.array(["b", "a", "b", "c", "a", "c", "b"])
    chosen = np.array([0, 1, 0, 0, 0, 1, 1])
    result = check_choice_sets(chosen, sets)
    assert list(result.labels) == ["b", "a", "c"]
    assert_array_equal(result.codes, [0, 1, 0, 2, 1, 2, 0])
    assert_array_equal(result.order, [0, 2, 6, 1, 4, 3, 5])
    assert_array_equal(result.sizes, [3, 2, 2])
    assert_array_equal(result.chosen, chosen == 1)
    assert_array_equal(np.split(sets[result.order], np.cumsum(result.sizes))[0], ["b"] * 3)


def test_sets_by_several_columns():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"house": rng.integers(0, 9, 200), "day": rng.integers(0, 4, 200)})
    frame["chosen"] = ~frame.duplicated(["house", "day"])
    several = check_choice_sets(frame.chosen, frame[["house", "day"]])
    joined = check_choice_sets(frame.chosen, frame.house.astype(str) + "/" + frame.day.astype(str))
    assert_array_equal(several.codes, joined.codes)
    assert [f"{house}/{day}" for house, day in several.labels] == list(joined.labels)
    with pytest.raises(SpecificationError, match=r"choice set \(\d, \d\)"):
        check_choice_sets(np.zeros(200), frame[["house", "day"]])


@pytest.mark.parametrize(
    ("chosen", "sets", "message"),
    [
        ([1, 0, 0, 0], [1, 1, 2, 2], "No alternative of choice set 2 was chosen .* 2 rows"),
        ([1, 0, 1, 1], [1, 1, 2, 2], "2 alternatives of choice set 2 .* rows 2 and 3"),
        ([1, 0, 2, 0], [1, 1, 2, 2], "it is 2 in row 2"),
        ([1, 0, None, 0], [1, 1, 2, 2], "'chosen' is missing in row 2"),
        ([1, 0, 1, 0], [1, 1, 2, None], "'sets' is missing in row 3"),
        ([1, 0, 1, 0], [1, 1, 2], "sets has 3 rows, the response 4"),
        ([1, 1, 1], [1, 2, 3], "Every choice set has one alternative only"),
        ([], [], "no rows"),
        ([1, 0], [[1, 1]], "sets must be one column"),
        ([[1, 0]], [1, 1], "'chosen' must be one column"),
        ([1, 0], pd.DataFrame(index=[0, 1]), "sets has no column"),
    ],
)
def test_errors(chosen, sets, message):
    with pytest.raises(SpecificationError, match=message):
        check_choice_sets(chosen, sets)


def test_messages_name_rows_as_the_data_do():
    chosen = pd.Series([1, 1], index=["first", "second"])
    with pytest.raises(SpecificationError, match="'pick' is 1 in rows 'first' and 'second'"):
        check_choice_sets(chosen, ["s", "s"], name="pick")


def test_single_alternatives_say_nothing():
    with pytest.warns(ModelWarning, match="1 choice set has one alternative only, for instance 2"):
        result = check_choice_sets([1, 0, 1], [1, 1, 2])
    assert_array_equal(result.sizes, [2, 1])
