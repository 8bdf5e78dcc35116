"""Confidence limits on the scale where an estimate is nearest to normal."""

from __future__ import annotations

import numpy as np

__all__ = ["correlation_with_se", "fisher_limits", "log_limits"]

#: A correlation nearer to plus or minus one than this has no interval.
EDGE = 1e-6


def log_limits(estimate: float, se: float, q: float) -> tuple[float, float]:
    """Limits of a positive quantity, symmetric for its logarithm.

    Parameters
    ----------
    estimate, se : float
    q : float
        Quantile of the reference distribution, 1.96 for 95%.

    Returns
    -------
    lower, upper : float
        NaN where the estimate is zero or has no standard error.

    Examples
    --------
    >>> lower, upper = log_limits(2.0, 0.5, 1.96)
    >>> round(lower, 4), round(upper, 4)
    (1.2253, 3.2646)
    """
    if not (estimate > 0 and np.isfinite(se)):
        return np.nan, np.nan
    exponent = q * se / estimate
    if exponent > 700.0:
        return 0.0, np.inf
    factor = np.exp(exponent)
    return float(estimate / factor), float(estimate * factor)


def fisher_limits(estimate: float, se: float, bound: float, q: float) -> tuple[float, float]:
    """Limits of a quantity between -bound and bound, symmetric for artanh(quantity / bound).

    With ``bound=1`` this is Fisher's z of a correlation. For a covariance, `bound` is the product of
    the two estimated standard deviations and `se` the covariance's own standard error, so the limits
    agree to first order with the symmetric ones and belong to possible covariances.

    Parameters
    ----------
    estimate, se, bound : float
    q : float
        Quantile of the reference distribution.

    Returns
    -------
    lower, upper : float
        NaN on the bound or without a standard error.

    Examples
    --------
    >>> lower, upper = fisher_limits(0.5, 0.2, 1.0, 1.96)
    >>> round(lower, 4), round(upper, 4)
    (0.0266, 0.7902)
    """
    if not (bound > 0 and abs(estimate) < (1.0 - EDGE) * bound and np.isfinite(se)):
        return np.nan, np.nan
    share = estimate / bound
    half = q * se / (bound * (1.0 - share**2))
    centre = np.arctanh(share)
    return float(bound * np.tanh(centre - half)), float(bound * np.tanh(centre + half))


def correlation_with_se(
    first: float, covariance: float, second: float, cov: np.ndarray
) -> tuple[float, float]:
    """Correlation and its delta-method standard error.

    Parameters
    ----------
    first, covariance, second : float
        Variance, covariance, variance.
    cov : ndarray, shape (3, 3)
        Sampling covariance matrix of the three, in this order.

    Returns
    -------
    correlation, se : float
        NaN if a variance is zero.
    """
    if not (first > 0 and second > 0):
        return np.nan, np.nan
    scale = np.sqrt(first * second)
    r = covariance / scale
    slope = np.array([-0.5 * r / first, 1.0 / scale, -0.5 * r / second])
    return r, float(np.sqrt(max(slope @ cov @ slope, 0.0)))
