"""Marginal probabilities of items against integrals and simulation."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item
from sm_gllamm.items.marginal import marginal_probabilities

COVARIANCE = np.array([[1.0, 0.4], [0.4, 1.5]])
MEAN = np.array([0.3, -0.2])


@pytest.mark.parametrize("slope", [0.5, 3.0, 25.0])
def test_binary_item_in_two_dimensions(slope):
    item = Item("x", "binary", "3PL", slope * np.array([1.0, 0.5]), np.array([0.4]), lower=0.2)
    direction = item.slopes
    mean, sd = direction @ MEAN, np.sqrt(direction @ COVARIANCE @ direction)
    value = integrate.quad(
        lambda z: (0.2 + 0.8 * expit(mean + sd * z + 0.4)) * stats.norm.pdf(z), -9, 9,
        limit=500, points=[-mean / sd],
    )[0]  # fmt: skip
    np.testing.assert_allclose(marginal_probabilities(item, MEAN, COVARIANCE)[1], value, atol=1e-8)


def test_nominal_item_in_two_dimensions():
    slopes = np.array([[0.0, 0.0], [1.0, 0.2], [-0.5, 1.3]])
    item = Item("x", "divide", "nominal", slopes, np.array([0.0, 0.3, -0.4]))
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel() / weights.sum() ** 2
    expected = weight @ item.probabilities(MEAN + grid @ np.linalg.cholesky(COVARIANCE).T)
    np.testing.assert_allclose(marginal_probabilities(item, MEAN, COVARIANCE), expected, atol=1e-9)


def test_an_item_that_measures_nothing():
    item = Item("x", "binary", "2PL", np.zeros(2), np.array([0.4]))
    np.testing.assert_allclose(marginal_probabilities(item, MEAN, COVARIANCE)[1], expit(0.4))


def test_three_directions_are_refused():
    slopes = np.vstack([np.zeros(3), np.eye(3)])
    item = Item("x", "divide", "nominal", slopes, np.zeros(4))
    with pytest.raises(SpecificationError, match="directions"):
        marginal_probabilities(item, np.zeros(3), np.eye(3))
