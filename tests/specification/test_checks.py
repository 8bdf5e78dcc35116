import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.arrays import levels_from_arrays
from sm_gllamm.specification.checks import (
    check_covariates,
    check_exposure,
    check_keywords,
    check_level_weights,
)
from sm_gllamm.specification.random_checks import check_levels
from sm_gllamm.specification.response_checks import check_response

ROWS = pd.Index(["r0", "r1", "r2", "r3"])
GROUPS = np.repeat([0, 1, 2], 4)


@pytest.mark.parametrize(
    ("kind", "endog"),
    [
        ("gaussian", [1.5, -2, 0, 3]),
        ("bernoulli", [0, 1, 1, 0]),
        ("bernoulli", np.array([[True], [False]])),
        ("binomial", [[1, 0], [0, 5], [3, 3]]),
        ("poisson", [0, 3, 1, 2]),
    ],
)
def test_good_responses(kind, endog):
    check_response(np.asarray(endog), kind)


@pytest.mark.parametrize(
    ("kind", "endog", "message"),
    [
        ("gaussian", [2, 2, 2, 2], "'score' is 2 in every row"),
        ("gaussian", [1, np.inf, 2, 3], "missing or infinite in row 'r1'"),
        ("gaussian", [1, np.nan, 2, 3], "missing or infinite in row 'r1'"),
        ("gaussian", [[1, 2]] * 4, "has 2 columns, the gaussian distribution needs 1"),
        ("gaussian", [], "no rows"),
        ("bernoulli", [0, 1, 2, 0], "is 2 in row 'r2'"),
        ("bernoulli", [0, 1, 0.5, 0], "is 0.5 in row 'r2'"),
        ("bernoulli", [1, 1, 1, 1], "is 1 in every row"),
        ("bernoulli", ["no", "yes", "no", "no"], "not numeric, for instance .*'no'"),
        ("binomial", [1, 0, 1, 0], r"needs 2 \(successes, failures\)"),
        ("binomial", [[1, 2], [2, -1], [1, 1], [0, 1]], "'r1': more successes than trials"),
        ("binomial", [[1, 2], [-2, 1], [1, 1], [0, 1]], "negative: successes .* in row 'r1'"),
        ("binomial", [[1, 2], [2, 1.5], [1, 1], [0, 1]], "be integers: failures"),
        ("binomial", [[0, 2], [0, 1], [0, 1], [0, 1]], "no successes in any row"),
        ("poisson", [1, 2, -1, 3], "negative: the response 'score' is -1 in row 'r2'"),
        ("poisson", [1, 2, 0.5, 3], "be integers: the response 'score' is 0.5 in row 'r2'"),
        ("poisson", [0, 0, 0, 0], "0 in every row"),
        ("ordinal", [1, 2, 3, 1], "not known"),
    ],
)
def test_bad_responses(kind, endog, message):
    with pytest.raises(SpecificationError, match=message):
        check_response(np.asarray(endog), kind, "score", ROWS)


def test_constant_counts():
    with pytest.warns(ModelWarning, match="is 3 in every row"):
        check_response(np.full(4, 3), "poisson")


def test_covariates():
    check_covariates(np.ones((4, 2)))
    check_covariates(pd.DataFrame({"a": [1, 2, 3], "b": [True, False, True]}))
    with pytest.raises(SpecificationError, match="exog 'b' is infinite in row 'r1'"):
        check_covariates(pd.DataFrame({"a": [1.0, 2], "b": [1.0, np.inf]}, index=["r0", "r1"]))
    with pytest.raises(SpecificationError, match="exog_re 'b' is missing in row 1; use missing="):
        check_covariates(np.array([[1, 2], [3, np.nan]]), ["a", "b"], role="exog_re")
    with pytest.raises(SpecificationError, match="'column 0' is infinite in row 'r1'"):
        check_covariates(np.array([1, np.inf]), rows=ROWS)
    with pytest.raises(SpecificationError, match="'a' is not numeric, for instance 'x'"):
        check_covariates(pd.DataFrame({"a": pd.Series([1, "x"], dtype=object)}))
    with pytest.raises(SpecificationError, match="not numeric, for instance 'x'"):
        check_covariates(np.array([[1, "x"]], dtype=object))
    with pytest.raises(SpecificationError, match="'column 0' is not numeric, for instance 1j"):
        check_covariates(np.array([1j, 2j]))
    with pytest.raises(SpecificationError, match="'a' is not numeric, for instance Timestamp"):
        check_covariates(pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}))
    with pytest.raises(SpecificationError, match="exog has 2 columns for 2 rows"):
        check_covariates(np.ones((2, 2)))
    with pytest.raises(SpecificationError, match="it has 0 dimensions"):
        check_covariates(None)


def test_keywords():
    check_keywords(["maxiter"], ["maxiter", "tol"], "fit")
    with pytest.raises(
        SpecificationError, match="fit has no argument 'maxitr'; did you mean 'maxit"
    ):
        check_keywords(["maxitr"], ["maxiter", "tol"], "fit")


def test_exposure():
    check_exposure(np.array([1.0, 2.0]), ROWS)
    with pytest.raises(SpecificationError, match="is 0 in row 'r1'"):
        check_exposure(np.array([1.0, 0.0]), ROWS)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"row": [1, -1, 1, 1]}, r"weights\['row'\] is -1 in row 'r1'"),
        ({"row": [1, np.nan, 1, 1]}, "is nan in row 'r1'"),
        ({"row": [1, np.inf, 1, 1]}, "is inf in row 'r1'"),
        ({"row": [0, 0, 0, 0]}, "zero in every row"),
        ({"row": [1, 1]}, "2 entries for 4 rows"),
        ({"s": [1, 2, 3, 3]}, "in s = 'a' it is 1 and 2"),
        ({"t": [1, 1, 1, 1]}, "level 't', which the model does not have; its levels are row, s"),
    ],
)
def test_weights(weights, message):
    levels = levels_from_arrays({"s": ["a", "a", "b", "b"]})
    arrays = {level: np.asarray(values, dtype=float) for level, values in weights.items()}
    with pytest.raises(SpecificationError, match=message):
        check_level_weights(arrays, levels, ROWS, "weights")


def test_good_weights():
    levels = levels_from_arrays({"s": ["a", "a", "b", "b"]})
    weights = {"row": np.array([0.0, 1, 2, 3]), "s": np.array([1.0, 1, 2, 2])}
    check_level_weights(weights, levels, ROWS, "weights")


class TestLevels:
    def test_single_cluster(self):
        with pytest.raises(SpecificationError, match="'group' has a single cluster"):
            check_levels(levels_from_arrays(np.zeros(12)), "poisson")

    def test_all_distinct(self):
        levels = levels_from_arrays(np.arange(12))
        for kind in ("gaussian", "bernoulli"):
            with pytest.raises(SpecificationError, match="'group'.*told from"):
                check_levels(levels, kind)
        for kind in ("poisson", "binomial"):
            check_levels(levels, kind)

    def test_frequency_weights_make_clusters_larger(self):
        levels = levels_from_arrays(np.arange(12))
        check_levels(levels, "bernoulli", row_counts=np.full(12, 2.0))

    def test_too_many_random_effects(self):
        rng = np.random.default_rng(3)
        slopes = np.column_stack([np.ones(12), rng.normal(size=(12, 3))])
        levels = levels_from_arrays(GROUPS, slopes)
        with pytest.raises(SpecificationError, match="12 random effects .4 in each of 3 clusters"):
            check_levels(levels, "gaussian")
        check_levels(levels, "bernoulli")

    def test_slope_without_variation(self):
        constant = np.column_stack([np.ones(12), np.full(12, 2.0)])
        levels = levels_from_arrays(GROUPS, constant)
        with pytest.raises(SpecificationError, match="'x_re2' at level 'group'.*2 in every row"):
            check_levels(levels, "poisson")
        zero = pd.DataFrame({"z": np.zeros(12)})
        with pytest.raises(SpecificationError, match="'z' .*0 in every row"):
            check_levels(levels_from_arrays(GROUPS, zero), "poisson")

    def test_slope_constant_within_clusters(self):
        columns = pd.DataFrame({"const": 1.0, "size": GROUPS + 1.0})
        levels = levels_from_arrays(GROUPS, columns)
        with pytest.warns(ModelWarning, match="'size' at level 'group'.*within any cluster"):
            check_levels(levels, "poisson")

    def test_collinear_slopes(self):
        x = np.arange(12.0)
        columns = pd.DataFrame({"const": 1.0, "x": x, "z": 2 * x - 1})
        with pytest.raises(
            SpecificationError, match="collinear: 'z' is a linear comb.*'const', 'x'"
        ):
            check_levels(levels_from_arrays(GROUPS, columns), "poisson")

    def test_good_levels(self):
        columns = np.column_stack([np.ones(12), np.tile(np.arange(4.0), 3)])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for kind in ("gaussian", "bernoulli", "binomial", "poisson"):
                check_levels(levels_from_arrays(GROUPS, columns), kind)
