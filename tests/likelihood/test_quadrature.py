"""Errors of clusters by ladders of rules: what is known already is what would be computed anew."""

import numpy as np
import pytest

import sm_gllamm.formula.api as smgf
from sm_gllamm.datasets import toenail
from sm_gllamm.engine.integrator import _most_threads
from sm_gllamm.likelihood.quadrature import Ladders


@pytest.fixture(scope="module")
def model():
    data = toenail.load_pandas().data
    return smgf.glmm("outcome ~ treatment * month + (1 | patient)", data, family="binomial")


def test_values_of_raised_clusters_are_known(model):
    likelihood = model._ready()
    theta = model._starting_theta(likelihood)
    ladders = Ladders(likelihood.problem)
    for _ in range(4):
        likelihood.use(ladders.quadrature())
        errors = ladders.errors(likelihood, theta)
        fresh = likelihood.evaluate(theta).loglike
        assert ladders.total == pytest.approx(fresh.sum(), rel=1e-12)
        assert np.allclose(ladders._values[1], fresh, rtol=0, atol=1e-9)
        again = Ladders(likelihood.problem)
        again.rung = ladders.rung.copy()
        assert np.allclose(again.errors(likelihood, theta), errors, rtol=1e-4, atol=1e-9)
        if not ladders.raise_rungs(errors, 1e-7):
            break
    assert len(np.unique(ladders.rung)) > 1


def test_number_of_rungs(model):
    ladders = Ladders(model.likelihood.problem)
    ladders.rung[::3] = 2
    quadrature = ladders.quadrature()
    assert len(quadrature.rules) == 2
    kinds = [rules[0] for rules in quadrature.rules]
    assert kinds == [ladders.rules[0][0], ladders.rules[0][2]]
    assert np.array_equal(quadrature.assignment, (ladders.rung[:, 0] > 0).astype(int))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("", np.inf), ("2", 2), ("4,2", 4), (" 3 ", 3), ("0", np.inf), ("x", np.inf)],
)
def test_threads_of_the_environment(monkeypatch, text, allowed):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert _most_threads() == allowed
