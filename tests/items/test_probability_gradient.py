"""Derivatives of probabilities of categories in the parameters of an item."""

from dataclasses import replace

import numpy as np
import pytest

from sm_gllamm.items.bank import Item
from sm_gllamm.items.probability_gradient import coefficients, probability_gradient

ITEMS = [
    Item("a", "binary", "4PL", [1.2, -0.4], [0.3], lower=0.15, upper=0.9),
    Item("b", "binary", "2PL", [0.9, 0.2], [-0.5], link="probit"),
    Item("c", "graded", "graded", [1.5, 0.3], [1.0, 0.2, -1.0]),
    Item("d", "graded", "graded", [1.5, 0.3], [1.0, -1.0], link="probit"),
    Item("e", "divide", "nominal", [[0.0, 0.0], [0.4, 1.0], [1.5, -0.2]], [0.0, 0.5, -0.3]),
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{item.model}-{item.link}")
def test_derivatives_are_those_of_differences(item):
    theta = np.array([[-1.0, 0.5], [0.0, 0.0], [2.0, -1.5]])
    values, size = coefficients(item), item.slopes.size
    found = probability_gradient(item, theta)

    def probabilities(c):
        other = replace(
            item, slopes=c[:size].reshape(item.slopes.shape), intercepts=c[size:-2], lower=c[-2],
            upper=c[-1],
        )  # fmt: skip
        return other.probabilities(theta)

    asymptotes = range(len(values)) if item.model == "4PL" else range(len(values) - 2)
    for k in asymptotes:
        step = np.zeros(len(values))
        step[k] = 1e-6
        change = (probabilities(values + step) - probabilities(values - step)) / 2e-6
        assert np.allclose(found[:, :, k], change, atol=1e-8)
    assert np.allclose(found.sum(axis=1), 0.0)
