"""Starting values of binary items: the sums over points against differences and against fits."""

import numpy as np
import pytest
from scipy.special import expit, logsumexp

from sm_gllamm.api import IRT
from sm_gllamm.models import item_ascent
from sm_gllamm.models.item_ascent import _uphill, ascended


def responses(n=600, n_items=8, missing=0.0, seed=2):
    rng = np.random.default_rng(seed)
    slope, intercept = rng.lognormal(0.1, 0.4, n_items), rng.normal(size=n_items)
    nu = intercept + slope * rng.normal(size=(n, 1))
    y = (rng.random((n, n_items)) < expit(nu)).astype(float)
    y[rng.random(y.shape) < missing] = np.nan
    return y


def brute_force(curves, y, weight):
    """Log-likelihood by a dense sum."""
    intercept, slope = curves
    point = np.arange(-9.0, 9.01, 0.05)
    eta = intercept[:, None] + slope[:, None] * point
    sign = np.where(np.isnan(y), 0.0, 2.0 * np.nan_to_num(y) - 1.0)
    log_f = sum(-np.log1p(np.exp(-s[:, None] * e)) * (s != 0)[:, None]
                for s, e in zip(sign.T, eta, strict=True))  # fmt: skip
    return weight @ (logsumexp(log_f - point**2 / 2, axis=1) + np.log(0.05 / np.sqrt(2 * np.pi)))


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_value_and_gradient(missing, monkeypatch):
    # as many points as make the sums integrals
    monkeypatch.setattr(item_ascent, "SPACING", 0.5)
    monkeypatch.setattr(item_ascent, "REACH", 8.0)
    y = responses(200, 5, missing)
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    answered = None if missing == 0.0 else (~np.isnan(y)).astype(float)
    success = np.nan_to_num(y)
    curves = np.array([[0.3, -0.2, 0.8, 0.1, -1.0], [0.9, 1.2, 0.5, 1.5, 0.8]])
    value, gradient, information = _uphill(curves, success, answered, weight)
    assert value == pytest.approx(brute_force(curves, y, weight), rel=1e-6)
    h, flat = 1e-5, curves.reshape(-1)
    for k in range(len(flat)):
        up, down = (flat + step * (np.arange(len(flat)) == k) for step in (h, -h))
        slope = brute_force(up.reshape(2, -1), y, weight)
        slope -= brute_force(down.reshape(2, -1), y, weight)
        assert gradient[k] == pytest.approx(slope / (2 * h), rel=1e-4, abs=1e-3)
    assert np.linalg.eigvalsh(information)[0] > 0


@pytest.mark.parametrize("model", ["2PL", "1PL", "Rasch"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_near_the_maximum(model, missing):
    fitted = IRT(responses(missing=missing), model)
    start, likelihood = fitted._starting_theta(None), fitted._ready()
    result = fitted.fit()
    likelihood = fitted._ready(result.quadrature)
    evaluation = likelihood.evaluate(start, 2)
    step = np.linalg.solve(-evaluation.hessian, evaluation.gradient)
    assert evaluation.gradient @ step < 0.1
    assert result.llf - evaluation.total < 0.05
    assert result.converged


@pytest.mark.parametrize(
    "options",
    [{"model": "3PL"}, {"link": "probit"}, {"dimensions": 2},
     {"groups": np.repeat([0, 1], 300)}],
)  # fmt: skip
def test_other_models_are_left_alone(options):
    model = IRT(responses().astype(int), **options)
    theta = np.linspace(0.1, 1.0, len(model.param_names))
    assert ascended(model.layout, model.codes, model.person_weights, theta) is theta


def test_samples_of_patterns(monkeypatch):
    # few patterns that many persons have: a sample of persons is one of patterns by their weights
    monkeypatch.setattr(item_ascent, "MOST_PERSONS", 1500)
    model = IRT(responses(20_000, 11).astype(int))
    assert len(model.assembly.patterns.first) > 1500
    start, result = model._starting_theta(None), model.fit()
    evaluation = model._ready(result.quadrature).evaluate(start, 2)
    step = np.linalg.solve(-evaluation.hessian, evaluation.gradient)
    # a sample of so many persons is about p n / 1500 from the maximum of all
    assert evaluation.gradient @ step < 2.0 * len(start) * 20_000 / 1500
