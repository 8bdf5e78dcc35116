"""The kernel's own exp, log and log erfc, as compiled: -ffast-math would break them silently."""

import numpy as np
from numpy.testing import assert_allclose
from scipy.special import log_ndtr

from sm_gllamm.engine.dispatch import exp_log_erfc


def test_accuracy():
    x = np.concatenate(
        [np.linspace(-700, 700, 20001), np.linspace(-1, 1, 20001), np.linspace(-40, 40, 20001)]
    )
    exp, log, log_erfc = exp_log_erfc(x)
    assert_allclose(exp, np.exp(x), rtol=4.5e-16)
    assert_allclose(log, np.log(exp), rtol=4.5e-16, atol=1e-300)
    expected = log_ndtr(-np.abs(x) * np.sqrt(2)) + np.log(2)
    assert_allclose(log_erfc, expected, rtol=2e-15, atol=1e-15)


def test_range_ends():
    exp, _, _ = exp_log_erfc(np.array([-1e10, 1e10, 0.0]))
    assert exp[0] < 1e-307 and exp[1] > 1e307 and exp[2] == 1.0
