"""Profiles of functions whose limits are known."""

import numpy as np
import pytest
from scipy import optimize, stats

from sm_gllamm.inference.profile import ProfilePoint, limit_at, trace_side

Q = stats.norm.ppf(0.975)


def both_sides(maximum_at, estimate, top, step, bound=None):
    start = ProfilePoint(estimate, 0.0, top, None)
    out = []
    for side in (-1, 1):
        points = trace_side(maximum_at, start, side, step, Q + 0.3, bound if side < 0 else None)
        out.append((points, limit_at(maximum_at, points, side, Q)[0]))
    return out


def test_normal_likelihood_gives_the_symmetric_interval():
    (_, low), (_, high) = both_sides(lambda v, s: (-0.5 * (v - 3) ** 2 / 0.04, s), 3.0, 0.0, 0.1)
    np.testing.assert_allclose([low, high], [3 - 0.2 * Q, 3 + 0.2 * Q], rtol=1e-7)


@pytest.mark.parametrize("step", [1e-3, 1.0, 50.0])
def test_exponential_rate_whatever_the_first_step(step):
    n, total = 12, 7.0
    estimate = n / total

    def llf(rate):
        return n * np.log(rate) - rate * total if rate > 0 else -np.inf

    (left, low), (right, high) = both_sides(lambda v, s: (llf(v), s), estimate, llf(estimate), step)
    target = llf(estimate) - Q**2 / 2
    expected = [
        optimize.brentq(lambda v: llf(v) - target, 1e-3, estimate),
        optimize.brentq(lambda v: llf(v) - target, estimate, 20),
    ]
    np.testing.assert_allclose([low, high], expected, rtol=1e-5)
    for points in (left, right):
        zeta = np.abs([p.zeta for p in points])
        assert np.all(np.diff(zeta) > 0) and zeta[-1] >= Q


def test_a_bound_ends_the_profile():
    (points, low), _ = both_sides(lambda v, s: (-0.5 * (v - 1) ** 2, s), 1.0, 0.0, 0.4, bound=0.0)
    assert points[-1].value == 0.0 and np.isnan(low)


def test_a_profile_that_breaks_off_has_no_limit():
    (_, low), (_, high) = both_sides(
        lambda v, s: (-0.5 * v**2 if v < 0.1 else -np.inf, s), 0.0, 0.0, 0.5
    )
    assert low == pytest.approx(-Q, rel=1e-6) and np.isnan(high)
