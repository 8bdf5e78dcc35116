"""Tables of variances, covariances, standard deviations and correlations of random effects."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.inference.intervals import (
    correlation_with_se,
    covariance_limits,
    fisher_limits,
    log_limits,
)

__all__ = ["RANDOM_COLUMNS", "covariance_frames", "random_effects_rows", "transformed_limits"]

#: Columns of `random_effects_rows`.
RANDOM_COLUMNS = (
    "estimate", "std_err", "lower", "upper", "sd_corr", "sd_corr_lower", "sd_corr_upper"
)  # fmt: skip


def covariance_frames(mapping, level_names, params) -> dict[str, pd.DataFrame]:
    """Covariance matrices of the random effects by level, from the top level down.

    Parameters
    ----------
    mapping : GLMMMapping
    level_names : sequence of str
        Lowest level first.
    params : ndarray, shape (p,)
        Published parameters.

    Returns
    -------
    dict of str to DataFrame, each of shape (q, q)
    """
    frames = {}
    for level in range(len(level_names) - 1, -1, -1):
        names: list[str] = []
        q = mapping.dimensions[level]
        psi = np.zeros((q, q))
        for where, position, block, covariance in mapping.terms:
            if where == level:
                span = slice(position, position + len(covariance.names))
                psi[span, span] = covariance.matrix(params[block])
                names += covariance.names
        frames[level_names[level]] = pd.DataFrame(psi, index=names, columns=names)
    return frames


def _entries(mapping):
    """Position in params of each variance, covariance, correlation and dispersion; for covariances also
    those of the two variances, and nothing in their place for correlations."""
    for _, _, block, covariance in mapping.terms:
        variances = {r: block.start + k for k, (r, c) in enumerate(covariance.params) if r == c}
        for k, (r, c) in enumerate(covariance.params):
            pair = tuple(variances[row] for row in (c, r) if row in variances)
            yield block.start + k, None if r == c else pair
    for block, slot in mapping.slots:
        if slot.published != "identity":
            yield from ((position, None) for position in range(block.start, block.stop))


def random_effects_rows(mapping, params, bse, cov, q: float) -> tuple[list[str], np.ndarray]:
    """Estimates and intervals of the random part, a row a parameter.

    Parameters
    ----------
    mapping : GLMMMapping
    params, bse : ndarray, shape (p,)
    cov : ndarray, shape (p, p)
        Sampling covariance matrix of `params`.
    q : float
        Quantile of the reference distribution.

    Returns
    -------
    names : list of str
    values : ndarray, shape (number of random parameters, 7)
        `RANDOM_COLUMNS`: estimate, standard error and limits of variances and covariances; estimate
        and limits of standard deviations and correlations.
    """
    rows, names = [], []
    # of dispersions only residual variances have a standard deviation
    plain = {
        position
        for block, slot in mapping.slots
        if slot.published == "exp"
        for position in range(block.start, block.stop)
    }
    for position, pair in _entries(mapping):
        value, se = params[position], bse[position]
        if pair is None:
            limits = log_limits(value, se, q)
            other = (np.nan,) * 3 if position in plain else (np.sqrt(value), *np.sqrt(limits))
        elif not pair:
            limits = fisher_limits(value, se, 1.0, q)
            other = (value, *limits)
        else:
            first, second = params[pair[0]], params[pair[1]]
            limits = covariance_limits(value, se, np.sqrt(max(first * second, 0.0)), q)
            chosen = [pair[0], position, pair[1]]
            r, r_se = correlation_with_se(first, value, second, cov[np.ix_(chosen, chosen)])
            if not np.isfinite(bse[chosen]).all():
                r_se = np.nan
            other = (r, *fisher_limits(r, r_se, 1.0, q))
        rows.append((value, se, *limits, *other))
        names.append(mapping.param_names[position])
    return names, np.array(rows, dtype=float).reshape(-1, len(RANDOM_COLUMNS))


def transformed_limits(mapping, params, bse, symmetric: np.ndarray, q: float) -> np.ndarray:
    """Symmetric limits with those of the random part replaced by transformed ones.

    Parameters
    ----------
    mapping : GLMMMapping
    params, bse : ndarray, shape (p,)
    symmetric : ndarray, shape (p, 2)
    q : float

    Returns
    -------
    ndarray, shape (p, 2)
    """
    limits = symmetric.copy()
    for position, pair in _entries(mapping):
        value, se = params[position], bse[position]
        if pair is None:
            limits[position] = log_limits(value, se, q)
        elif not pair:
            limits[position] = fisher_limits(value, se, 1.0, q)
        else:
            scale = np.sqrt(max(params[pair[0]] * params[pair[1]], 0.0))
            limits[position] = covariance_limits(value, se, scale, q)
    return limits
