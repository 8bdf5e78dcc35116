"""Null distributions of likelihood-ratio statistics."""

import numpy as np
import pytest
from scipy import stats

from sm_gllamm.inference.likelihood_ratio import likelihood_ratio_test


def test_without_a_boundary_it_is_chi_square():
    statistic, pvalue, df = likelihood_ratio_test(5.0, 3)
    assert (statistic, df) == (5.0, 3)
    assert pvalue == pytest.approx(stats.chi2.sf(5.0, 3))


def test_one_variance_is_half_of_chi_square_one():
    assert likelihood_ratio_test(2.7, 1, n_zero=1).pvalue == pytest.approx(
        stats.chi2.sf(2.7, 1) / 2
    )
    assert likelihood_ratio_test(0.0, 1, n_zero=1).pvalue == 1.0


@pytest.mark.parametrize("q", [1, 2])
def test_mixture_against_simulated_projection_on_a_half_space(q):
    # one variance, non-negative, correlated with q covariances, all zero under the restriction
    rng = np.random.default_rng(0)
    root = rng.normal(size=(q + 1, q + 1)) + 2 * np.eye(q + 1)
    z = rng.normal(size=(200_000, q + 1)) @ root.T
    cov = root @ root.T
    free = np.einsum("ni,ij,nj->n", z, np.linalg.inv(cov), z)
    # where the first would be negative it is held at zero, which costs its own z squared
    statistic = np.where(z[:, 0] >= 0, free, free - z[:, 0] ** 2 / cov[0, 0])
    observed = 4.2
    assert likelihood_ratio_test(observed, q + 1, n_zero=1).pvalue == pytest.approx(
        np.mean(statistic > observed), abs=0.003
    )


def test_two_variances_upper_bound():
    rng = np.random.default_rng(1)
    z = np.maximum(rng.normal(size=(200_000, 2)), 0)
    statistic = (z**2).sum(1)
    test = likelihood_ratio_test(4.2, 2, n_zero=2)
    assert np.mean(statistic > 4.2) < test.pvalue < test.pvalue_naive
    assert "upper bound" in str(test)
