"""Limits on transformed scales against direct calculation and simulation."""

import numpy as np
import pytest
from scipy import stats

from sm_gllamm.inference.intervals import correlation_with_se, fisher_limits, log_limits

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
