"""Goodness of fit of tables of response patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

__all__ = ["PowerDivergence", "pair_statistic", "power_divergence"]

#: Cressie and Read's recommendation for the power.
POWER = 2.0 / 3.0


@dataclass(frozen=True, slots=True)
class PowerDivergence:
    """Members of the power divergence family.

    Attributes
    ----------
    g2 : float
        Likelihood-ratio statistic.
    x2 : float
        Pearson's statistic.
    cressie_read : float
        Power 2/3.
    """

    g2: float
    x2: float
    cressie_read: float


def power_divergence(observed: np.ndarray, expected: np.ndarray) -> PowerDivergence:
    """Statistics of a table of which only the cells with observations are given.

    Parameters
    ----------
    observed : ndarray, shape (m,)
        Numbers of units, of all cells where they are positive.
    expected : ndarray, shape (m,)
        Expected numbers in the same cells, positive; those of all cells add up to the sum of `observed`.

    Returns
    -------
    PowerDivergence

    Notes
    -----
    Cressie & Read (1984, *JRSS B* 46, 440-464, eq. 2.1). Cells without observations have a part in
    Pearson's statistic only: the sum of what is expected there.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.classes.pattern_fit import power_divergence
    >>> fit = power_divergence(np.array([12.0, 8.0]), np.array([10.0, 8.0]))
    >>> round(fit.x2, 6)
    2.4
    """
    observed, expected = np.asarray(observed, dtype=float), np.asarray(expected, dtype=float)
    total = float(observed.sum())
    ratio = observed / expected
    g2 = 2.0 * float(xlogy(observed, ratio).sum())
    elsewhere = max(total - float(expected.sum()), 0.0)
    x2 = float(((observed - expected) ** 2 / expected).sum()) + elsewhere
    divergence = 2.0 / (POWER * (POWER + 1.0)) * (float((observed * ratio**POWER).sum()) - total)
    return PowerDivergence(g2, x2, divergence)


def pair_statistic(residual: np.ndarray, variance: np.ndarray) -> float:
    """r' V^- r, of residuals of the joint moments of two indicators.

    Parameters
    ----------
    residual : ndarray, shape (d,)
    variance : ndarray, shape (d, d)
        Its variance.

    Returns
    -------
    float
    """
    return float(residual @ np.linalg.pinv(variance, hermitian=True) @ residual)
