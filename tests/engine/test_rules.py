"""Rules of many dimensions."""

import numpy as np
import pytest

from sm_gllamm.engine.rules import smolyak


@pytest.mark.parametrize(("level", "dimension"), [(1, 1), (2, 3), (3, 5), (2, 15)])
def test_sparse_grids_are_exact_for_polynomials(level, dimension):
    z, log_weight, sign = smolyak(level, dimension)
    weight = sign * np.exp(log_weight - 0.5 * (z**2).sum(0))
    assert np.isclose(weight.sum(), 1.0)
    for d in range(dimension):
        # moments of the normal distribution up to degree 2 * level + 1
        assert np.isclose(weight @ z[d] ** 2, 1.0)
        assert np.isclose(weight @ z[d] ** (2 * level + 1), 0.0)
        if level > 1:
            assert np.isclose(weight @ z[d] ** 4, 3.0)
            other = z[(d + 1) % dimension]
            assert np.isclose(weight @ (z[d] * other) ** 2, 1.0)
