"""Limits on transformed scales against direct calculation and simulation."""

import numpy as np
import pytest
from scipy import stats

from sm_gllamm.inference.intervals import (
    correlation_with_se,
    covariance_limits,
    fisher_limits,
    log_limits,
)

Q = stats.norm.ppf(0.975)


def test_log_limits_are_symmetric_for_the_logarithm():
    lower, upper = log_limits(3.0, 0.7, Q)
    assert np.log(3.0) - np.log(lower) == pytest.approx(Q * 0.7 / 3.0)
    assert np.log(upper) - np.log(3.0) == pytest.approx(Q * 0.7 / 3.0)


@pytest.mark.parametrize("estimate, se", [(0.0, 0.1), (1.0, np.nan), (-1.0, 0.1)])
def test_log_limits_do_not_exist_on_the_boundary(estimate, se):
    assert np.isnan(log_limits(estimate, se, Q)).all()


def test_fisher_limits_agree_to_first_order_with_symmetric_ones():
    lower, upper = fisher_limits(1.3, 1e-5, 4.0, Q)
    np.testing.assert_allclose([lower, upper], [1.3 - Q * 1e-5, 1.3 + Q * 1e-5], rtol=1e-9)


def test_fisher_limits_stay_within_the_bound():
    lower, upper = fisher_limits(3.9, 10.0, 4.0, Q)
    assert -4.0 <= lower < 3.9 < upper <= 4.0
    assert np.isnan(fisher_limits(4.0, 1.0, 4.0, Q)).all()


def test_covariance_limits_agree_to_first_order_with_symmetric_ones():
    lower, upper = covariance_limits(1.3, 1e-5, 4.0, Q)
    np.testing.assert_allclose([lower, upper], [1.3 - Q * 1e-5, 1.3 + Q * 1e-5], rtol=1e-9)
    assert np.isnan(covariance_limits(4.0, 1.0, 4.0, Q)).all()
    assert np.isnan(covariance_limits(0.0, np.nan, 4.0, Q)).all()
    assert covariance_limits(0.9, 1e6, 1.0, Q) == (-np.inf, np.inf)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95, -0.99])
def test_coverage_of_covariance_limits(rho):
    # of 30 pairs: both tails miss by at most a few in a hundred, at any correlation
    rng, n = np.random.default_rng(5), 30
    root = np.linalg.cholesky([[1.0, rho], [rho, 1.0]])
    pairs = rng.normal(size=(2000, n, 2)) @ root.T
    s = np.einsum("rni,rnj->rij", pairs, pairs) / n
    below = above = 0
    for first, covariance, second in zip(s[:, 0, 0], s[:, 0, 1], s[:, 1, 1], strict=True):
        se = np.sqrt((first * second + covariance**2) / n)
        lower, upper = covariance_limits(covariance, se, np.sqrt(first * second), Q)
        below, above = below + (upper < rho), above + (lower > rho)
    assert 0.93 < 1 - (below + above) / 2000 < 0.97
    assert max(below, above) / 2000 < 0.07


def test_correlation_se_is_the_delta_method_of_numerical_derivatives():
    rng = np.random.default_rng(4)
    root = rng.normal(size=(3, 3)) / 10
    cov = root @ root.T
    at = np.array([2.0, 0.8, 1.5])

    def correlation(v):
        return v[1] / np.sqrt(v[0] * v[2])

    slope = [(correlation(at + h) - correlation(at - h)) / 2e-6 for h in 1e-6 * np.eye(3)]
    r, se = correlation_with_se(*at, cov)
    assert r == pytest.approx(correlation(at))
    assert se == pytest.approx(np.sqrt(slope @ cov @ slope), rel=1e-6)
