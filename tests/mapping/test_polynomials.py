"""Polynomials of the parameters: values by hand, derivatives by finite differences."""

import numpy as np
import pytest

from sm_gllamm.mapping.polynomials import Monomial, Polynomials

ENTRIES = {
    "linear": [[Monomial(1.0, (0,))], [Monomial(-2.0, (2,)), Monomial(0.5, (1,))]],
    "constant": [[Monomial(3.0)], [Monomial(1.0, (1,)), Monomial(2.0)]],
    "products": [[Monomial(2.0, (0, 1)), Monomial(-1.0, (1, 2))], [Monomial(1.0, (3,))]],
    "repeated": [[Monomial(1.5, (0, 0))], [Monomial(1.0, (1, 1, 2)), Monomial(2.0, (1, 1, 1))]],
    "degree 5": [[Monomial(0.7, (0, 1, 1, 2, 3)), Monomial(1.0, (0,))], [Monomial(1.0, (2,) * 5)]],
    "no terms": [[], [Monomial(1.0, (0, 3))]],
}
THETA = np.array([0.7, -1.3, 0.4, 2.1])


def differences(f, theta, step=1e-5):
    """Central differences of a vector function, shape (n, p)."""
    moves = step * np.eye(len(theta))
    return np.stack([(f(theta + h) - f(theta - h)) / (2 * step) for h in moves], axis=-1)


@pytest.mark.parametrize("case", ENTRIES)
def test_values(case):
    by_hand = [
        sum(m.coefficient * np.prod(THETA[list(m.parameters)]) for m in e) for e in ENTRIES[case]
    ]
    np.testing.assert_allclose(Polynomials(ENTRIES[case], 4).values(THETA), by_hand, rtol=1e-14)


@pytest.mark.parametrize("case", ENTRIES)
def test_jacobian(case):
    polynomials = Polynomials(ENTRIES[case], 4)
    numeric = differences(polynomials.values, THETA)
    np.testing.assert_allclose(polynomials.jacobian(THETA), numeric, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("case", ENTRIES)
def test_curvature(case):
    polynomials, weights = Polynomials(ENTRIES[case], 4), np.array([0.8, -1.7])
    curvature = polynomials.curvature(THETA, weights)
    numeric = differences(lambda theta: weights @ polynomials.jacobian(theta), THETA)
    np.testing.assert_allclose(curvature, numeric, rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(curvature, curvature.T)


def test_no_parameters_at_all():
    polynomials = Polynomials([[Monomial(2.0)], [Monomial(-1.0)]], 0)
    nothing = np.empty(0)
    np.testing.assert_array_equal(polynomials.values(nothing), [2.0, -1.0])
    assert polynomials.jacobian(nothing).shape == (2, 0)
    assert polynomials.curvature(nothing, np.ones(2)).shape == (0, 0)


def test_product_of_monomials_sorts_parameters():
    assert Monomial(2.0, (3, 1)) * Monomial(-0.5, (2,)) == Monomial(-1.0, (1, 2, 3))
