"""Factor scores: latent variables of persons, given their responses."""

from __future__ import annotations

import numpy as np

__all__ = [
    "bartlett_scores",
    "conditional_normal",
    "given_moments",
    "patterns_of",
    "posterior_scores",
    "unbiased_scores",
]


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


def posterior_scores(
    pull: np.ndarray, middle: np.ndarray, of: np.ndarray, mean: np.ndarray, cross: np.ndarray,
    variance: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Posterior means and standard deviations of normal variables.

    Parameters
    ----------
    pull : ndarray, shape (n, p)
        V^-1 e, with V the covariance matrix of all observations that matter and e their deviations, of the
        variables of a row or cluster.
    middle : ndarray, shape (m, p, p)
        The block of V^-1 of these variables.
    of : ndarray of int, shape (n,)
        Which one each row or cluster has.
    mean : ndarray, shape (k,)
    cross : ndarray, shape (p, k)
        Covariances of the variables with those that are wanted.
    variance : ndarray, shape (k,)

    Returns
    -------
    mean, sd : ndarray, shape (n, k)
    """
    left = variance - np.einsum("ik,mij,jk->mk", cross, middle, cross, optimize=True)
    return mean + pull @ cross, np.sqrt(np.maximum(left, 0.0))[of]


def unbiased_scores(
    pull: np.ndarray, middle: np.ndarray, of: np.ndarray, loadings: np.ndarray,
    centre: np.ndarray, prior: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Generalised least squares (Bartlett) scores: unbiased given the latent variables.

    Parameters
    ----------
    pull, middle, of
        As for :func:`posterior_scores`, of the variables that depend on the latent ones; the others given.
    loadings : ndarray, shape (p, k)
        Effects on these variables.
    centre : ndarray, shape (n, k)
        Means of the latent variables given what does not depend on them.
    prior : ndarray, shape (n, k, k)
        Their covariance matrix, which is part of V; any one gives the same scores.

    Returns
    -------
    score, sd : ndarray, shape (n, k)
        NaN where too little is observed.
    """
    information = np.einsum("ik,mij,jl->mkl", loadings, middle, loadings, optimize=True)
    scale = np.sqrt(np.maximum(np.einsum("mkk->mk", information), 1e-300))
    scaled = information / (scale[:, :, None] * scale[:, None, :])
    fine = (np.linalg.eigvalsh(scaled)[:, 0] > 1e-9) & (scale.min(1) > 1e-100)
    inverse = np.full_like(information, np.nan)
    inverse[fine] = np.linalg.inv(information[fine])
    score = centre + np.einsum("nkl,nl->nk", inverse[of], pull @ loadings)
    left = np.einsum("nkk->nk", inverse[of] - prior)
    return score, np.sqrt(np.maximum(left, 0.0))


def given_moments(
    values: np.ndarray, mean: np.ndarray, covariance: np.ndarray, known: np.ndarray,
    wanted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Means, shape (n, k), and covariance matrices, (n, k, k), of variables given others.

    As :func:`conditional_normal`, which has the standard deviations only.
    """
    centre = np.empty((len(values), len(wanted)))
    prior = np.empty((len(values), len(wanted), len(wanted)))
    own = covariance[np.ix_(wanted, wanted)]
    for seen, rows in patterns_of(values):
        at = known[seen]
        between = covariance[np.ix_(at, wanted)]
        slope = np.linalg.solve(covariance[np.ix_(at, at)], between)
        centre[rows] = mean[wanted] + (values[np.ix_(rows, seen)] - mean[at]) @ slope
        prior[rows] = own - between.T @ slope
    return centre, prior
