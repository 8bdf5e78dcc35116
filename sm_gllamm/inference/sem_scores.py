"""Factor scores: latent variables of persons, given their responses."""

from __future__ import annotations

import numpy as np

__all__ = ["bartlett_scores", "conditional_normal", "patterns_of"]


def patterns_of(values: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows with the same variables observed, as (observed variables, rows)."""
    present = ~np.isnan(values)
    patterns, code = np.unique(present, axis=0, return_inverse=True)
    code = code.reshape(-1)
    return [(np.flatnonzero(seen), np.flatnonzero(code == k)) for k, seen in enumerate(patterns)]


def conditional_normal(
    values: np.ndarray, mean: np.ndarray, covariance: np.ndarray, known: np.ndarray,
    wanted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Means and standard deviations of normal variables given others, which may have missing values.

    Parameters
    ----------
    values : ndarray, shape (n, len(known))
        NaN where missing.
    mean : ndarray, shape (q,)
    covariance : ndarray, shape (q, q)
    known, wanted : ndarray of int
        Positions.

    Returns
    -------
    mean, sd : ndarray, shape (n, len(wanted))
        Regression factor scores (Thurstone 1935) if the wanted variables are latent: posterior means.
    """
    out = np.empty((len(values), len(wanted)))
    sd = np.empty_like(out)
    for seen, rows in patterns_of(values):
        at = known[seen]
        between = covariance[np.ix_(at, wanted)]
        slope = np.linalg.solve(covariance[np.ix_(at, at)], between) if len(at) else between
        out[rows] = mean[wanted] + (values[np.ix_(rows, seen)] - mean[at]) @ slope
        left = np.diag(covariance[np.ix_(wanted, wanted)] - between.T @ slope)
        sd[rows] = np.sqrt(np.maximum(left, 0.0))
    return out, sd


def bartlett_scores(
    values: np.ndarray, loadings: np.ndarray, residual: np.ndarray, latent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares (maximum likelihood) scores, unbiased given the latent variables.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Indicators less all that does not come from latent variables; NaN where missing.
    loadings : ndarray, shape (p, q)
    residual : ndarray, shape (p, p)
        Covariance matrix of residuals, which may be singular.
    latent : ndarray, shape (q, q)
        Covariance matrix of the latent variables: any one gives the same scores.

    Returns
    -------
    score, sd : ndarray, shape (n, q)
        NaN where too few indicators are observed (Bartlett 1937, *British Journal of Psychology* 28, 97-104).
    """
    n, q = len(values), loadings.shape[1]
    score, sd = np.full((n, q), np.nan), np.full((n, q), np.nan)
    for seen, rows in patterns_of(values):
        part = loadings[seen]
        if not len(seen) or np.linalg.matrix_rank(part) < q:
            continue
        total = part @ latent @ part.T + residual[np.ix_(seen, seen)]
        weighted = np.linalg.solve(total, part)
        inverse = np.linalg.inv(part.T @ weighted)
        score[rows] = values[np.ix_(rows, seen)] @ weighted @ inverse
        sd[rows] = np.sqrt(np.maximum(np.diag(inverse - latent), 0.0))
    return score, sd
