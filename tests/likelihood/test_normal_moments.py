"""The closed form against scipy's density, and its derivatives against differences."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from sm_gllamm.models.sem import SEM

TEXT = """f =~ x1 + x2 + x3
g =~ x4 + x5 + x6
g ~ f + z
x7 ~ g + f + x1 + z
x2 ~~ x6
f ~~ x5"""


def frame(seed=0, n=120, missing=0.15):
    rng = np.random.default_rng(seed)
    f = rng.normal(size=n)
    data = pd.DataFrame({f"x{k}": f * (0.4 + 0.1 * k) + rng.normal(size=n) for k in range(1, 8)})
    data["z"] = rng.normal(size=n)
    data = data.mask(rng.uniform(size=data.shape) < missing)
    data["z"] = data["z"].fillna(0.3)
    data["w"] = rng.integers(1, 4, n)
    data["school"] = np.where(np.arange(n) < 70, "a", "b")
    return data


CASES = {
    "complete": ({"missing": 0.0}, {}),
    "means": ({"missing": 0.0}, {"meanstructure": True}),
    "missing": ({}, {}),
    "groups": ({}, {"groups": "school", "group_equal": ["loadings", "intercepts"]}),
    "weighted": ({}, {"freq_weights": "w"}),
}


@pytest.fixture(params=list(CASES))
def model(request):
    data, options = CASES[request.param]
    return SEM(TEXT, frame(**data), **options)


def away(model):
    rng = np.random.default_rng(3)
    start = model.start_params
    return start + 0.05 * np.abs(start) + 0.03 * rng.uniform(-1, 1, len(start))


def differences(function, at, step=1e-5):
    moves = step * np.eye(len(at))
    return np.array([(function(at + m) - function(at - m)) / (2 * step) for m in moves])


def test_score(model):
    at = away(model)
    np.testing.assert_allclose(
        model.score(at), differences(model.loglike, at), rtol=1e-6, atol=1e-5
    )


def test_hessian(model):
    at = away(model)
    np.testing.assert_allclose(
        model.hessian(at), differences(model.score, at), rtol=1e-6, atol=1e-4
    )


def test_units_add_up(model):
    at = away(model)
    assert model.loglikeobs(at).sum() == pytest.approx(model.loglike(at), rel=1e-12)
    np.testing.assert_allclose(model.score_obs(at).sum(0), model.score(at), rtol=1e-9, atol=1e-9)


def test_scores_of_units(model):
    at = away(model)
    found = model.score_obs(at)
    np.testing.assert_allclose(found.T, differences(model.loglikeobs, at), rtol=1e-5, atol=1e-6)


def test_density_of_rows():
    model = SEM(TEXT, frame())
    at = away(model)
    mean, covariance = model.implied_moments(at)[0]
    expected = []
    for _, row in model.inputs.endog.iterrows():
        seen = row.index[row.notna()]
        joint = multivariate_normal(mean[seen], covariance.loc[seen, seen]).logpdf(row[seen])
        given = multivariate_normal(mean["z"], covariance.loc["z", "z"]).logpdf(row["z"])
        expected.append(joint - given)
    np.testing.assert_allclose(model.loglikeobs(at), expected, rtol=1e-10)


def test_expected_information_is_the_mean_of_the_observed():
    rng = np.random.default_rng(5)
    model = SEM("f =~ x1 + x2 + x3 + x4", frame(missing=0.0), meanstructure=True)
    at = away(model)
    total, n = 0.0, 400
    for _ in range(n):
        sample = model.with_inputs(model.inputs.with_values(model.simulate(at, seed=rng)))
        total = total - sample.hessian(at) / n
    expected = model.expected_information(at)
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs((total - expected) / size).max() < 0.03


def test_outside_of_the_parameter_space():
    model = SEM("f =~ x1 + x2 + x3", frame(missing=0.0))
    at = model.start_params
    at[model.param_names.index("x1~~x1")] = -50.0
    assert model.loglike(at) == -np.inf
