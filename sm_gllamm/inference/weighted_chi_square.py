"""Sums of chi-square variables with weights: the distribution of likelihood ratios of models that overlap."""

from __future__ import annotations

import numpy as np
from scipy import integrate, stats

__all__ = ["weighted_chi_square_sf"]

#: Weights below this share of the largest do not count.
NOTHING = 1e-10


def weighted_chi_square_sf(x: float, weights) -> float:
    """Probability that a weighted sum of independent chi-square variables, df 1 each, exceeds x.

    Parameters
    ----------
    x : float
    weights : array_like, shape (m,)
        Negative ones, too.

    Returns
    -------
    float

    Notes
    -----
    The characteristic function is inverted numerically,

        P(Q > x) = 1/2 + (1/pi) int_0^inf sin(theta(u)) / (u rho(u)) du ,

    with theta(u) = (sum_k arctan(w_k u) - x u) / 2 and rho(u) = prod_k (1 + w_k^2 u^2)^(1/4) (Imhof 1961).
    The tail of the integral, where only x u oscillates, is a Fourier integral.

    References
    ----------
    Imhof, J. P. (1961). Computing the distribution of quadratic forms in normal variables. Biometrika 48,
    419-426.

    Examples
    --------
    >>> from sm_gllamm.inference.weighted_chi_square import weighted_chi_square_sf
    >>> round(weighted_chi_square_sf(5.991, [1.0, 1.0]), 4)
    0.05
    >>> round(weighted_chi_square_sf(3.0, [2.0, -1.0]), 4)
    0.1709
    """
    weights = np.asarray(weights, dtype=float)
    largest = np.abs(weights).max(initial=0.0)
    if not largest:
        return float(x < 0)
    weights = weights[np.abs(weights) > NOTHING * largest] / largest
    x = float(x) / largest
    if np.ptp(weights) < 1e-12:
        sign, df = np.sign(weights[0]), len(weights)
        return float(stats.chi2.sf(x, df) if sign > 0 else stats.chi2.cdf(-x, df))
    if x < 0:
        return 1.0 - weighted_chi_square_sf(-x, -weights)

    def phase(u):
        return 0.5 * np.arctan(np.multiply.outer(u, weights)).sum(axis=-1)

    def size(u):
        return np.exp(0.25 * np.log1p(np.multiply.outer(u, weights) ** 2).sum(axis=-1)) * u

    def whole(u):
        return np.sin(phase(u) - 0.5 * x * u) / size(u)

    # to the first zero of sin(x u / 2), at most; the rest oscillates slowly where x is small
    edge = min(2.0 * np.pi / x, 2.0) if x > 1e-3 else 2.0
    value = integrate.quad(whole, 0.0, edge, limit=200, epsabs=1e-12)[0]
    if x > 1e-3:
        options = {"wvar": 0.5 * x, "limlst": 500, "limit": 500, "epsabs": 1e-11}
        for weight, part in (("cos", lambda u: np.sin(phase(u)) / size(u)),
                             ("sin", lambda u: -np.cos(phase(u)) / size(u))):  # fmt: skip
            value += integrate.quad(part, edge, np.inf, weight=weight, **options)[0]
    else:
        value += integrate.quad(whole, edge, np.inf, limit=500, epsabs=1e-11)[0]
    return float(np.clip(0.5 + value / np.pi, 0.0, 1.0))
