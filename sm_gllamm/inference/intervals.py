"""Confidence limits on the scale where an estimate is nearest to normal."""

from __future__ import annotations

import numpy as np

__all__ = ["correlation_with_se", "covariance_limits", "fisher_limits", "log_limits"]

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

    With ``bound=1`` this is Fisher's z of a correlation.

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


def covariance_limits(estimate: float, se: float, scale: float, q: float) -> tuple[float, float]:
    """Limits of a covariance, symmetric for arsinh(covariance / scale).

    Parameters
    ----------
    estimate, se : float
    scale : float
        Product of the two estimated standard deviations.
    q : float
        Quantile of the reference distribution.

    Returns
    -------
    lower, upper : float
        NaN where the correlation is plus or minus one, or without a standard error.

    Notes
    -----
    The covariance c of n pairs of normal variables with standard deviations s1 and s2 is estimated
    with variance ``(s1^2 s2^2 + c^2) / n`` (Anderson 2003, An Introduction to Multivariate Statistical
    Analysis, 3rd ed., sec. 3.4), which the transformation arsinh(c / (s1 s2)) makes constant. Near
    zero the limits are symmetric; where the correlation is high they are, as those of variances,
    nearly symmetric for the logarithm. They agree to first order with the symmetric ones. A limit may
    exceed `scale`: the standard deviations are as uncertain as the covariance is.

    Examples
    --------
    >>> lower, upper = covariance_limits(0.95, 0.3, 1.0, 1.96)
    >>> round(lower, 4), round(upper, 4)
    (0.4317, 1.6436)
    """
    if not (scale > 0 and abs(estimate) < (1.0 - EDGE) * scale and np.isfinite(se)):
        return np.nan, np.nan
    centre = np.arcsinh(estimate / scale)
    half = q * se / np.hypot(scale, estimate)
    with np.errstate(over="ignore"):
        return float(scale * np.sinh(centre - half)), float(scale * np.sinh(centre + half))


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
