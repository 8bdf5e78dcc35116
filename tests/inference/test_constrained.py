"""Linear constraints and maximisation under them, on functions with known answers."""

import numpy as np
import pytest

from sm_gllamm.estimation.constrained import maximize_under
from sm_gllamm.estimation.newton import Controls
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.constrained import (
    LinearConstraints,
    constrained_inverse_information,
    null_basis,
)

NAMES = ("a", "b", "c")


def test_redundant_constraints_are_dropped():
    c = LinearConstraints.of([[1, -1, 0], [2, -2, 0], [0, 1, 0]], [0, 0, 3], NAMES)
    assert c.describe() == ["a = 3", "b = 3"]


def test_contradictions_are_found():
    with pytest.raises(SpecificationError, match="contradict"):
        LinearConstraints.of([[1, -1, 0], [2, -2, 0]], [0, 1], NAMES)
    with pytest.raises(SpecificationError, match="finite"):
        LinearConstraints.of([[1, np.nan, 0]], [0], NAMES)
    with pytest.raises(SpecificationError, match="2 columns"):
        LinearConstraints.of([[1, 1]], [0], NAMES)


def test_equations_are_spelled_out():
    c = LinearConstraints.of([[1, 2, -0.5]], [4], NAMES)
    assert c.describe() == ["a + 2 b - 0.5 c = 4"]
    assert LinearConstraints.of([[0, 1, -1]], [0], NAMES).describe() == ["b = c"]


def test_implication():
    both = LinearConstraints.of([[1, 0, 0], [0, 1, 0]], [2, 2], NAMES)
    equal = LinearConstraints.of([[1, -1, 0]], [0], NAMES)
    assert both.implies(equal) and not equal.implies(both)


def test_inverse_information_is_that_of_the_free_parameters():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    information = root @ root.T + np.eye(4)
    rows = np.array([[1.0, -1.0, 0, 0], [0, 0, 0, 1.0]])
    free = np.array([[1.0, 0], [1, 0], [0, 1], [0, 0]])
    expected = free @ np.linalg.inv(free.T @ information @ free) @ free.T
    np.testing.assert_allclose(
        constrained_inverse_information(information, rows), expected, atol=1e-12
    )
    np.testing.assert_allclose(rows @ null_basis(rows), 0, atol=1e-15)
    apart = constrained_inverse_information(information, rows, k=2)
    assert np.all(apart[:2, 2:] == 0)
    np.testing.assert_allclose(apart[0, 0], 1 / information[:2, :2].sum())


class Sphere:
    """theta' theta = 1."""

    def retract(self, theta):
        size = np.linalg.norm(theta)
        return None if size == 0 else theta / size

    def tangent(self, theta):
        return null_basis(2 * theta[None, :])

    def bend(self, theta, gradient):
        multiplier = -gradient @ theta / (2 * theta @ theta)
        return 2 * multiplier * np.eye(len(theta))


def test_the_largest_eigenvalue_is_a_maximum_on_the_sphere():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(5, 5))
    a = root + root.T

    def evaluate(theta, want):
        return theta @ a @ theta, 2 * a @ theta, 2 * a

    outcome = maximize_under(evaluate, rng.normal(size=5), Sphere(), Controls(tol=1e-14))
    assert outcome.converged
    assert outcome.value == pytest.approx(np.linalg.eigvalsh(a)[-1], rel=1e-12)
    assert outcome.iterations < 30


def test_constraints_that_cannot_be_met():
    class Nowhere(Sphere):
        def retract(self, theta):
            return None

    outcome = maximize_under(None, np.ones(2), Nowhere(), Controls())
    assert not outcome.converged and outcome.value == -np.inf
    assert "no parameters were found" in outcome.reason


def test_iteration_limit_and_interruption():
    def evaluate(theta, want):
        return -np.sum(theta**4), -4 * theta**3, -np.diag(12 * theta**2)

    start = np.array([0.9, 0.1, 0.3])
    outcome = maximize_under(evaluate, start, Sphere(), Controls(maxiter=1, tol=1e-14))
    assert not outcome.converged and "limit" in outcome.reason
    calls = []

    def impatient(theta, want):
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return evaluate(theta, want)

    outcome = maximize_under(impatient, start, Sphere(), Controls(tol=1e-14))
    assert outcome.interrupted and np.isfinite(outcome.value)
