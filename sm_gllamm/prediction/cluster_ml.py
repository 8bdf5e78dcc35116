"""Maximum likelihood values of random effects: each cluster's own estimate, without the prior."""

from __future__ import annotations

import numpy as np

__all__ = ["cluster_maximum_likelihood"]

ITERATIONS = 200
#: Newton decrement (log-likelihood units) of a cluster at its maximum.
TOLERANCE = 1e-14
#: Largest change of a linear predictor in one step.
MAX_STEP = 3.0
#: Information this small relative to its start: the likelihood is flat, the maximum at infinity.
FLAT = 1e-8


def _sums(codes: np.ndarray, values: np.ndarray, n_clusters: int) -> np.ndarray:
    """Sums of rows by cluster, shape (n_clusters, ...)."""
    flat = values.reshape(len(values), -1)
    total = np.column_stack([np.bincount(codes, column, n_clusters) for column in flat.T])
    return total.reshape(n_clusters, *values.shape[1:])


def unbounded(family_name: str, share, weight, columns, codes, n_clusters: int) -> np.ndarray:
    """Direction (-1, 0, 1) in which the likelihood of one random effect rises without end.

    Parameters
    ----------
    family_name : str
    share, weight : ndarray, shape (n,)
    columns : ndarray, shape (n,)
    codes : ndarray of intp, shape (n,)
    n_clusters : int
    """
    used = (columns != 0) & (weight > 0)
    up, down = columns > 0, columns < 0
    if family_name == "Binomial":
        rises = np.where(up, share == 1, share == 0)
        falls = np.where(up, share == 0, share == 1)
    elif family_name in ("Poisson", "NegativeBinomial"):
        # a mean of zero can be approached, an infinite one cannot
        rises, falls = down & (share == 0), up & (share == 0)
    else:
        return np.zeros(n_clusters)
    some = np.bincount(codes, used, n_clusters) > 0
    to_plus = some & (np.bincount(codes, used & ~rises, n_clusters) == 0)
    to_minus = some & (np.bincount(codes, used & ~falls, n_clusters) == 0)
    return to_plus.astype(float) - to_minus


def cluster_maximum_likelihood(
    family, share, weight, fixed, columns, codes, n_clusters: int
) -> tuple[np.ndarray, np.ndarray]:
    """Maximise every cluster's conditional log-likelihood over its random effects.

    Parameters
    ----------
    family : statsmodels family
    share : ndarray, shape (n,)
        Responses; proportions of successes for binomial counts.
    weight : ndarray, shape (n,)
        Trials times row weights, divided by the dispersion.
    fixed : ndarray, shape (n,)
        Fixed part of the linear predictor, offset included.
    columns : ndarray, shape (n, q)
        Random-effects design.
    codes : ndarray of intp, shape (n,)
        Cluster of each row.
    n_clusters : int

    Returns
    -------
    values : ndarray, shape (n_clusters, q)
        Infinite where a single random effect has no finite maximum, NaN where several have none or
        where the cluster's rows do not determine them.
    covariance : ndarray, shape (n_clusters, q, q)
        Inverse expected information; NaN where the value is not finite.

    Notes
    -----
    Fisher scoring, all clusters at once, with steps limited and halved on overshooting. See
    Skrondal & Rabe-Hesketh (2009), Prediction in multilevel generalized linear models, JRSS A 172,
    sec. 3.1.
    """
    q = columns.shape[1]
    outer = columns[:, :, None] * columns[:, None, :]

    def derivatives(values):
        nu = fixed + np.einsum("nq,nq->n", columns, values[codes])
        mean, slope = family.link.inverse(nu), family.link.inverse_deriv(nu)
        precision = weight * slope / family.variance(mean)
        score = _sums(codes, (precision * (share - mean))[:, None] * columns, n_clusters)
        return score, _sums(codes, (precision * slope)[:, None, None] * outer, n_clusters)

    gram = _sums(codes, (weight > 0)[:, None, None] * outer, n_clusters)
    determined = np.linalg.matrix_rank(gram, hermitian=True) == q
    direction = np.zeros(n_clusters)
    if q == 1:
        name = type(family).__name__
        direction = unbounded(name, share, weight, columns[:, 0], codes, n_clusters)
    moving = determined & (direction == 0)
    values = np.zeros((n_clusters, q))
    score, information = derivatives(values)
    first = np.einsum("jqq->j", information)
    for _ in range(ITERATIONS):
        step = np.einsum("jqr,jr->jq", np.linalg.pinv(information, hermitian=True), score)
        step[~moving] = 0.0
        reach = np.zeros(n_clusters)
        np.maximum.at(reach, codes, np.abs(np.einsum("nq,nq->n", columns, step[codes])))
        step /= np.maximum(1.0, reach / MAX_STEP)[:, None]
        gain = np.einsum("jq,jq->j", score, step)
        for _ in range(20):
            score, information = derivatives(values + step)
            overshot = np.einsum("jq,jq->j", score, step) < -0.5 * gain - TOLERANCE
            if not overshot.any():
                break
            step[overshot] /= 2.0
        values += step
        flat = np.einsum("jqq->j", information) < FLAT * first
        moving &= ~flat & (gain > TOLERANCE)
        if not moving.any():
            break
    smallest = np.linalg.eigvalsh(information)[:, 0]
    lost = ~determined | moving | (smallest < FLAT * first)
    covariance = np.linalg.pinv(information, hermitian=True)
    values[lost] = np.nan
    values[direction != 0] = direction[direction != 0, None] * np.inf
    covariance[lost | (direction != 0)] = np.nan
    return values, covariance
