"""Newton's method on functions with known maxima."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.estimation.newton import Controls, maximize


def two_hills(theta, want):
    """Maxima of 0 at (1, 2) and (-1, 2), a saddle point at (0, 2)."""
    x, y = theta
    value = -((x * x - 1.0) ** 2) - (y - 2.0) ** 2
    gradient = np.array([-4.0 * x * (x * x - 1.0), -2.0 * (y - 2.0)])
    return value, gradient, np.array([[4.0 - 12.0 * x * x, 0.0], [0.0, -2.0]])


@pytest.mark.parametrize("start", [(0.0, 0.0), (0.0, 2.0)])
def test_a_saddle_point_is_left(start):
    outcome = maximize(two_hills, np.array(start), Controls())
    assert outcome.converged
    assert_allclose([abs(outcome.theta[0]), outcome.theta[1]], [1.0, 2.0], rtol=1e-6)


def test_flat_directions_are_no_saddle():
    def ridge(theta, want):
        gap = theta.sum() - 1.0
        return -gap * gap, np.full(2, -2.0 * gap), np.full((2, 2), -2.0)

    outcome = maximize(ridge, np.zeros(2), Controls())
    assert outcome.converged and outcome.iterations <= 2
    assert_allclose(outcome.theta.sum(), 1.0, rtol=1e-8)


def test_interchangeable_parameters():
    # where a and b differ is known from their sum only: (a, b) and (b, a) fit equally well, and
    # starting values are the same for both
    rng = np.random.default_rng(3)
    cells = pd.DataFrame(
        [(i, a, b) for i in range(40) for a in (0, 1) for b in (0, 1)], columns=["i", "a", "b"]
    )
    effect = 0.5 * rng.normal(size=40)[cells.i]
    cells["count"] = rng.poisson(np.exp(1.0 + 0.8 * cells.a - 0.6 * cells.b + effect))
    cells["cell"] = 3 * cells.i + cells.a + cells.b
    cells["total"] = cells.groupby("cell")["count"].transform("sum")
    family = smg.families.Composite("poisson")
    model = smgf.glmm("total ~ a + b + (1 | i)", cells, family=family, sets="cell")
    result = model.fit()
    told = model.fit(start_params=[1.0, 0.8, -0.6, 0.25])
    assert_allclose(result.llf, told.llf, atol=1e-4)
    assert_allclose(sorted(result.params[["a", "b"]]), sorted(told.params[["a", "b"]]), atol=1e-4)
    assert abs(result.params["a"] - result.params["b"]) > 0.5
