"""Factor scores: latent variables of persons, given their responses."""

from __future__ import annotations

import numpy as np

__all__ = ["bartlett_scores", "conditional_normal", "patterns_of", "two_level_scores"]


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


def two_level_scores(
    within, between, group, codes: np.ndarray, deviations: np.ndarray
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Posterior means and standard deviations of the latent variables of both levels.

    Cluster means, with cluster-level variables, and deviations from them are independent: the former say
    everything about latent variables of clusters and about cluster means of those of rows, the latter about
    the deviations of latent variables of rows.

    Parameters
    ----------
    within, between : ImpliedBlock
    group : TwoLevelGroup
    codes : ndarray of int, shape (n,)
        Cluster of each row.
    deviations : ndarray, shape (n, q)
        Of the within variables from their cluster means.

    Returns
    -------
    names : list of str
        Latent variables of rows, then of clusters.
    mean, sd : ndarray, shape (n, number of names)
    """
    level = group.variables.means
    p, n_within, n_between = len(level), within.block.n_observed, between.block.n_observed
    at_within = np.array([level.index(name) for name in group.variables.within])
    at_between = np.array([level.index(name) for name in group.variables.between])
    lower = np.arange(n_within, len(within.block.variables))
    upper = np.arange(n_between, len(between.block.variables))
    names = [within.block.variables[k] for k in lower] + [between.block.variables[k] for k in upper]
    center = np.zeros(p)
    center[at_within] += within.mean[:n_within]
    center[at_between] += between.mean[:n_between]
    inside = within.covariance[:n_within, :n_within]
    to_lower = within.covariance[np.ix_(np.arange(n_within), lower)]
    own = within.covariance[np.ix_(lower, lower)]
    slope = np.linalg.solve(inside, to_lower)
    left = np.diag(own - to_lower.T @ slope)
    mean = np.empty((len(group.size), len(names)))
    variance = np.empty_like(mean)
    k = len(lower)
    for size in np.unique(group.size):
        clusters = np.flatnonzero(group.size == size)
        total = np.zeros((p, p))
        total[np.ix_(at_within, at_within)] += inside / size
        total[np.ix_(at_between, at_between)] += between.covariance[:n_between, :n_between]
        cross = np.zeros((p, len(names)))
        cross[at_within, :k] = to_lower / size
        cross[at_between, k:] = between.covariance[np.ix_(np.arange(n_between), upper)]
        weights = np.linalg.solve(total, cross)
        start = np.concatenate([within.mean[lower], between.mean[upper]])
        mean[clusters] = start + (group.vectors[clusters] - center) @ weights
        prior = np.concatenate([np.diag(own) / size, np.diag(between.covariance)[upper]])
        known = prior - np.einsum("ij,ij->j", cross, weights)
        known[:k] += (1.0 - 1.0 / size) * left
        variance[clusters] = known
    score = mean[codes]
    score[:, :k] += deviations @ slope
    return names, score, np.sqrt(np.maximum(variance[codes], 0.0))
