"""Nodes are placed once for each theta: the same values as from a likelihood that places them anew."""

import numpy as np
import pytest

import sm_gllamm.formula.api as smgf
from sm_gllamm.datasets import toenail
from sm_gllamm.engine.rules import LevelRule
from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature

RULES = [
    ("trapezoid", 64), ("hermite", 8), ("hermite", 16), ("trapezoid", 32), ("hermite", 1),
    ("hermite", 12),
]  # fmt: skip


@pytest.fixture(scope="module")
def model():
    data = toenail.load_pandas().data
    formula = "outcome ~ treatment * month + (1 | patient)"
    return smgf.glmm(formula, data, family="binomial")


def _value(likelihood, theta, kind, points):
    likelihood.use(Quadrature("mode", ((LevelRule(kind, points),),)))
    return likelihood.evaluate(theta).loglike


def test_rules_in_any_order(model):
    theta = model.mapping.theta(model.start_params)
    kept = MarginalLikelihood(model.assembly.problem, model.mapping)
    for kind, points in RULES:
        fresh = MarginalLikelihood(model.assembly.problem, model.mapping)
        np.testing.assert_allclose(
            _value(kept, theta, kind, points), _value(fresh, theta, kind, points), rtol=1e-9
        )


def test_some_clusters_leave_the_others_alone(model):
    theta = model.mapping.theta(model.start_params)
    likelihood = MarginalLikelihood(model.assembly.problem, model.mapping)
    whole = _value(likelihood, theta, "hermite", 12)
    chosen = np.zeros(len(whole), dtype=bool)
    chosen[::3] = True
    with likelihood.only(chosen):
        part = likelihood.evaluate(theta + 0.1).loglike
    assert not part[~chosen].any()
    np.testing.assert_allclose(likelihood.evaluate(theta).loglike, whole, rtol=1e-12)
    np.testing.assert_allclose(
        likelihood.evaluate(theta + 0.1).loglike[chosen], part[chosen], rtol=1e-9
    )
