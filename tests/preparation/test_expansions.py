import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.expansions import category_rows, sequential_rows
from sm_gllamm.preparation.stack_responses import stack_responses


def test_continuation_ratio_probabilities():
    kappa, nu = np.array([-0.5, 0.3, 1.1]), 0.4
    h = 1 / (1 + np.exp(nu - kappa))
    expected = [h[0], (1 - h[0]) * h[1], (1 - h[0]) * (1 - h[1]) * h[2], np.prod(1 - h)]
    rows = sequential_rows(np.arange(4), 4)
    terms = np.where(rows.y == 1, h[rows.stage], 1 - h[rows.stage])
    assert_allclose(np.exp(np.bincount(rows.source, np.log(terms))), expected)
    assert_allclose(sum(expected), 1)


def test_two_categories_are_one_binary_response():
    rows = sequential_rows(np.array([1, 0, 1]), 2)
    assert_array_equal(rows.source, [0, 1, 2])
    assert_array_equal(rows.stage, [0, 0, 0])
    assert_array_equal(rows.y, [0, 1, 0])


def test_adjacent_category_logits():
    kappa, nu = np.array([-0.5, 0.3, 1.1]), 0.4
    rows = category_rows(np.arange(4), 4)
    utility = rows.category * nu - np.concatenate([[0], np.cumsum(kappa)])[rows.category]
    total = np.bincount(rows.source, np.exp(utility))
    probability = np.exp(utility[rows.chosen]) / total
    assert_allclose(np.diff(np.log(probability)), nu - kappa)
    assert_allclose(probability.sum(), 1)


@pytest.mark.parametrize("expansion", [sequential_rows, category_rows])
@pytest.mark.parametrize(
    ("codes", "n_categories", "message"),
    [
        ([0, 3], 3, "must be 0 to 2; the code is 3 in row 1"),
        ([0, -1], 3, "the code is -1 in row 1"),
        ([0, 0.5], 3, "the code is 0.5 in row 1"),
        ([0, np.nan], 3, "missing in row 1"),
        ([0, 0], 1, "at least 2 categories"),
    ],
)
def test_bad_codes(expansion, codes, n_categories, message):
    with pytest.raises(SpecificationError, match=message):
        expansion(codes, n_categories)


@pytest.fixture
def visits():
    return pd.DataFrame(
        {
            "clinic": ["a", "a", "b"],
            "pain": [True, False, True],
            "pills": pd.array([4, None, 2], dtype="Int64"),
            "age": [30, 40, None],
        },
        index=[5, 3, 9],
    )


def test_stacked_responses(visits):
    long = stack_responses(visits, ["pills", "pain"])
    assert list(long.columns) == ["row", "response", "y", "clinic", "age"]
    assert long.row.tolist() == [5, 5, 3, 9, 9]
    assert long.response.tolist() == ["pills", "pain", "pain", "pills", "pain"]
    assert list(long.response.cat.categories) == ["pills", "pain"]
    assert long.y.tolist() == [4, 1, 0, 2, 1]
    assert long.clinic.tolist() == ["a", "a", "a", "b", "b"]
    some = stack_responses(visits, ["pills", "pain"], id_vars=["age"], id="visit")
    assert list(some.columns) == ["visit", "response", "y", "age"]


def test_bad_stacks(visits):
    with pytest.raises(SpecificationError, match="two columns or more"):
        stack_responses(visits, ["pain"])
    with pytest.raises(SpecificationError, match="responses must be a list of columns"):
        stack_responses(visits, "pain")
    with pytest.raises(SpecificationError, match="id_vars must be a list of columns"):
        stack_responses(visits, ["pain", "pills"], "age")
    with pytest.raises(SpecificationError, match="no column 'tea'"):
        stack_responses(visits, ["pain", "tea"])
    with pytest.raises(SpecificationError, match="no column 'tea'"):
        stack_responses(visits, ["pain", "pills"], id_vars=["tea"])
    with pytest.raises(SpecificationError, match="'pain' is named twice"):
        stack_responses(visits, ["pain", "pills"], id_vars=["pain"])
    with pytest.raises(SpecificationError, match="'clinic' is not numeric, for instance 'a'"):
        stack_responses(visits, ["pain", "clinic"])
    with pytest.raises(SpecificationError, match="'pills' is missing in every row"):
        stack_responses(visits.assign(pills=np.nan), ["pain", "pills"])
    with pytest.raises(SpecificationError, match="column 'y' is to be made"):
        stack_responses(visits.assign(y=1), ["pain", "pills"])
    with pytest.raises(SpecificationError, match="column 'row' is to be made.*id="):
        stack_responses(visits.assign(row=1), ["pain", "pills"])
