"""The engine against brute force, finite differences and itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sm_gllamm.engine.integrator import Integrator
from sm_gllamm.engine.rules import LevelRule
from tests.engine.problems import FAMILIES, brute_force, make, with_products

MIXED = ["logit", "poisson", "gaussian"]
CASES = [(f, (1,), w) for f in FAMILIES for w in (False, True)]
CASES += [(f, (1, 1), True) for f in ("logit", "probit", "poisson", "gaussian")]
CASES += [
    ("logit", (2,), True),
    ("poisson", (2, 1), False),
    (MIXED, (1,), True),
    (MIXED, (1, 1), True),
]

#: family, dimensions, weighted, products of positions in u
PRODUCTS = [
    ("logit", (2,), True, [(0, 1)]),
    ("poisson", (1,), False, [(0, 0)]),
    ("gaussian", (2, 1), True, [(0, 2), (1, 1)]),
    ("logit", (1, 2), False, [(1, 2), (0, 1)]),
    (MIXED, (1, 1), True, [(0, 0), (1, 1), (0, 1)]),
]


def ready(problem, phi, points, kind="hermite", placement="mode"):
    integrator = Integrator(problem, n_threads=1)
    integrator.placement_rule = placement
    rule = tuple(
        LevelRule(kind if i == 0 else "hermite", points) for i in range(len(problem.dimensions))
    )
    integrator.set_rules([rule])
    integrator.set_phi(phi)
    assert integrator.adapt() == 0
    return integrator


@pytest.mark.parametrize("family,dimensions,weighted", CASES)
def test_brute_force(family, dimensions, weighted):
    problem, phi = make(np.random.default_rng(3), family, dimensions, weighted)
    expected = brute_force(problem, phi, points=81 if len(dimensions) + sum(dimensions) < 4 else 41)
    # a gaussian response with a log link has a skewed posterior: more nodes
    points = 41 if sum(dimensions) < 3 else 25
    value = ready(problem, phi, points).evaluate(0).loglike
    tolerance = 1e-7 if sum(dimensions) < 3 else 1e-6
    assert_allclose(value, expected, rtol=2e-6 if family == "gaussian_log" else tolerance)
    if dimensions[0] == 1:
        rule = "trapezoid"
        value = (
            ready(problem, phi, 81, rule) if sum(dimensions) == 1 else ready(problem, phi, 31, rule)
        )
        assert_allclose(value.evaluate(0).loglike, expected, rtol=1e-6)
    if sum(dimensions) < 3:
        value = ready(problem, phi, 31, placement="meansd").evaluate(0).loglike
        assert_allclose(value, expected, rtol=1e-5 if family == "gaussian_log" else 1e-6)


@pytest.mark.parametrize("family,dimensions,weighted,products", PRODUCTS)
def test_products_by_brute_force(family, dimensions, weighted, products):
    rng = np.random.default_rng(9)
    problem, phi = with_products(rng, *make(rng, family, dimensions, weighted), products)
    expected = brute_force(problem, phi, points=101 if sum(dimensions) < 3 else 51)
    # posteriors with products may have two modes
    value = ready(problem, phi, 101 if sum(dimensions) < 3 else 51).evaluate(0).loglike
    assert_allclose(value, expected, rtol=2e-6)


@pytest.mark.parametrize("family,dimensions,weighted,products", PRODUCTS)
def test_derivatives_with_products(family, dimensions, weighted, products):
    rng = np.random.default_rng(10)
    check_derivatives(*with_products(rng, *make(rng, family, dimensions, weighted), products), 5)


@pytest.mark.parametrize(
    "family,dimensions,weighted", [*CASES, ("poisson", (1, 1, 1), True), ("logit", (3,), False)]
)
@pytest.mark.parametrize("kind", ["hermite", "sparse"])
def test_derivatives(family, dimensions, weighted, kind):
    problem, phi = make(np.random.default_rng(4), family, dimensions, weighted, max_units=4)
    check_derivatives(problem, phi, 5, kind if dimensions[0] > 1 else "hermite")


def check_derivatives(problem, phi, points, kind="hermite"):
    """Score and Hessian against differences, nodes held fixed."""
    integrator = ready(problem, phi, points, kind)
    result = integrator.evaluate(2)
    step = 1e-5
    score = np.empty((problem.n_top, len(phi)))
    hessian = np.empty((len(phi), len(phi)))
    for t in range(len(phi)):
        sides = []
        for sign in (1, -1):
            moved = phi.copy()
            moved[t] += sign * step
            integrator.set_phi(moved)
            sides.append(integrator.evaluate(1))
        score[:, t] = (sides[0].loglike - sides[1].loglike) / (2 * step)
        hessian[:, t] = (sides[0].score - sides[1].score).sum(0) / (2 * step)
    assert_allclose(result.score, score, rtol=2e-7, atol=2e-7 * np.abs(score).max())
    assert_allclose(result.hessian, hessian, rtol=2e-7, atol=2e-7 * np.abs(hessian).max())
