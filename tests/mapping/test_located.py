"""Latent variables at given places: problem and mapping against sums written out and differences."""

import numpy as np
import pytest
from scipy.stats import poisson

from sm_gllamm.datasets import epil, gu_immun, lsat
from sm_gllamm.likelihood.components import ClusterComponent, PlainComponent, empty_levels
from sm_gllamm.mapping.located import LocatedLevel, LocatedMapping, located_problem
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.irt import IRT


def _epil():
    data = epil.load_pandas().data
    return GLMM.from_formula("y ~ trt + V4 + (1 + V4 | subject)", data, family="poisson")


def _lsat(model):
    data = lsat.load_pandas().data
    return IRT(data, model, items=[c for c in data if c.startswith("item")])


def _immunisation():
    data = gu_immun.load_pandas().data.iloc[:300]
    return GLMM.from_formula("immun ~ 1 + (1 | comm/mom)", data, family="binomial")


def _level(number, names, known=None, absorbs=True):
    known = np.zeros(len(names)) if known is None else np.asarray(known, dtype=float)
    return LocatedLevel(number, tuple(names), known, absorbs)


CASES = {
    "two effects": (_epil, [_level(0, ["a", "b"])], False),
    "2PL": (lambda: _lsat("2PL"), [_level(0, ["a"])], False),
    "Rasch": (lambda: _lsat("Rasch"), [_level(0, ["a"])], False),
    "node": (lambda: _lsat("Rasch"), [_level(0, [""], [0.7], False)], False),
    "top of two": (_immunisation, [_level(1, ["a"])], False),
    "both": (_immunisation, [_level(0, ["a"]), _level(1, ["b"])], True),
    "normal above": (_immunisation, [_level(0, ["a"]), _level(1, [""], [0.5], False)], True),
}


def _component(case):
    make, levels, drop = CASES[case]
    model = make()
    problem = model.assembly.problem
    mapping = LocatedMapping(model.mapping, problem, levels)
    located = located_problem(problem, [level.level for level in levels], drop)
    kind = PlainComponent if all(empty_levels(located)) else ClusterComponent
    return kind(located, mapping), mapping, model


@pytest.mark.parametrize("case", CASES)
def test_derivatives_are_those_of_differences(case):
    component, mapping, _ = _component(case)
    rng = np.random.default_rng(1)
    theta, h = 0.2 * rng.normal(size=mapping.k_params), 1e-5
    weight = rng.random(component.n_units)
    scores, hessian = component.derivatives(theta, weight)
    scores = scores.rows(slice(None))
    steps = h * np.eye(len(theta))
    numerical = [
        (component.loglike(theta + e) - component.loglike(theta - e)) / (2 * h) for e in steps
    ]
    np.testing.assert_allclose(scores, np.transpose(numerical), atol=1e-6, rtol=1e-6)

    def gradient(at):
        return weight @ component.derivatives(at, weight)[0].rows(slice(None))

    numerical = [(gradient(theta + e) - gradient(theta - e)) / (2 * h) for e in steps]
    np.testing.assert_allclose(hessian, numerical, atol=1e-5 * np.abs(hessian).max())


def test_value_is_that_of_the_densities():
    component, _, model = _component("two effects")
    data, theta = epil.load_pandas().data, np.array([0.4, -0.3, 0.2, 0.5, -0.6])
    eta = np.asarray(model.exog) @ theta[:3] + theta[3] + theta[4] * data["V4"].to_numpy()
    rows = poisson.logpmf(data["y"], np.exp(eta))
    units = np.bincount(np.unique(data["subject"], return_inverse=True)[1], rows)
    np.testing.assert_allclose(component.loglike(theta), units, rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_published_parameters_and_back(case):
    _, mapping, _ = _component(case)
    theta = mapping.normalised(0.3 * np.random.default_rng(2).normal(size=mapping.k_params))
    params = mapping.params(theta)
    np.testing.assert_allclose(mapping.theta(params), theta, atol=1e-12)
    steps, h = np.eye(len(theta)), 1e-6
    numerical = [
        (mapping.params(theta + h * e) - mapping.params(theta - h * e)) / (2 * h) for e in steps
    ]
    np.testing.assert_allclose(mapping.jacobian(theta), np.transpose(numerical), atol=1e-8)
