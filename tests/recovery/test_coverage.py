"""Simulate, fit, and see whether intervals and tests do what they promise.

Run with ``make study``. Bounds are three binomial standard errors around the nominal level.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import sm_gllamm.formula.api as smgf

pytestmark = pytest.mark.study

REPLICATIONS = 1000
LEVEL = 0.95


def binomial_bounds(probability, trials):
    """Return the range that a share of `trials` leaves once in 370 times."""
    margin = 3 * np.sqrt(probability * (1 - probability) / trials)
    return probability - margin, probability + margin


def logit_intercept(rng):
    """60 clusters of 12 rows, standard deviation 1."""
    g = np.repeat(np.arange(60), 12)
    x, z = rng.standard_normal(len(g)), rng.standard_normal(60)[g]
    linear = -0.4 + 0.5 * x + 0.3 * z + rng.standard_normal(60)[g]
    y = (rng.random(len(g)) < 1 / (1 + np.exp(-linear))).astype(float)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": g})


def poisson_slope(rng):
    """80 clusters of 8 rows, correlated intercept and slope."""
    g = np.repeat(np.arange(80), 8)
    x = rng.uniform(-1, 1, len(g))
    effects = rng.multivariate_normal([0, 0], [[0.5, 0.15], [0.15, 0.4]], size=80)[g]
    y = rng.poisson(np.exp(0.8 + 0.4 * x + effects[:, 0] + effects[:, 1] * x))
    return pd.DataFrame({"y": y.astype(float), "x": x, "g": g})


def gaussian_three_level(rng):
    """60 clusters of 5 subclusters of 4 rows."""
    a = np.repeat(np.arange(60), 20)
    b = np.repeat(np.arange(300), 4)
    x = rng.standard_normal(len(a))
    y = 1 + 0.5 * x + rng.standard_normal(60)[a] + 0.8 * rng.standard_normal(300)[b]
    return pd.DataFrame({"y": y + rng.standard_normal(len(a)), "x": x, "a": a, "b": b})


STUDIES = {
    "logit_intercept": (
        logit_intercept,
        "y ~ x + z + (1 | g)",
        sm.families.Binomial(),
        {"n_points": 9},
        [-0.4, 0.5, 0.3, 1.0],
    ),
    "poisson_slope": (
        poisson_slope,
        "y ~ x + (1 + x | g)",
        sm.families.Poisson(),
        {"n_points": 7},
        [0.8, 0.4, 0.5, 0.15, 0.4],
    ),
    "gaussian_three_level": (
        gaussian_three_level,
        "y ~ x + (1 | a/b)",
        sm.families.Gaussian(),
        {},
        [1.0, 0.5, 1.0, 0.64, 1.0],
    ),
}


@pytest.mark.parametrize("name", STUDIES)
def test_coverage(name):
    simulate, formula, family, options, truth = STUDIES[name]
    rng = np.random.default_rng(1)
    covered, estimates, errors = [], [], []
    for _ in range(REPLICATIONS):
        result = smgf.glmm(formula, simulate(rng), family=family).fit(**options)
        interval = result.conf_int(method="transformed").to_numpy()
        covered.append((interval[:, 0] <= truth) & (truth <= interval[:, 1]))
        estimates.append(result.params.to_numpy())
        errors.append(result.bse.to_numpy())
    share = np.mean(covered, axis=0)
    low, high = binomial_bounds(LEVEL, REPLICATIONS)
    # Intervals of variances rest on normality of their logarithm: with 60 to 80 clusters and
    # maximum likelihood they may cover up to two points less.
    slack = np.where(np.arange(len(truth)) < result.model.k_exog, 0.005, 0.02)
    assert np.all((share >= low - slack) & (share <= high)), dict(
        zip(result.params.index, share, strict=True)
    )
    # The mean of the standard errors is the spread of the estimates.
    ratio = np.mean(errors, axis=0) / np.std(estimates, axis=0)
    assert np.all(np.abs(ratio - 1) < 0.1), ratio


@pytest.mark.parametrize(
    ("family", "options"),
    [(sm.families.Gaussian(), {}), (sm.families.Binomial(), {"n_points": 7})],
    ids=["gaussian", "binomial"],
)
def test_size_of_the_test_of_a_variance(family, options):
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(100), 6)
    small, p_values = "y ~ x", []
    for _ in range(REPLICATIONS):
        x = rng.standard_normal(len(g))
        y = 0.2 + 0.4 * x + rng.logistic(size=len(g))
        if isinstance(family, sm.families.Binomial):
            y = (y > 0).astype(float)
        data = pd.DataFrame({"y": y, "x": x, "g": g})
        with warnings.catch_warnings():
            # Half of the samples have their maximum at a variance of zero.
            warnings.simplefilter("ignore")
            full = smgf.glmm(small + " + (1 | g)", data, family=family).fit(**options)
        null = sm.GLM.from_formula(small, data, family=family).fit()
        null_llf = sm.OLS.from_formula(small, data).fit().llf if not options else null.llf
        statistic = max(2 * (full.llf - null_llf), 0)
        p_values.append(0.5 * stats.chi2.sf(statistic, 1) if statistic > 1e-8 else 1.0)
    for size in (0.05, 0.10):
        low, high = binomial_bounds(size, REPLICATIONS)
        assert low <= np.mean(np.array(p_values) < size) <= high


def test_size_of_compare_lr_test_for_a_random_slope():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(80), 8)
    p_values = []
    for _ in range(REPLICATIONS):
        x = rng.standard_normal(len(g))
        y = 0.2 + 0.4 * x + rng.standard_normal(80)[g] + rng.standard_normal(len(g))
        data = pd.DataFrame({"y": y, "x": x, "g": g})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            full = smgf.glmm("y ~ x + (1 + x | g)", data).fit()
        null = smgf.glmm("y ~ x + (1 | g)", data).fit()
        p_values.append(full.compare_lr_test(null)[1])
    low, high = binomial_bounds(0.05, REPLICATIONS)
    assert low <= np.mean(np.array(p_values) < 0.05) <= high
